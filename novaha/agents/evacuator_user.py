"""Whom the evacuator runs as on this node, and what stands against that. Doctor asks it, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from novaha.contract.ocf import ExitCode
from novaha.core.errors import NovahaError

if TYPE_CHECKING:
    from novaha.evacuator.identity import Identity
    from novaha.pacemaker.runner import Runner


@dataclass(frozen=True, slots=True)
class Choice:
    """user: None for who this is, root as a rule. wanted: the name that the resource asks for.

    problem: why it is not another user, with what mends it; "" if nothing is wrong. code: of the
        agent, for a problem with the user that was asked for. commands: what mends it, alone.
    acls: whether it stays root because of Pacemaker's ACLs, which the default user has no role for.
    """

    user: Identity | None = None
    wanted: str = ""
    problem: str = ""
    code: ExitCode = ExitCode.SUCCESS
    commands: tuple[str, ...] = ()
    acls: bool = False


def choose(parameters: Mapping[str, str], acls: Callable[[], bool]) -> Choice:
    """The user by the resource's parameters, which is novaha if they name none.

    That one is not taken where it does not exist, where it cannot read what it has to (an upgrade
    that brings the user must not keep hosts from being recovered), and where Pacemaker's ACLs
    would refuse it.
    """
    from novaha import wiring
    from novaha.evacuator import identity

    wanted = parameters.get("user", "")
    try:
        user = identity.chosen(wanted)
        if user is None:
            return Choice(wanted=wanted)
        if not wanted and acls():
            return Choice(acls=True)
        files = wiring.files(parameters)
        blocked = identity.unreadable(user, files)
    except identity.EvacuatorError as error:
        return Choice(None, wanted, str(error), ExitCode.ERR_INSTALLED)
    if not blocked:
        return Choice(user, wanted)
    return Choice(
        None,
        wanted,
        identity.remedy(user, blocked, files[0]),
        ExitCode.ERR_PERM,
        identity.commands(user, blocked, files[0]),
    )


def has_acls(run: Runner | None = None) -> bool:
    """Whether Pacemaker asks a role of everybody but root and hacluster; novaha makes none."""
    from novaha.core import truth
    from novaha.pacemaker.cib import query
    from novaha.pacemaker.runner import Runner

    try:
        found = query(run or Runner(), "//crm_config//nvpair[@name='enable-acl']")
        return any(truth.is_true(str(pair.get("value"))) for pair in found)
    except NovahaError:
        return False
