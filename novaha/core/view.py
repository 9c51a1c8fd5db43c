"""What one turn knows of a flagged host: its record, and in five parts what was read about it.

Each part has one origin: `Standing` the record and Pacemaker, `Presence` the host itself,
`Inventory` Nova's lists, `Evacuations` what becomes of them over several turns, `Requests` what
this evacuator asked for. All moments are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from novaha.core.faults import Fault
from novaha.core.groups import Place
from novaha.core.model import ComputeService, EvacuationLog, Instance, Migration
from novaha.core.policy.traits import ImageTraits
from novaha.core.record import Record
from novaha.core.recovery import RecoveryState
from novaha.core.situation import Attempt, Failure, OtherRequest


@dataclass(frozen=True, slots=True)
class Standing:
    """Whose recovery it is, and whether it may begin.

    mine: the record's owner is this evacuator. owned_at: since when.
    doubt: why the record is out of date, "" when it is believed.
    fence_confirmed: Pacemaker's history has a successful fencing since the record was written.
    fenced_on_request: this evacuator has asked Pacemaker for a fencing already.
    unproven: why Pacemaker's confirmation proves nothing for this host, "" if it does.
    paused: why no recovery may begin, by whom and until when; "" when it may.
    settled_before: the turn before came to the end too, from an earlier reading.
    """

    mine: bool = False
    owned_at: float = float("-inf")
    doubt: str = ""
    fence_confirmed: bool = False
    fenced_on_request: bool = False
    unproven: str = ""
    paused: str = ""
    settled_before: bool = False


@dataclass(frozen=True, slots=True)
class Presence:
    """The host itself, as Nova and Pacemaker show it.

    service: its nova-compute; None when Nova was not asked or does not know it.
    alive: nova-compute was seen to run since the recovery was over.
    heartbeat_since_unforce: Nova has had one since it was told that nova-compute may be up.
    up_for: seconds for which Nova has shown it up since then, None while it does not.
    online_for: seconds for which Pacemaker has had the node online, None while it is not.
    fencings: when the host was fenced, as far as Pacemaker remembers; read of one that is back.
    """

    service: ComputeService | None = None
    alive: bool = False
    heartbeat_since_unforce: bool = False
    up_for: float | None = None
    online_for: float | None = None
    fencings: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """What Nova lists for the host.

    instances: those on the host. is_stale: they were read in a turn before, and nothing may be
        asked for by that.
    moved: those with an evacuation under way or done from this host that it no longer lists;
        None for one that Nova no longer has.
    migrations: the evacuations away from this host.
    place: its zone and aggregates; None when the policy does not go by them, or they were not
        read. images: what was read of the instances' images, by id, for a policy that goes by it.
    """

    instances: tuple[Instance, ...] = ()
    is_stale: bool = False
    moved: Mapping[str, Instance | None] = field(default_factory=dict)
    migrations: tuple[Migration, ...] = ()
    place: Place | None = None
    images: Mapping[str, ImageTraits] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evacuations:
    """What has become of the host's evacuations over several turns.

    receivers: for instances that were being migrated live when the host died, where to.
    dead_migrations: ids of evacuations that are shown as open or closed, and of which nothing
        comes any more: their destination was fenced since and may be back, or Nova's log says
        that they ended.
    faults: why evacuations failed at their destination, by their ids.
    failures: how often those of an instance failed, and when this evacuator saw the last.
    done_since: when an instance was first seen to be moved.
    unchanged_for: seconds for which Nova was up, an instance's evacuation did not change, and no
        other one of the host was taken up.
    logs: of instances whose evacuation stands still, what Nova's log of actions tells of it.
    """

    receivers: Mapping[str, str] = field(default_factory=dict)
    dead_migrations: frozenset[int] = frozenset()
    faults: Mapping[int, Fault] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    done_since: Mapping[str, float] = field(default_factory=dict)
    unchanged_for: Mapping[str, float] = field(default_factory=dict)
    logs: Mapping[str, EvacuationLog] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Requests:
    """What this evacuator asked Nova for, and what came of it.

    attempts: the last evacuation of each instance that was asked for. others: the last request
        of any other kind.
    restarted: nova-compute was restarted on request a moment ago.
    unanswered_at: when Nova last gave no answer to a request about the host itself: it may carry
        that out yet.
    unanswered_resets: the same for instances whose state was to be reset to `error`.
    quiet_until: until then requests of an earlier owner may still arrive.
    """

    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    others: Mapping[str, OtherRequest] = field(default_factory=dict)
    restarted: bool = False
    unanswered_at: float = float("-inf")
    unanswered_resets: Mapping[str, float] = field(default_factory=dict)
    quiet_until: float = 0.0


@dataclass(frozen=True, slots=True)
class HostView:
    """One flagged host.

    host: Nova's name of it; None when Nova was not asked or does not know it.
    problem: why this host cannot be worked on now, "" when it can. held: that is only until Nova
        has every dead host forced down.
    """

    record: Record
    host: str | None = None
    problem: str = ""
    held: bool = False
    standing: Standing = Standing()
    presence: Presence = Presence()
    inventory: Inventory = Inventory()
    evacuations: Evacuations = Evacuations()
    requests: Requests = Requests()

    @property
    def node(self) -> str:
        return self.record.node

    @property
    def is_ours(self) -> bool:
        """Whether this evacuator works on its recovery."""
        return self.record.state is RecoveryState.RUNNING and self.standing.mine

    @property
    def is_forced_down(self) -> bool:
        """Whether Nova shows its nova-compute as forced down."""
        return self.presence.service is not None and self.presence.service.forced_down
