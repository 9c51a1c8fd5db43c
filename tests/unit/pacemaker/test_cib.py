"""Records by the real cibadmin, on a CIB in a file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from novaha.core.errors import ClusterToolError, NovahaError, RecordConflictError, UnknownNodeError
from novaha.core.errors import RecordError as BadRecordError
from novaha.core.recovery import Event, RecoveryState
from novaha.pacemaker.cib import RecordStore, known_nodes

CIB = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0"
     admin_epoch="0">
  <configuration>
    <crm_config/>
    <nodes><node id="1" uname="controller-1"/></nodes>
    <resources>
      <primitive id="compute-1" class="ocf" provider="pacemaker" type="remote"/>
      <primitive id="compute-2" class="ocf" provider="pacemaker" type="remote"/>
      <primitive id="vm" class="ocf" provider="heartbeat" type="VirtualDomain">
        <meta_attributes id="vm-m"><nvpair id="vm-r" name="remote-node" value="guest-1"/>
        </meta_attributes>
      </primitive>
    </resources>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordStore:
    file = tmp_path / "cib.xml"
    file.write_text(CIB)
    monkeypatch.setenv("CIB_file", str(file))
    return RecordStore()


def test_nodes_of_every_kind_are_known(store: RecordStore) -> None:
    kinds = {"controller-1": "member", "compute-1": "remote", "compute-2": "remote"}
    assert known_nodes() == {**kinds, "guest-1": "guest"}


@pytest.mark.parametrize("node", ["compute-1", "controller-1", "guest-1"])
def test_law_3_a_flag_is_there_when_flagging_returns(store: RecordStore, node: str) -> None:
    flagged = store.flag_fenced(node)
    assert RecordStore().read_all() == {node: flagged}
    assert flagged.state is RecoveryState.PENDING


def test_law_6_what_the_older_agents_flagged_is_marked_also_when_it_had_a_record(
    store: RecordStore,
) -> None:
    for _ in range(2):
        assert store.flag_fenced("compute-1", adopted=True).marks == {"adopted", "forced"}
    assert store.flag_fenced("compute-1").marks == {"adopted", "forced"}
    assert store.flag_fenced("compute-2").marks == frozenset()


def test_law_3_an_unknown_node_is_an_error_and_writes_nothing(store: RecordStore) -> None:
    with pytest.raises(UnknownNodeError, match=r"compute-9.*compute-1"):
        store.flag_fenced("compute-9")
    assert store.read_all() == {}


def test_law_3_a_swap_on_an_old_fencing_changes_nothing(store: RecordStore) -> None:
    old = store.flag_fenced("compute-1")
    new = store.flag_fenced("compute-1")
    assert new.fence_id != old.fence_id
    with pytest.raises(RecordConflictError):
        store.swap(old, old.after(Event.CLAIM, owner="me"))
    with pytest.raises(RecordConflictError):
        store.drop(old)
    assert store.read("compute-1") == new


def test_law_2_two_owners_cannot_both_swap(store: RecordStore) -> None:
    record = store.flag_fenced("compute-1")
    store.swap(record, record.after(Event.CLAIM, owner="one"))
    with pytest.raises(RecordConflictError):
        store.swap(record, record.after(Event.CLAIM, owner="two"))
    found = store.read("compute-1")
    assert found is not None
    assert found.owner == "one"


def test_the_whole_way_leaves_nothing_behind(store: RecordStore) -> None:
    record = store.flag_fenced("compute-1")
    for next_record in (
        claimed := record.after(Event.CLAIM, owner="me"),
        prepared := claimed.prepared({"forced"}, {"an-id": "stopped"}),
        prepared.after(Event.COMPLETE),
    ):
        store.swap(record, next_record)
        assert store.read("compute-1") == next_record
        record = next_record
    store.drop(record)
    assert store.read_all() == {}


def test_law_4_nonsense_in_the_record_is_an_error_and_is_flagged_over(store: RecordStore) -> None:
    store.flag_fenced("compute-1")
    nonsense = (
        "<node id='compute-1'><instance_attributes id='novaha-compute-1'>"
        "<nvpair id='novaha-compute-1-state' name='novaha-recovery' value='nonsense'/>"
        "</instance_attributes></node>"
    )
    subprocess.run(["cibadmin", "--modify", "--scope", "nodes", "--xml-text", nonsense], check=True)
    with pytest.raises(BadRecordError):
        store.read("compute-1")
    store.flag_fenced("compute-1")
    found = store.read("compute-1")
    assert found is not None
    assert found.hold


def test_other_attributes_of_the_node_stay(store: RecordStore) -> None:
    subprocess.run(
        ["crm_attribute", "-N", "controller-1", "-n", "osprole", "-v", "controller"], check=True
    )
    store.drop(store.flag_fenced("controller-1"))
    shown = subprocess.run(
        ["crm_attribute", "-N", "controller-1", "-n", "osprole", "-G", "-q"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == "controller"


def test_an_unreadable_cib_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cib.xml").write_text("this is no CIB")
    monkeypatch.setenv("CIB_file", str(tmp_path / "cib.xml"))
    with pytest.raises(ClusterToolError, match="cibadmin"):
        RecordStore().read_all()


def test_a_name_with_a_quote_is_refused(store: RecordStore) -> None:
    with pytest.raises(NovahaError, match="quote"):
        store.read("compute'1")
