"""What the brake judges by, in the forms that real clusters have it (Pacemaker 2.1.5, 3.0)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from lxml import etree

from novaha.core.brake import Host
from novaha.core.errors import ClusterToolError
from novaha.pacemaker.computes import Computes, from_cib, read_computes
from novaha.pacemaker.reach import Address
from novaha.pacemaker.runner import Result, Runner

THEN = 1796014674


def op(id: str, task: str, rc: int, at: int, interval: int = 0, status: int = 0) -> str:
    return (
        f'<lrm_rsc_op id="{id}" operation="{task}" rc-code="{rc}" op-status="{status}" '
        f'interval="{interval}" last-rc-change="{at}"/>'
    )


PROBED = op("x_last_0", "monitor", 7, THEN - 110)
STARTED = op("x_last_0", "start", 0, THEN - 110) + op(
    "x_monitor_3000", "monitor", 0, THEN - 109, 3000
)
FAILED = op("x_last_failure_0", "monitor", 1, THEN, 3000, 2)
STOPPED = op("x_last_0", "stop", 0, THEN)
MONITORED = op("x_monitor_3000", "monitor", 0, THEN - 109, 3000)


def computes(
    *,
    history: dict[str, str] | None = None,
    nodes: str = "",
    states: str = "",
    remotes: tuple[str, ...] = ("compute-1", "compute-2"),
    extra: str = "",
    crm_config: str = "",
    marks: dict[str, str] | None = None,
    quorum: str = "1",
    meta: str = "",
) -> Computes:
    history = history or {}
    resources = "".join(
        f'<primitive id="{r}" class="ocf" provider="pacemaker" type="remote">'
        f'<instance_attributes id="{r}-ia"><nvpair id="{r}-s" name="server" value="10.0.0.{n}"/>'
        f"</instance_attributes>{meta}</primitive>"
        for n, r in enumerate(remotes, 1)
    )
    lrm = "".join(
        f'<lrm_resource id="{r}" class="ocf" provider="pacemaker" type="remote">'
        f"{history.get(r, STARTED)}</lrm_resource>"
        for r in remotes
    )
    if "node_fenced" not in states:
        states += "".join(
            f'<node_state id="{r}" uname="{r}" remote_node="true" node_fenced="0"/>'
            for r in remotes
        )
    return from_cib(
        etree.fromstring(
            f'<cib have-quorum="{quorum}"><configuration><crm_config>{crm_config}</crm_config>'
            f"<nodes>{nodes}</nodes><resources>{resources}{extra}</resources></configuration>"
            '<status><node_state id="1" uname="controller-1" in_ccm="true" crmd="online">'
            f"<lrm><lrm_resources>{lrm}</lrm_resources></lrm></node_state>{states}</status></cib>"
        ),
        marks,
    )


def host(name: str = "compute-1", **given: object) -> Host:
    return computes(**given).hosts[name]


@pytest.mark.parametrize(
    ("history", "lost", "excused"),
    [
        (STARTED, False, False),
        (STOPPED + MONITORED + FAILED, True, False),
        # the connection was started again, here or on another controller, after its failure
        (FAILED + op("x_last_0", "start", 0, THEN + 20), False, False),
        # a start that failed
        (PROBED + op("x_last_failure_0", "start", 1, THEN, 0, 1), True, False),
        # cleaned up: only a probe is left, which found nothing
        (op("x_last_0", "monitor", 7, THEN + 60), False, True),
        # stopped in peace by an operator
        (MONITORED + STOPPED, False, True),
        # an action under way says nothing yet
        (STARTED + op("x_last_0", "stop", 193, THEN, 0, -1), False, False),
        ("", False, True),
    ],
)
def test_a_connection_is_read_from_its_history(history: str, lost: bool, excused: bool) -> None:
    found = host(history={"compute-1": history})
    assert (found.lost, found.excused) == (lost, excused)


def test_a_fenced_host_is_off_and_not_lost() -> None:
    state = f'<node_state id="compute-1" uname="compute-1" node_fenced="{THEN}"/>'
    found = host(history={"compute-1": STOPPED + MONITORED + FAILED}, states=state)
    assert (found.off, found.lost) == (True, False)
    assert found.fenced == datetime.fromtimestamp(THEN, UTC)


class Tools(Runner):
    """A cluster's tools: its CIB, and a fencer that remembers one fencing, or answers nothing."""

    def __init__(self, history: str) -> None:
        self.history = history

    def __call__(self, argv: Sequence[str], **options: object) -> Result:
        if argv[0] == "stonith_admin" and not self.history:
            raise ClusterToolError(argv, None, "killed after 10 s")
        text = {"cibadmin": CIB, "stonith_admin": self.history}.get(argv[0], "")
        return Result(tuple(argv), 0, text.encode(), "")


