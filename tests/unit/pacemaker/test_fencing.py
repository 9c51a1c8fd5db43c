"""Pacemaker's fencing history, as its tools print it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from novaha.core.errors import ClusterToolError, NovahaError
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.runner import Result, Runner


class Printed(Runner):
    """A fencer that prints this, and a CIB with these levels."""

    levels = "<xpath-query/>"

    def __init__(self, *events: str) -> None:
        self.text = f"<pacemaker-result><list>{''.join(events)}</list></pacemaker-result>"
        self.ran: list[Sequence[str]] = []

    def __call__(self, argv: Sequence[str], **options: object) -> Result:
        self.ran.append(argv)
        text = self.levels if argv[0] == "cibadmin" else self.text
        return Result(tuple(argv), 0, text.encode(), "")


def event(action: str, status: str, completed: str = "", delegate: str = "controller-1") -> str:
    moment = f' completed="{completed}"' if completed else ""
    who = f'target="compute-1" delegate="{delegate}"'
    return f'<fence_event action="{action}" {who} status="{status}"{moment}/>'


FENCED = datetime(2026, 11, 21, 0, 11, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("events", "confirmed"),
    [
        ([event("reboot", "success", "2026-11-21 00:11:13Z")], True),
        ([event("off", "success", "2026-11-21 00:11:14.25Z")], True),
        ([event("reboot", "success", "2026-11-21 01:11:14 +01:00")], True),
        ([event("reboot", "success", "2026-11-21 00:11:12Z")], False),
        ([event("reboot", "failed", "2026-11-21 00:11:14Z")], False),
        ([event("on", "success", "2026-11-21 00:11:14Z")], False),
        ([event("reboot", "pending")], False),
        ([event("off", "success", "2026-11-21 00:11:14Z", delegate="a human")], False),
        ([], False),
    ],
)
def test_law_1_confirmed_by_a_success_since_the_record(events: list[str], confirmed: bool) -> None:
    assert (
        FenceHistory(Printed(*events)).history().confirmed_since("compute-1", FENCED) is confirmed
    )


def test_every_way_to_have_taken_a_node_down_counts_as_a_fencing_of_it() -> None:
    history = FenceHistory(
        Printed(
            event("reboot", "success", "2026-11-21 00:11:14Z"),
            event("off", "success", "2026-11-21 00:30:00Z", delegate="a human"),
            event("reboot", "failed", "2026-11-21 00:40:00Z"),
            event("on", "success", "2026-11-21 00:41:00Z"),
            event("reboot", "pending"),
        )
    ).history()
    at = [f"{moment:%H:%M:%S}" for moment in history.fencings_of("COMPUTE-1")]
    assert at == ["00:11:14", "00:30:00"]
    assert history.fencings_of("compute-10") == ()


def test_the_last_fencing_of_each_node() -> None:
    history = FenceHistory(
        Printed(
            event("off", "success", "2026-11-21 00:30:00Z").replace("compute-1", "Compute-2"),
            event("reboot", "success", "2026-11-21 00:11:14Z"),
            event("reboot", "success", "2026-11-21 00:11:13Z"),
            event("reboot", "failed", "2026-11-21 00:12:00Z"),
            event("on", "success", "2026-11-21 00:12:00Z"),
            event("reboot", "pending"),
        )
    ).history()
    shown = {name: f"{moment:%H:%M:%S}" for name, moment in history.last_fencings().items()}
    assert shown == {"compute-1": "00:11:14", "compute-2": "00:30:00"}


def test_law_1_the_history_of_all_nodes_confirms_only_the_one_that_was_fenced() -> None:
    """Names compare as Pacemaker compares them: in any case."""
    history = FenceHistory(Printed(event("off", "success", "2026-11-21 00:11:13Z"))).history()
    assert history.confirmed_since("Compute-1", FENCED)
    assert not history.confirmed_since("compute-10", FENCED)


def test_law_1_under_another_spelling_another_level_may_have_been_taken() -> None:
    """Pacemaker compares patterns of levels with case: for COMPUTE-1 there is no level here."""
    run = Printed(event("off", "success", "2026-11-21 00:11:13Z").replace("compute", "COMPUTE"))
    devices = (
        '<primitive id="ipmi" class="stonith" type="fence_ipmilan"/>'
        '<primitive id="fence-nova" class="stonith" type="fence_compute"/>'
    )
    level = '<fencing-level id="l" index="1" devices="ipmi,fence-nova" {}/>'.format
    own = level("target-pattern='compute'")
    run.levels = f"<xpath-query>{devices}{own}</xpath-query>"
    assert not FenceHistory(run).history().confirmed_since("compute-1", FENCED)
    own = level("target='compute-1'")
    run.levels = f"<xpath-query>{devices}{own}</xpath-query>"
    assert FenceHistory(run).history().confirmed_since("compute-1", FENCED)


def test_what_was_typed_in_another_case_is_found() -> None:
    """Asked for one node, Pacemaker would leave such an entry out."""
    run = Printed(event("off", "success", "2026-11-21 00:11:13Z").replace("compute", "COMPUTE"))
    assert FenceHistory(run).anything_since("compute-1", FENCED)
    assert not FenceHistory(run).anything_since("compute-2", FENCED)
    assert "*" in run.ran[-1]


def test_a_fencing_under_way_is_something() -> None:
    assert FenceHistory(Printed(event("off", "pending"))).anything_since("compute-1", FENCED)
    assert not FenceHistory(Printed()).anything_since("compute-1", FENCED)


def test_a_time_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(NovahaError, match="yesterday"):
        FenceHistory(Printed(event("off", "success", "yesterday"))).of("compute-1")


def test_a_missing_tool_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClusterToolError, match="no-such-tool"):
        Runner()(["no-such-tool"])


def test_a_tool_that_hangs_is_ended() -> None:
    with pytest.raises(ClusterToolError, match="in time"):
        Runner()(["sleep", "30"], timeout=0.1)


class Away(Printed):
    """compute-1 was fenced at this second of 1970, and not reached since; 0 if it was."""

    def __init__(self, fenced: str, *events: str) -> None:
        super().__init__(*events)
        self.state = f'<node_state uname="compute-1"{fenced}/>'.encode()

    def __call__(self, argv: Sequence[str], **options: object) -> Result:
        if argv[0] == "cibadmin":
            return Result(tuple(argv), 0, self.state, "")
        return super().__call__(argv, **options)


@pytest.mark.parametrize(
    ("state", "events", "down"),
    [
        (' node_fenced="1795219874"', [event("reboot", "success", "2026-11-21 00:11:13Z")], FENCED),
        (
            ' node_fenced="1795219874"',
            [
                event("off", "success", "2026-11-20 00:11:13Z"),
                event("reboot", "success", "2026-11-21 00:11:13Z"),
                event("on", "success", "2026-11-21 00:11:14Z"),
                event("off", "failed", "2026-11-21 00:11:15Z"),
            ],
            FENCED,
        ),
        (' node_fenced="0"', [event("reboot", "success", "2026-11-21 00:11:13Z")], None),
        ("", [event("reboot", "success", "2026-11-21 00:11:13Z")], None),
        # The history was lost with the cluster; its own state was not.
        (' node_fenced="1795219873"', [], FENCED),
    ],
)
def test_law_1_a_node_is_down_while_it_was_not_reached_since_its_fencing(
    state: str, events: list[str], down: datetime | None
) -> None:
    assert FenceHistory(Away(state, *events)).down_since("compute-1") == down


@pytest.mark.parametrize(
    ("properties", "option"),
    [
        ({}, "--reboot"),
        ({"stonith-action": "off"}, "--fence"),
        ({"fencing-action": "off"}, "--fence"),
        ({"fencing-action": "reboot", "stonith-action": "off"}, "--reboot"),
    ],
)
def test_a_fencing_is_asked_for_by_the_clusters_own_action(properties, option: str) -> None:
    """Under its name, or under the one that it has had since Pacemaker 3.0.3, which wins."""

    class Cib(Printed):
        def __call__(self, argv: Sequence[str], **options: object) -> Result:
            self.ran.append(argv)
            name = next((n for n in properties if f"'{n}'" in argv[-1]), "")
            pair = f'<nvpair name="{name}" value="{properties[name]}"/>' if name else ""
            return Result(tuple(argv), 0, f"<xpath-query>{pair}</xpath-query>".encode(), "")

    run = Cib()
    FenceHistory(run).request("compute-1")
    assert run.ran[-1] == ["stonith_admin", option, "compute-1", "--timeout", "60"]


def test_full_members_are_neither_remote_nodes_nor_guest_nodes() -> None:
    class Cib(Printed):
        def __call__(self, argv: Sequence[str], **options: object) -> Result:
            shown = (
                '<xpath-query><node uname="controller-1"/><node uname="c2" type="member"/>'
                '<node uname="compute-1" type="remote"/><primitive id="compute-2"/>'
                '<nvpair value="guest-1"/></xpath-query>'
            )
            return Result(tuple(argv), 0, shown.encode(), "")

    assert FenceHistory(Cib()).members() == {"controller-1", "c2"}


def test_nodes_that_were_not_reached_since_their_fencing_are_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real cibadmin, which searches the status as it does in a cluster."""
    states = {"compute-1": ' node_fenced="1795219873"', "compute-2": ' node_fenced="0"'}
    states |= {"compute-3": "", "compute-4": ' node_fenced="1795219874"'}
    nodes = "".join(
        f'<node_state id="{name}" uname="{name}" remote_node="true"{fenced}/>'
        for name, fenced in states.items()
    )
    file = tmp_path / "cib.xml"
    file.write_text(
        '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0"'
        ' admin_epoch="0"><configuration><crm_config/><nodes/><resources/><constraints/>'
        f"</configuration><status>{nodes}</status></cib>"
    )
    monkeypatch.setenv("CIB_file", str(file))
    assert FenceHistory().still_off() == {"compute-1", "compute-4"}
    file.write_text(file.read_text().replace(nodes, ""))
    assert FenceHistory().still_off() == frozenset()
