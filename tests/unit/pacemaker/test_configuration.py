"""What a recovery begins with is read in one question, and is what the single questions tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from novaha.core.errors import ClusterToolError, NovahaError, RecordError
from novaha.core.record import FENCE_ID
from novaha.pacemaker import configuration
from novaha.pacemaker.cib import RecordStore, compute_nodes
from novaha.pacemaker.computes import paused
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.runner import Result, Runner

CIB = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0"
     admin_epoch="0">
  <configuration>
    <crm_config><cluster_property_set id="options">
      <nvpair id="o-1" name="stonith-enabled" value="true"/>
      <nvpair id="o-2" name="novaha-pause" value="{pause}"/>
    </cluster_property_set></crm_config>
    <nodes>
      <node id="1" uname="controller-1"/>
      <node id="2" uname="member-1"><instance_attributes id="m-1">
        <nvpair id="m-1-role" name="osprole" value="compute"/>
      </instance_attributes></node>
    </nodes>
    <resources>
      <template id="bmc" class="stonith" type="fence_ipmilan"/>
      <primitive id="bmc-1" template="bmc"/>
      <primitive id="beat" class="stonith" type="fence_dummy"/>
      <primitive id="flag" class="stonith" type="fence_compute"/>
      <primitive id="compute-1" class="ocf" provider="pacemaker" type="remote"/>
      <primitive id="compute-2" class="ocf" provider="pacemaker" type="remote"/>
      <primitive id="vm" template="guest"><meta_attributes id="vm-m">
        <nvpair id="vm-r" name="remote-node" value="guest-1"/>
      </meta_attributes></primitive>
      <template id="guest" class="ocf" provider="heartbeat" type="VirtualDomain"/>
    </resources>
    <constraints/>
    <fencing-topology>
      <fencing-level id="l-1" index="1" target="compute-1" devices="bmc-1,flag"/>
      <fencing-level id="l-2" index="1" target="compute-2" devices="beat,flag"/>
    </fencing-topology>
  </configuration>
  <status/>
</cib>
"""
PAUSE = "2026-01-01T00:00:00Z resumed bob switch upgrade"


class Counting(Runner):
    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []

    def __call__(self, argv: Sequence[str], **options: Any) -> Result:
        self.asked.append(argv)
        return super().__call__(argv, **options)


@pytest.fixture
def cib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "cib.xml"
    file.write_text(CIB.replace("{pause}", PAUSE))
    monkeypatch.setenv("CIB_file", str(file))
    return file


def test_one_question_tells_what_the_single_ones_do(cib: Path) -> None:
    store = RecordStore()
    flagged = {node: store.flag_fenced(node) for node in ("compute-1", "guest-1", "member-1")}
    run = Counting()
    found = configuration.read(run)
    assert len(run.asked) == 1
    assert found.records == store.read_all() == flagged
    assert found.pause == paused()
    assert found.pause is not None
    assert found.pause.why == "switch upgrade"
    single = FenceHistory().levels()
    for node in ("compute-1", "compute-2", "controller-1", "guest-1"):
        assert found.levels.without_power_device(node) == single.without_power_device(node)
    assert found.levels.without_power_device("compute-1") == ""
    assert "beat" in found.levels.without_power_device("compute-2")


def test_a_cluster_that_says_nothing_of_it(cib: Path) -> None:
    text = CIB[: CIB.index("<crm_config>")] + "<crm_config/><nodes/><resources/><constraints/>"
    cib.write_text(f"{text}</configuration><status/></cib>")
    found = configuration.read()
    assert found.records == {}
    assert found.pause is None
    single = FenceHistory().levels()
    why = found.levels.without_power_device("compute-1")
    assert why == single.without_power_device("compute-1")


def test_a_record_alone_is_read(cib: Path) -> None:
    """One match is no list of matches to cibadmin."""
    flagged = RecordStore().flag_fenced("compute-1")
    for found in ("<fencing-topology>", "<resources>", "<crm_config>"):
        text, tag = cib.read_text(), found.strip("<>")
        begin, end = text.index(found), text.index(f"</{tag}>") + len(f"</{tag}>")
        cib.write_text(text[:begin] + ("" if "fencing" in tag else f"<{tag}/>") + text[end:])
    assert configuration.read().records == {"compute-1": flagged}


def test_a_record_that_makes_no_sense_is_its_own_problem(cib: Path) -> None:
    store = RecordStore()
    flagged = {node: store.flag_fenced(node) for node in ("compute-1", "compute-2")}
    cib.write_text(cib.read_text().replace(flagged["compute-1"].fence_id, ""))
    found = configuration.read().records
    assert isinstance(found["compute-1"], RecordError), FENCE_ID
    assert found["compute-2"] == flagged["compute-2"]


@pytest.mark.parametrize("text", ["", "no XML"])
def test_a_configuration_that_cannot_be_read_is_no_empty_one(cib: Path, text: str) -> None:
    cib.write_text(text)
    with pytest.raises((ClusterToolError, NovahaError)):
        configuration.read()


def test_compute_nodes_are_found_in_one_question(cib: Path) -> None:
    run = Counting()
    assert compute_nodes(run) == {"compute-1", "compute-2", "guest-1", "member-1"}
    assert len(run.asked) == 1