CIB = (
    '<xpath-query><cib><configuration><resources><primitive id="compute-1" class="ocf" '
    'provider="pacemaker" type="remote"/></resources></configuration><status>'
    '<node_state id="compute-1" uname="compute-1" node_fenced="0"/></status></cib></xpath-query>'
)


def fencing(target: str, status: str) -> str:
    return (
        f'<pacemaker-result><fence_event target="{target}" action="reboot" status="{status}" '
        'completed="2026-11-21 00:11:14Z"/></pacemaker-result>'
    )


@pytest.mark.parametrize(
    ("history", "fenced"),
    [
        (fencing("compute-1", "success"), "00:11:14"),
        (fencing("COMPUTE-1", "success"), "00:11:14"),
        (fencing("compute-1", "failed"), ""),
        (fencing("compute-2", "success"), ""),
    ],
)
def test_law_10_the_fencing_of_a_host_that_is_back_counts(history: str, fenced: str) -> None:
    """The CIB has forgotten it: without the history a slow cascade is a row of single deaths."""
    found = read_computes(Tools(history))
    moment = found.hosts["compute-1"].fenced
    assert ("" if moment is None else f"{moment:%H:%M:%S}") == fenced
    assert not found.hosts["compute-1"].off
    assert found.problems == ()


def test_a_fencer_that_does_not_answer_keeps_nobody_from_judging() -> None:
    found = read_computes(Tools(""))
    assert found.hosts["compute-1"].fenced is None
    (problem,) = found.problems
    assert "killed after 10 s" in problem


def test_a_record_that_makes_no_sense_is_one_of_a_host_that_is_recovered() -> None:
    node = (
        '<node id="compute-1" uname="compute-1" type="remote">'
        '<instance_attributes id="novaha-compute-1">'
        '<nvpair id="a" name="novaha-recovery" value="nonsense"/></instance_attributes></node>'
    )
    assert host(nodes=node).recovering


@pytest.mark.parametrize(
    "meta",
    [
        ("target-role", "Stopped"),
        ("target-role", "stopped"),
        ("is-managed", "false"),
        ("maintenance", "yes"),
    ],
)
def test_a_connection_that_an_operator_took_out_is_excused(meta: tuple[str, str]) -> None:
    pair = f'<nvpair id="m" name="{meta[0]}" value="{meta[1]}"/>'
    found = host(meta=f'<meta_attributes id="ma">{pair}</meta_attributes>')
    assert found.excused


@pytest.mark.parametrize("name", ["maintenance", "standby"])
def test_a_node_in_maintenance_or_standby_is_excused(name: str) -> None:
    node = (
        '<node id="compute-1" uname="compute-1"><instance_attributes id="x">'
        f'<nvpair id="y" name="{name}" value="on"/></instance_attributes></node>'
    )
    assert host(nodes=node).excused


@pytest.mark.parametrize(
    ("state", "lost", "off"),
    [
        ('in_ccm="true" crmd="online" expected="member"', False, False),
        ('in_ccm="1796014600" crmd="1796014600" expected="member"', False, False),
        ('in_ccm="false" crmd="offline" expected="member"', True, False),
        ('in_ccm="0" crmd="0" expected="member"', True, False),
        ('in_ccm="false" crmd="offline" expected="down"', False, False),
    ],
)
def test_a_full_member_is_read_from_its_membership(state: str, lost: bool, off: bool) -> None:
    node = (
        '<node id="9" uname="hyper-1"><instance_attributes id="x">'
        '<nvpair id="y" name="osprole" value="compute"/></instance_attributes></node>'
    )
    found = host("hyper-1", nodes=node, states=f'<node_state id="9" uname="hyper-1" {state}/>')
    assert (found.lost, found.off) == (lost, off)


