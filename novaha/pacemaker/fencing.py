"""What Pacemaker's own fencing history says, and asking it to fence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from novaha.core.errors import NovahaError
from novaha.pacemaker.cib import compute_nodes, parse, query
from novaha.pacemaker.runner import Runner

_HUMAN = "a human"
"""Whom Pacemaker names for `stonith_admin --confirm` and `pcs stonith confirm`."""

_KILLS = frozenset({"off", "reboot"})

_FLAG_DEVICES = "//primitive[@class='stonith'][@type='fence_compute']"
_LEVELS = "//fencing-topology/fencing-level"


@dataclass(frozen=True, slots=True)
class FenceEvent:
    """One entry of the fencing history.

    status: "success", "failed" or "pending".
    by_hand: it was declared by an administrator; no device and no agent was run.
    completed: to the second, UTC; None while pending.
    """

    target: str
    action: str
    status: str
    completed: datetime | None
    by_hand: bool = False


class History:
    """What Pacemaker remembered of fencings at one moment."""

    def __init__(self, events: Iterable[FenceEvent]) -> None:
        self._events = tuple(events)

    def confirmed_by_hand(self) -> dict[str, datetime]:
        """The nodes that an administrator declared to be down, and when last."""
        moments: dict[str, datetime] = {}
        for event in self._events:
            if event.by_hand and event.status == "success" and event.completed is not None:
                last = moments.get(event.target, event.completed)
                moments[event.target] = max(last, event.completed)
        return moments

    def confirmed_since(self, node: str, moment: datetime) -> bool:
        """Whether devices have taken the node down at `moment` or later."""
        return any(
            event.status == "success"
            and not event.by_hand
            and event.action in _KILLS
            and event.completed is not None
            and event.completed >= moment
            for event in self._events
            if event.target.lower() == node.lower()  # as Pacemaker compares them
        )


class Levels:
    """The fencing levels of all nodes, and the devices that cut no power, at one moment."""

    def __init__(self, flags: Iterable[str], levels: Iterable[etree._Element]) -> None:
        self._flags = frozenset(flags)
        self._levels = tuple(levels)

    def without_power_device(self, node: str) -> str:
        """Why a success in the history does not prove that `node` is down, "" if it does.

        Our own device cuts no power. A level of nothing else, or no level at all, in which case
        Pacemaker may pick it alone, "succeeds" on a host that runs.
        """
        levels = [
            str(level.get("devices", "")).split(",")
            for level in self._levels
            if _is_for(level, node)
        ]
        if not levels and self._flags:
            return f"{node} has no fencing level: `novaha setup` shows how to add it"
        for devices in levels:
            if not set(devices) - self._flags:
                return (
                    f"a fencing level of {node} has no power device beside {', '.join(devices)}: "
                    "put one before it, `novaha setup` shows how"
                )
        return ""


class FenceHistory:
    """Pacemaker's memory of fencings; it is empty again when every cluster node was down."""

    def __init__(self, run: Runner | None = None) -> None:
        self._run = run or Runner()

    def of(self, node: str) -> list[FenceEvent]:
        """The fencings of `node`, or of all nodes for "*", in no particular order.

        Raises ClusterToolError when the fencer cannot be asked.
        """
        # Without --verbose it shows one entry of each kind, and that may be the oldest (measured).
        command = ["stonith_admin", "--history", node, "--output-as=xml", "--verbose"]
        result = self._run(command)
        return [
            FenceEvent(
                target=str(element.get("target")),
                action=str(element.get("action")),
                status=str(element.get("status")),
                completed=_time(element.get("completed")),
                by_hand=element.get("delegate") == _HUMAN,
            )
            for element in parse(result.stdout).iter("fence_event")
        ]

    def history(self) -> History:
        """All of it, in one question."""
        return History(self.of("*"))

    def anything_since(self, node: str, moment: datetime) -> bool:
        """Whether the history has any fencing of `node`, ended or not, at `moment` or later."""
        return any(e.completed is None or e.completed >= moment for e in self.of(node))

    def down_since(self, node: str) -> datetime | None:
        """When the node was last fenced, if it has not been reached since; else None.

        Only Pacemaker's own state of remote and guest nodes tells that (measured: facts.md).
        """
        moments = [
            int(element.get("node_fenced") or 0)
            for element in query(self._run, f"//status/node_state[@uname='{node}']")
        ]
        if not any(moments):
            return None
        known = [e.completed for e in self.of(node) if e.status == "success" and e.action in _KILLS]
        # Where the history is lost, nothing confirms this moment: it will be fenced once more.
        noted = datetime.fromtimestamp(max(moments), UTC)
        return max((moment for moment in known if moment is not None), default=noted)

    def still_off(self) -> frozenset[str]:
        """The remote and guest nodes that were fenced and have not been reached since.

        From the CIB, as `down_since`: with a thousand nodes crm_mon works for long.
        """
        fenced = "//status/node_state[@node_fenced and @node_fenced != '0']"
        return frozenset(str(element.get("uname")) for element in query(self._run, fenced))

    def is_online(self, node: str) -> bool:
        """Whether Pacemaker has `node` online, its remote connection included."""
        return node in self.online()

    def online(self) -> frozenset[str]:
        """The nodes that Pacemaker has online, remote ones by their connection."""
        command = ["crm_mon", "--one-shot", "--output-as=xml", "--include=none,nodes"]
        return frozenset(
            str(element.get("name"))
            for element in parse(self._run(command).stdout).iterfind("nodes/node")
            if element.get("online") == "true"
            and element.get("unclean") != "true"
            and element.get("pending") != "true"
        )

    def compute_nodes(self) -> frozenset[str]:
        """The nodes that run instances."""
        return compute_nodes(self._run)

    def restart_compute(self, node: str) -> None:
        """Have Pacemaker restart nova-compute on `node`; does not wait for it.

        Raises NovahaError when nova-compute is not Pacemaker's to restart.
        """
        agents = query(self._run, "//primitive[@class='ocf'][@type='NovaCompute']")
        names = [str(element.get("id")) for element in agents]
        if len(names) != 1:
            raise NovahaError(
                f"nova-compute on {node} has to be restarted, so that it closes what is left of "
                "its finished evacuations; Pacemaker does not run it here, so do that by hand"
            )
        self._run(["crm_resource", "--fail", "--resource", names[0], "--node", node])

    def levels(self) -> Levels:
        """How all nodes are fenced, in one question: it is asked between fencing and recovery."""
        found = list(query(self._run, f"{_FLAG_DEVICES} | {_LEVELS}"))
        flags = [str(element.get("id")) for element in found if element.tag == "primitive"]
        return Levels(flags, (level for level in found if level.tag == "fencing-level"))

    def request(self, node: str) -> None:
        """Ask Pacemaker to fence `node`, by the cluster's own action; does not wait for it.

        Raises ClusterToolError when Pacemaker refuses.
        """
        action = "reboot"
        for name in ("stonith-action", "fencing-action"):  # Pacemaker 3.0.3's name, which wins
            for element in query(self._run, f"//crm_config//nvpair[@name='{name}']"):
                action = str(element.get("value"))
        option = "--fence" if action in ("off", "poweroff") else "--reboot"
        self._run(["stonith_admin", option, node, "--timeout", "60"], timeout=90)


def _is_for(level: etree._Element, node: str) -> bool:
    """Whether a fencing level is this node's; one by attribute may be, and counts."""
    if level.get("target") is not None:
        return str(level.get("target")).lower() == node.lower()
    if level.get("target-pattern") is not None:
        return re.search(str(level.get("target-pattern")), node) is not None
    return level.get("target-attribute") is not None


def _time(text: str | None) -> datetime | None:
    """Read `2026-01-01 00:00:00Z`, with or without fraction or numeric offset."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip().replace(" +", "+").replace(" -", "-"))
    except ValueError:
        raise NovahaError(f"the fencing history has a time that cannot be read: {text}") from None
    if moment.tzinfo is None:
        moment = moment.astimezone()
    return moment.astimezone(UTC).replace(microsecond=0)
