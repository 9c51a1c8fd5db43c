"""What this evacuator asked of Nova for one host, and since when it may."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from novaha.core.model import Action
from novaha.core.record import Record
from novaha.core.situation import Attempt, OtherRequest, Outcome
from novaha.core.view import Requests

_RESTART = 60.0
"""Seconds that nova-compute gets to start and to close its evacuations."""

_NEVER = float("-inf")


@dataclass
class RequestFacts:
    """All moments are monotonic seconds.

    owned_fence_id, owned_at: the fencing whose recovery this process has claimed, and when.
    untouched_fence_id: the one that it claimed before anybody had asked Nova for anything in it.
    """

    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)
    _attempts: dict[str, Attempt] = field(default_factory=dict)
    _others: dict[str, OtherRequest] = field(default_factory=dict)
    _restarted_at: float = _NEVER
    _unanswered_at: float = _NEVER
    _unanswered_resets: dict[str, float] = field(default_factory=dict)
    _quiet_until: float = 0.0
    _owned_fence_id: str = ""
    _owned_at: float = _NEVER
    _untouched_fence_id: str = ""

    @property
    def owned_at(self) -> float:
        """Since when this process has owned a recovery of the host."""
        with self._lock:
            return self._owned_at

    def owns(self, fence_id: str) -> bool:
        """Whether this process has claimed the recovery after this fencing."""
        with self._lock:
            return self._owned_fence_id == fence_id

    def is_untouched(self, fence_id: str) -> bool:
        """Whether it did so before anybody had asked Nova for anything in that recovery."""
        with self._lock:
            return self._untouched_fence_id == fence_id

    def claimed(self, record: Record, now: float, takeover_wait: float) -> None:
        """This process has claimed the recovery. record: as it was before that.

        takeover_wait: seconds in which requests of a predecessor show in Nova.
        """
        with self._lock:
            if not record.untouched and not self._owned_fence_id:
                # Whoever had it before may have sent requests that Nova does not show yet.
                self._quiet_until = now + takeover_wait
                self._unanswered_at = now
            self._untouched_fence_id = record.fence_id if record.untouched else ""
            self._owned_fence_id = record.fence_id
            self._owned_at = now

    def evacuation(self, instance: str, attempt: Attempt) -> None:
        """An evacuation of the instance is being asked for, or was answered."""
        with self._lock:
            self._attempts[instance] = attempt

    def begin_other(self, instance: str, action: Action, now: float) -> int:
        """Another request is being made; how many of this kind in a row there are with it."""
        with self._lock:
            before = self._others.get(instance)
            count = before.count + 1 if before and before.action is action else 1
            self._others[instance] = OtherRequest(action, now, count)
            return count

    def other(self, instance: str, request: OtherRequest) -> None:
        """Another request was answered."""
        with self._lock:
            self._others[instance] = request

    def restarted(self, now: float) -> None:
        """nova-compute is restarted on request."""
        with self._lock:
            self._restarted_at = now

    def unanswered(self, now: float, reset_of: str = "") -> None:
        """Nova gave no answer to a request about the host, or to reset an instance's state."""
        with self._lock:
            self._unanswered_at = now
            if reset_of:
                self._unanswered_resets[reset_of] = now

    def sent(self) -> frozenset[str]:
        """The instances of which an evacuation was asked for that may have reached Nova."""
        with self._lock:
            asked = self._attempts.items()
            return frozenset(i for i, a in asked if a.outcome is not Outcome.NOT_SENT)

    def view(self, now: float) -> Requests:
        """All of it."""
        with self._lock:
            return Requests(
                attempts=dict(self._attempts),
                others=dict(self._others),
                restarted=now < self._restarted_at + _RESTART,
                unanswered_at=self._unanswered_at,
                unanswered_resets=dict(self._unanswered_resets),
                quiet_until=self._quiet_until,
            )