def test_groups_and_addresses_are_attributes_of_the_node() -> None:
    node = (
        '<node id="compute-2" uname="compute-2"><instance_attributes id="x">'
        '<nvpair id="a" name="novaha-rack" value="r7"/>'
        '<nvpair id="b" name="novaha-addresses" value="10.1.0.2:16509, fd00::2 [fd00::3]:80"/>'
        "</instance_attributes></node>"
    )
    found = computes(nodes=node)
    assert found.hosts["compute-2"].groups == {"novaha-rack=r7"}
    assert found.addresses["compute-2"] == (
        Address("10.0.0.2", 3121),
        Address("10.1.0.2", 16509),
        Address("fd00::2", 22),
        Address("fd00::3", 80),
    )


def test_a_guest_node_is_reached_by_its_own_address() -> None:
    guest = (
        '<primitive id="vm1" class="ocf" provider="heartbeat" type="VirtualDomain">'
        '<meta_attributes id="m"><nvpair id="a" name="remote-node" value="guest-1"/>'
        '<nvpair id="b" name="remote-port" value="3122"/></meta_attributes></primitive>'
    )
    found = computes(extra=guest)
    assert found.addresses["guest-1"] == (Address("guest-1", 3122),)
    assert found.connections["guest-1"] == "vm1"


def test_what_operators_wrote_is_read_and_nonsense_is_named() -> None:
    nodes = "".join(
        f'<node id="{n}" uname="{n}"><instance_attributes id="x{n}">'
        f'<nvpair id="y{n}" name="novaha-proceed" value="{text}"/></instance_attributes></node>'
        for n, text in (
            ("compute-1", "2026-01-01T12:00:00Z alice looked at it"),
            ("compute-2", "?"),
        )
    )
    pause = (
        '<cluster_property_set id="p"><nvpair id="q" name="novaha-pause" '
        'value="2026-01-01T12:00:00Z resumed bob switch upgrade"/></cluster_property_set>'
    )
    found = computes(
        nodes=nodes, crm_config=pause, marks={"compute-2": "2026-01-01T12:00:00Z isolated"}
    )
    assert str(found.permits["compute-1"]) == "alice (looked at it)"
    assert str(found.pause) == "switch upgrade, by bob until resumed"
    assert found.held["compute-2"].code == "isolated"
    assert found.hosts["compute-2"].held == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert found.problems == (
        "compute-2: novaha-proceed in the cluster's configuration cannot be read",
    )


@pytest.mark.parametrize(("text", "quorum"), [("1", True), ("true", True), ("0", False)])
def test_the_partitions_quorum_is_the_cibs(text: str, quorum: bool) -> None:
    assert computes(quorum=text).quorum is quorum


@pytest.mark.parametrize(
    ("state", "marks", "recovering", "ended", "off"),
    [
        ("pending", "", True, True, True),
        ("running", "forced", True, True, True),
        ("pending", "unproven", True, False, True),
        ("pending", "doubted", True, False, True),
        ("recovered", "forced", False, False, True),
        # It has come back since, and is lost anew: it may be alive.
        ("recovered", "forced kept", False, False, False),
    ],
)
def test_a_record_tells_whether_a_fencing_has_ended_the_guests(
    state: str, marks: str, recovering: bool, ended: bool, off: bool
) -> None:
    record = {
        "novaha-recovery": state,
        "novaha-hold": "false" if state == "recovered" else "true",
        "novaha-fence-id": "f1",
        "novaha-fenced": "2026-01-01T00:00:00Z",
        "novaha-owner": "controller-1#1",
        "novaha-marks": marks,
    }
    pairs = "".join(
        f'<nvpair id="{name}" name="{name}" value="{value}"/>' for name, value in record.items()
    )
    nodes = (
        '<node id="compute-1" uname="compute-1" type="remote">'
        f'<instance_attributes id="novaha-compute-1">{pairs}</instance_attributes></node>'
    )
    host = computes(nodes=nodes, history={"compute-1": FAILED}).hosts["compute-1"]
    assert (host.recovering, host.ended) == (recovering, ended)
    assert host.off is off
    assert host.is_suspect() is (not off)
