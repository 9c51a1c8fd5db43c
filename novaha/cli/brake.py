"""`novaha proceed`, `pause`, `resume`, `evidence`: what operators tell the brake, and ask of it."""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from novaha.cli import asking, screen
from novaha.cli.asking import NotDoneError, agreed
from novaha.cli.terminal import say
from novaha.core import text, truth
from novaha.core.brake import Host
from novaha.core.errors import NovahaError
from novaha.core.steering import (
    HOLD_RECOVERIES,
    PAUSE,
    PROCEED,
    Pause,
    Permit,
    pause_text,
    permit_text,
)
from novaha.pacemaker.cib import local_node
from novaha.pacemaker.computes import Computes, read_computes
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.runner import Runner

_AT_ONCE = 16
"""Hosts that Pacemaker is asked to fence at once; each question lasts until the power is off."""

_TRIES = 3
"""A request joins a fencing of the same host that is under way, and fails with it: that one was
held before the host was let go."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add_parsers(commands: Any) -> None:
    """Add the commands."""
    proceed = commands.add_parser(
        "proceed",
        help="let held hosts be powered off",
        description="Let hosts be powered off whose power-off is held, and have them fenced. "
        "Their guests end, and are recovered on other hosts. A host that is fenced already, and "
        "whose recovery the brake's limits hold, is recovered.",
    )
    which = proceed.add_mutually_exclusive_group(required=True)
    which.add_argument("host", metavar="HOST", nargs="?", help="Pacemaker's name of the node")
    which.add_argument("--group", metavar="NAME=VALUE", help="the held hosts of a group")
    which.add_argument("--all", action="store_true", help="every held host")
    proceed.add_argument("--reason", default="", help="why, for the record")
    proceed.add_argument("--yes", action="store_true", help="do not ask")
    pause = commands.add_parser(
        "pause",
        help="stop fencing and new recoveries, for planned work",
        description="Nothing is powered off, and no recovery begins, until `novaha resume` or the "
        "end of the time given. Recoveries that run are finished.",
    )
    pause.add_argument("--reason", required=True, help="why, for those who will ask")
    pause.add_argument("--yes", action="store_true", help="do not ask")
    pause.add_argument(
        "--for", dest="duration", metavar="TIME", help="how long: 30m, 2h or 1d (default: no end)"
    )
    resume = "end a pause"
    commands.add_parser("resume", help=resume, description=f"{resume.capitalize()}.")
    evidence = "show whether a host lives: networks, Pacemaker, Nova, power"
    sheet = commands.add_parser("evidence", help=evidence, description=f"{evidence.capitalize()}.")
    sheet.add_argument("host", metavar="HOST", help="Pacemaker's name of the node")


def proceed(args: argparse.Namespace, run: Runner | None = None) -> int:
    """Let hosts go. Raises NotDoneError when none of them is held, NovahaError."""
    run = run or Runner()
    view = read_computes(run)
    nodes = list(_chosen(args, view))
    if not nodes:
        raise NotDoneError("no such host is held: there is nothing to let go (`novaha status`)")
    shot = [node for node in nodes if _is_shot(node, view)]
    if shot:
        say(f"{', '.join(shot)}: powered off by force. What runs there ends, and is recovered.")
    if begun := [node for node in nodes if node not in shot]:
        say(f"{', '.join(begun)}: fenced already, and recovered now.")
    if not args.yes and not _agreed(f"let {len(nodes)} of {len(view.hosts)} compute hosts go?"):
        raise NotDoneError("nothing was done")
    permit = permit_text(Permit(datetime.now(UTC), who(), args.reason))
    for node in nodes:
        run(["crm_attribute", "--node", node, "--name", PROCEED, "--update", permit])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = {node: pool.submit(_fence, FenceHistory(run), node) for node in shot}
    failed = {node: error for node, future in asked.items() if (error := future.exception())}
    for node in shot:
        why = f"not fenced: {failed[node]}" if node in failed else "fenced; see `novaha status`"
        say(f"{node}: {text.line(why)}")
    if failed:
        raise NotDoneError(f"{len(failed)} of {len(shot)} hosts are not fenced")
    return 0


def _fence(history: FenceHistory, node: str) -> None:
    """Have it fenced, by this request or by another one since. Raises NovahaError."""
    since = datetime.now(UTC).replace(microsecond=0)
    for left in reversed(range(_TRIES)):
        try:
            history.request(node)
            return
        except NovahaError:
            if any(at >= since for at in history.history().fencings_of(node)):
                return
            if not left:
                raise


def _chosen(args: argparse.Namespace, view: Computes) -> Iterator[str]:
    """Held hosts; one that is named may also be lost without a mark, as after a full restart."""
    for node, host in sorted(view.hosts.items()):
        named = bool(args.host) and node == view.canonical(args.host)
        in_group = bool(args.group) and args.group in host.groups
        chosen = args.all or in_group or named
        waits = node in view.held or _recovery_is_held(host, view)
        if (chosen and waits) or (named and host.lost):
            yield node


def _recovery_is_held(host: Host, view: Computes) -> bool:
    """Whether the limits may hold its recovery: it waits, and they are told to."""
    return host.waits and truth.is_true(view.settings.get(HOLD_RECOVERIES, ""))


def _is_shot(node: str, view: Computes) -> bool:
    """Whether it has to be fenced to be recovered; the others are fenced."""
    return node in view.held or view.hosts[node].lost


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise NotDoneError("nobody can be asked here: say --yes")
    return agreed(question)


def pause(args: argparse.Namespace, run: Runner | None = None) -> int:
    """Pause fencing and new recoveries. Raises NovahaError."""
    run = run or Runner()
    if not read_computes(run).devices:
        raise NotDoneError(
            "this cluster has no brake, and without it a pause stops no power-off: "
            "`novaha setup --apply` puts it into the fencing levels"
        )
    now = datetime.now(UTC)
    until = None if args.duration is None else now + duration(args.duration)
    paused = Pause(now, who(), args.reason, until)
    command = ["crm_attribute", "--type", "crm_config", "--name", PAUSE, "--update"]
    run([*command, pause_text(paused)])
    say(f"paused: {paused}. A host that dies now is neither fenced nor recovered.")
    say("`novaha resume` ends it")
    return 0


def _effect_of_pause(args: argparse.Namespace) -> str:
    end = (
        f"for {args.duration}, or until `novaha resume`"
        if args.duration
        else ("until `novaha resume`")
    )
    return (
        f"Fencing and new recoveries stop {end}. A compute host that dies meanwhile stays dead "
        "with its instances; controllers are fenced as ever."
    )


PAUSE_COMMAND = asking.asked(_effect_of_pause, "pause fencing and new recoveries?", pause)


def resume(args: argparse.Namespace, run: Runner | None = None) -> int:
    """End a pause. Raises NotDoneError when there is none, NovahaError."""
    run = run or Runner()
    paused = read_computes(run).pause
    command = ["crm_attribute", "--type", "crm_config", "--name", PAUSE, "--delete"]
    run(command)
    if paused is None:
        raise NotDoneError("nothing was paused")
    say(f"resumed; it was paused: {paused}")
    return 0


def duration(given: str) -> timedelta:
    """`30m`, `2h`, `1d`. Raises NotDoneError."""
    match = re.fullmatch(r"([0-9]{1,4})([mhd])", given.strip())
    if not match:
        raise NotDoneError("that is no time: write 30m, 2h or 1d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def who() -> str:
    """Who gives the command, and where."""
    name = os.environ.get("SUDO_USER", "")
    with suppress(KeyError, OSError):
        name = name or getpass.getuser()
    with suppress(NovahaError):
        name += f"@{local_node()}"
    return name or "unknown"


def evidence(
    args: argparse.Namespace,
    run: Runner | None = None,
    of_nova: Callable[[str], Iterator[tuple[str, str]]] | None = None,
) -> int:
    """Print what tells whether a host lives. Raises NovahaError when the CIB cannot be read."""
    run = run or Runner()
    view = read_computes(run)
    node = view.canonical(args.host)
    if node is None:
        raise NotDoneError(f"{args.host} is no compute host of this cluster")
    rows = [*_of_pacemaker(view, node), *_of_networks(view, node), *_of_power(node, run)]
    with suppress(NovahaError):
        rows += (of_nova or _of_nova)(node)
    say(*screen.sheet([("LOOKED AT", "FOUND"), *rows], screen.size()[0]))
    return 0


def _of_pacemaker(view: Computes, node: str) -> Iterator[tuple[str, str]]:
    host = view.hosts[node]
    states = {
        "lost": host.lost,
        "fenced, not back": host.off,
        "stopped or in maintenance": host.excused,
        "being recovered": host.recovering,
    }
    yield "Pacemaker", ", ".join(name for name, so in states.items() if so) or "connected"
    if held := view.held.get(node):
        yield "power-off held", f"since {held.since:%Y-%m-%d %H:%M:%S} UTC: {held.code}"
    if permit := view.permits.get(node):
        yield "let go by", f"{permit} at {permit.at:%Y-%m-%d %H:%M:%S} UTC"
    lost = sum(other.lost for other in view.hosts.values())
    yield "all compute hosts", f"{lost} of {len(view.hosts)} lost"
    yield "quorum here", "yes" if view.quorum else "no"
    if paused := view.paused(datetime.now(UTC)):
        yield "paused", paused


def _of_networks(view: Computes, node: str) -> Iterator[tuple[str, str]]:
    from novaha.pacemaker.reach import answering
    from novaha.pacemaker.witness import PROBE_SECONDS, look_around

    words = {True: "answers", False: "silent", None: "its name cannot be resolved"}
    addresses = {str(address): [address] for address in view.addresses[node]}
    answers = answering(addresses, PROBE_SECONDS)
    for address in addresses:
        yield f"network {address}", words[answers.get(address)]
    asked = [h for h in look_around(view, [node]) if h.node != node and h.answers is not None]
    yield "other hosts", f"{sum(bool(h.answers) for h in asked)} of {len(asked)} answer"


def _of_power(node: str, run: Runner) -> Iterator[tuple[str, str]]:
    from novaha.pacemaker.power import power_is_off

    words = {True: "off", False: "on", None: "its power device does not say"}
    yield "power", words[power_is_off(node, 5.0, run)]


def _of_nova(node: str) -> Iterator[tuple[str, str]]:
    from novaha import wiring
    from novaha.evacuator.names import Names
    from novaha.evacuator.prefetch import by_host

    try:
        conf = wiring.conf({})
        nova = wiring.nova(conf)
        services = by_host(nova)
        name = Names(conf.nova.host_names, conf.nova.domain).host(node, frozenset(services))
        service = services[name]
        seen = service.last_seen
        yield (
            "nova-compute",
            f"{'up' if service.up else 'down'}, heard of last at "
            + ("an unknown time" if seen is None else f"{seen:%Y-%m-%d %H:%M:%S} UTC"),
        )
        yield "instances", str(len(nova.instances_on(name)))
    except NovahaError as error:
        yield "Nova", f"cannot be asked: {error}"
