"""What Pacemaker's own fencing history says, and asking it to fence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from novaha.core.errors import NovahaError
from novaha.core.naming import same_name
from novaha.core.text import line
from novaha.pacemaker.cib import (
    compute_nodes,
    is_called,
    known_nodes,
    must_have,
    parse,
    query,
    quoted,
)
from novaha.pacemaker.levels import IN_CIB, Levels, read
from novaha.pacemaker.runner import Runner

_HUMAN = "a human"
"""Whom Pacemaker names for `stonith_admin --confirm` and `pcs stonith confirm`."""

_KILLS = frozenset({"off", "reboot"})

_NEVER = datetime.fromtimestamp(0, UTC)


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
    """What Pacemaker remembered of fencings at one moment.

    unproven: why the success of a fencing under this name proves nothing, "" if it does. Pacemaker
        compares names of nodes without case, and patterns of levels with it: by `COMPUTE-1` another
        level may have been taken, or none. Asked only for a name in another case.
    """

    def __init__(
        self,
        events: Iterable[FenceEvent],
        unproven: Callable[[str], str] = lambda name: "",
    ) -> None:
        self._events = tuple(events)
        self._unproven = unproven

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
            and (event.target == node or not self._unproven(event.target))
            for event in self._events
            if same_name(event.target, node)
        )

    def fencings_of(self, node: str) -> tuple[datetime, ...]:
        """When the node was taken down, by devices or by a person's word, in no order."""
        return tuple(at for target, at in self._taken_down() if same_name(target, node))

    def last_fencings(self) -> dict[str, datetime]:
        """When each node was last taken down, as by `fencings_of`, by its name in lower case."""
        found: dict[str, datetime] = {}
        for target, at in self._taken_down():
            name = target.lower()
            found[name] = max(found.get(name, at), at)
        return found

    def _taken_down(self) -> Iterator[tuple[str, datetime]]:
        for event in self._events:
            if event.status == "success" and event.action in _KILLS and event.completed is not None:
                yield event.target, event.completed


class FenceHistory:
    """Pacemaker's memory of fencings; it is empty again when every cluster node was down."""

    def __init__(self, run: Runner | None = None) -> None:
        self._run = run or Runner()

    def of(self, node: str) -> list[FenceEvent]:
        """The fencings of `node`, or of all nodes for "*", in no particular order.

        Raises ClusterToolError when the fencer cannot be asked.
        """
        # Without --verbose it shows one entry of each kind, and that may be the oldest (measured).
        # Asked for one node, Pacemaker compares its name with case, and here only (read in 3.0).
        command = ["stonith_admin", "--history", "*", "--output-as=xml", "--verbose"]
        root = parse(self._run(command).stdout)
        events = list(root.iter("fence_event"))
        if not events and root.tag != "pacemaker-result":
            raise NovahaError(line(f"stonith_admin printed <{root.tag}>, asked for the history"))
        return [
            FenceEvent(
                target=str(element.get("target")),
                action=str(element.get("action")),
                status=str(element.get("status")),
                completed=_time(element.get("completed")),
                by_hand=element.get("delegate") == _HUMAN,
            )
            for element in events
            if node == "*" or same_name(str(element.get("target")), node)
        ]

    def history(self) -> History:
        """All of it, in one question."""
        return History(self.of("*"), lambda name: self.levels().without_power_device(name))

    def anything_since(self, node: str, moment: datetime) -> bool:
        """Whether the history has any fencing of `node`, ended or not, at `moment` or later."""
        return any(e.completed is None or e.completed >= moment for e in self.of(node))

    def down_since(self, node: str) -> datetime | None:
        """When the node was last fenced, if it has not been reached since; else None.

        Only Pacemaker's own state of remote and guest nodes tells that (measured: facts.md).
        """
        moments = [
            _noted(node, element.get("node_fenced") or "0")
            for element in query(self._run, f"//status/node_state[{is_called(node)}]")
        ]
        moments = [moment for moment in moments if moment != _NEVER]
        if not moments:
            return None
        known = [e.completed for e in self.of(node) if e.status == "success" and e.action in _KILLS]
        # Where the history is lost, nothing confirms this moment: it will be fenced once more.
        noted = max(moments)
        return max((moment for moment in known if moment is not None), default=noted)

    def still_off(self) -> frozenset[str]:
        """The remote and guest nodes that were fenced and have not been reached since.

        From the CIB, as `down_since`: with a thousand nodes crm_mon works for long.
        """
        fenced = "//status/node_state[@node_fenced and @node_fenced != '0']"
        return frozenset(str(element.get("uname")) for element in query(self._run, fenced))

    def is_online(self, node: str) -> bool:
        """Whether Pacemaker has `node` online, its remote connection included."""
        return any(same_name(node, online) for online in self.online())

    def online(self) -> frozenset[str]:
        """The nodes that Pacemaker has online, remote ones by their connection."""
        command = ["crm_mon", "--one-shot", "--output-as=xml", "--include=none,nodes"]
        root = parse(self._run(command).stdout)
        must_have(root, "crm_mon", "nodes")
        return frozenset(
            str(element.get("name"))
            for element in root.iterfind("nodes/node")
            if element.get("online") == "true"
            and element.get("unclean") != "true"
            and element.get("pending") != "true"
        )

    def compute_nodes(self) -> frozenset[str]:
        """The nodes that run instances."""
        return compute_nodes(self._run)

    def members(self) -> frozenset[str]:
        """The full members of the cluster, whether they are on or off."""
        return frozenset(n for n, kind in known_nodes(self._run).items() if kind == "member")

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
        return self.levels_in(query(self._run, IN_CIB))

    def levels_in(self, elements: Iterable[etree._Element]) -> Levels:
        """How all nodes are fenced, by what stands at `IN_CIB`."""
        devices, levels = read(elements)
        return Levels(devices, levels, members=self.members, attributes=self._attributes)

    def _attributes(self, node: str) -> set[tuple[str, str]]:
        path = f"//nodes/node[@uname={quoted(node)}]/instance_attributes/nvpair"
        return {(str(pair.get("name")), str(pair.get("value"))) for pair in query(self._run, path)}

    def request(self, node: str) -> None:
        """Have Pacemaker fence `node`, by the cluster's own action; waits for it, up to 90 s.

        Raises ClusterToolError when Pacemaker refuses, or the fencing fails.
        """
        self._run(self.command(node), timeout=90)

    def command(self, node: str) -> list[str]:
        """What requests the fencing of `node`, by the cluster's own action.

        Raises ClusterToolError when the CIB cannot be read.
        """
        action = "reboot"
        for name in ("stonith-action", "fencing-action"):  # Pacemaker 3.0.3's name, which wins
            for element in query(self._run, f"//crm_config//nvpair[@name='{name}']"):
                action = str(element.get("value"))
        option = "--fence" if action in ("off", "poweroff") else "--reboot"
        return ["stonith_admin", option, node, "--timeout", "60"]


def _time(text: str | None) -> datetime | None:
    """Read `2026-01-01 00:00:00Z`, with or without fraction or numeric offset."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip().replace(" +", "+").replace(" -", "-"))
        return moment.astimezone(UTC).replace(microsecond=0)  # one without an offset is local
    except (ValueError, OverflowError):
        shown = line(text, longest=80)
        raise NovahaError(f"the fencing history has a time that cannot be read: {shown}") from None


def _noted(node: str, text: str) -> datetime:
    """The moment of a fencing in the status section, _NEVER where there was none."""
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        shown = line(text, longest=80)
        raise NovahaError(f"node_fenced of {node} in the CIB cannot be read: {shown}") from None
