"""What has become of the policy's groups since hosts died: who is up elsewhere, and since when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from novaha.core.policy.order import Member, waiting
from novaha.core.policy.rules import Decision, Rules
from novaha.core.recovery import RecoveryState
from novaha.core.steps import UNMOVED, HostReport, Progress
from novaha.core.treatment import subject
from novaha.core.view import HostView


@dataclass(slots=True)
class _Seen:
    """group: of an instance. up_since: when it was seen to be settled elsewhere. stays: nobody
    waits for it, it does not come."""

    group: str
    up_since: float | None = None
    stays: bool = False


class GroupWatch:
    """Remembers the members of groups as long as any host is being recovered.

    Another evacuator begins anew: what is settled by then is ready to it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._began: dict[str, float] = {}

    def waiting(self, views: Sequence[HostView], rules: Rules) -> dict[str, tuple[str, ...]]:
        """By group, those that it waits for now. views: with what the rules go by."""
        dead = [v for v in views if v.record.state is not RecoveryState.RECOVERED]
        if not rules.groups or not dead:
            self._seen, self._began = {}, {}
            return {}
        now = self._clock()
        for view in dead:
            for instance in view.inventory.instances:
                if instance.problem or instance.id in self._seen:
                    continue
                decided = rules.decide(subject(instance, view))
                if isinstance(decided, Decision) and decided.moves and decided.group:
                    self._seen[instance.id] = _Seen(decided.group)
                    self._began.setdefault(decided.group, now)
        members = [Member(s.group, s.up_since) for s in self._seen.values() if not s.stays]
        return waiting(members, self._began, rules.groups, now)

    def note(self, reports: Iterable[HostReport]) -> None:
        """Take note of what has been settled."""
        now = self._clock()
        for report in reports:
            for instance in report.instances:
                seen = self._seen.get(instance.id)
                if seen is None:
                    continue
                seen.stays = instance.progress in UNMOVED
                if instance.progress is not Progress.SETTLED:
                    seen.up_since = None
                elif seen.up_since is None:
                    seen.up_since = now
