"""The site's policy while the evacuator runs: read again when its file changes.

A file that cannot be used never replaces a policy that could: the one before stays, and an
operator is told. Where there was none before, nothing is decided until the file is right.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import TYPE_CHECKING

from novaha import wiring
from novaha.core.answers import Code as Answer
from novaha.core.errors import NovahaError
from novaha.core.policy import DEFAULT_FILE
from novaha.core.policy.rules import Rules
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Policy
from novaha.core.steps import HostReport
from novaha.core.text import line
from novaha.core.view import HostView
from novaha.evacuator.attention import Code, Need
from novaha.evacuator.group_watch import GroupWatch
from novaha.evacuator.lookups import Lookups

if TYPE_CHECKING:
    from oslo_config import cfg

    from novaha.nova.compute import Nova

LOG = logging.getLogger(__name__)

_Signature = tuple[int, int, int, int]


class PolicyFile:
    """The file, and the policy that counts.

    load: reads it; raises NovahaError, and FileNotFoundError where there is none.
    required: whether there has to be one; else there is no policy where there is no file.
    """

    def __init__(self, path: str, load: Callable[[str], Rules], *, required: bool) -> None:
        self._path = path
        self._load = load
        self._required = required
        self._signature: _Signature | None = None
        self.rules: Rules | None = None
        self.problem = ""
        """Why the file does not count as it stands, "" when it does."""

    def look(self) -> None:
        """Read the file if it has changed."""
        try:
            stat = os.stat(self._path)
            signature = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size)
            if signature == self._signature:
                return
            self.rules = self._load(self._path)
            self._signature = signature
            LOG.info("policy %s read: %d rules", self._path, len(self.rules.rules))
            self.problem = ""
        except FileNotFoundError:
            self._signature = None
            if self.rules is not None or self._required:
                self._broken(f"{self._path} does not exist")
        except NovahaError as error:
            self._broken(str(error))
        except OSError as error:
            self._broken(f"{self._path} cannot be read: {error.strerror}")

    def _broken(self, problem: str) -> None:
        problem = line(problem)
        if problem != self.problem:
            LOG.error("%s", problem)
        self.problem = problem
        if self.rules is None or self.rules.unusable:
            self.rules = Rules(unusable=problem)


def of_site(conf: cfg.ConfigOpts, compute: Nova, pool: Executor) -> SitePolicy:
    """The policy that the configuration names. pool: for what it goes by, and for nothing else.

    Raises ConfigError.
    """
    path = conf.evacuator.policy
    file = PolicyFile(path, wiring.rules, required=path != DEFAULT_FILE)
    return SitePolicy(file, Lookups(wiring.catalogue(conf, compute), pool, time.monotonic))


class SitePolicy:
    """What the loop asks of the policy."""

    def __init__(
        self, file: PolicyFile, lookups: Lookups, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._lookups = lookups
        self._groups = GroupWatch(clock)
        self._told: dict[str, Need] = {}

    def applied(self, policy: Policy) -> Policy:
        """The same with the rules that count now."""
        self._file.look()
        rules = self._file.rules
        return policy if policy.rules is rules else replace(policy, rules=rules)

    def complete(self, views: Sequence[HostView], policy: Policy) -> tuple[list[HostView], Policy]:
        """The views with what the rules go by, and the policy with who waits for whom now."""
        if policy.rules is None:
            return list(views), policy
        completed = self._lookups.complete(views, policy.rules)
        waits = self._groups.waiting(completed, policy.rules)
        return completed, replace(policy, waiting=waits)

    def keep_warm(self) -> None:
        """Have at hand what the rules go by, as far as that can be known before."""
        if self._file.rules is not None:
            self._lookups.keep_warm(self._file.rules)

    def problems(self) -> tuple[str, ...]:
        """What an operator has to see to."""
        found = []
        if self._file.problem:
            unusable = self._file.rules is None or self._file.rules.unusable
            means = "the one before stays"
            if unusable:
                means = "no instance is moved before it is right"
            found.append(f"the policy cannot be used, {means}: {self._file.problem}")
        if self._lookups.problem:
            found.append(
                "the policy goes by what cannot be read, instances wait for it: "
                f"{self._lookups.problem}"
            )
        return tuple(found)

    def needs(self, reports: Iterable[HostReport]) -> tuple[Need, ...]:
        """The hosts with instances that the policy leaves for an operator to see to, as long as
        each has a record."""
        reports = list(reports)
        self._groups.note(reports)
        nodes = {report.record.node for report in reports}
        self._told = {node: need for node, need in self._told.items() if node in nodes}
        for report in reports:
            if report.record.state is not RecoveryState.RUNNING or not report.instances:
                continue
            node = report.record.node
            count = sum(
                1
                for i in report.instances
                if i.reason is not None and i.reason.code is Answer.POLICY_NOTIFIES
            )
            self._told.pop(node, None)
            if count:
                text = f"{count} instances of {node} were not moved: the policy leaves them to you"
                self._told[node] = Need(node, Code.LEFT_TO_OPERATOR, text)
        return tuple(self._told.values())
