"""`novaha setup --groups`: what is asked of Nova, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from novaha import wiring
from novaha.cli import groups, main, setup
from novaha.core.groups import Aggregate, Place

CIB = etree.fromstring(
    """
    <cib><configuration><nodes>
      <node id="1" uname="controller-1"/>
      <node id="compute-1" uname="compute-1" type="remote"/>
      <node id="compute-2" uname="compute-2" type="remote"/>
    </nodes><resources>
      <primitive id="ipmi-1" class="stonith" type="fence_ipmilan"><instance_attributes id="a">
        <nvpair id="b" name="pcmk_host_list" value="compute-1 compute-2"/>
      </instance_attributes></primitive>
    </resources><constraints/></configuration></cib>
    """
)
NODES = {"controller-1": "member", "compute-1": "remote", "compute-2": "remote"}


@dataclass
class Nova:
    found: dict[str, Place]

    def places(self) -> dict[str, Place]:
        return self.found


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "novaha.conf"
    path.write_text(
        "[keystone]\nauth_type = password\nauth_url = http://127.0.0.1:1/v3\nusername = u\n"
        "password = p\nproject_name = p\nuser_domain_name = d\nproject_domain_name = d\n"
        "[nova]\nhost_names = compute-2:second.example.org\n"
    )
    path.chmod(0o600)
    return str(path)


FOUND = {
    "compute-1.example.org": Place("az1", (Aggregate("rack-7"),)),
    "second.example.org": Place("az2", (Aggregate("rack-7"), Aggregate("rack-8"))),
}


@pytest.fixture(autouse=True)
def nova(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "nova", lambda conf: Nova(FOUND))


def test_nodes_are_found_by_the_names_that_nova_has(config: str) -> None:
    nodes = ["compute-1", "compute-2", "compute-3"]
    told = groups.from_nova(nodes, {"config": config}, "rack-*")
    assert told.attributes == {
        "compute-1": {"novaha-zone": "az1", "novaha-rack": "rack-7"},
        "compute-2": {"novaha-zone": "az2"},
    }
    unknown, several = told.problems
    assert "Nova knows no compute host for node compute-3" in unknown
    assert "compute-2 is in several groups of novaha-rack: rack-7, rack-8" in several


@pytest.mark.parametrize(
    ("words", "zones", "racks"),
    [([], 0, 0), (["--groups"], 2, 0), (["--racks", "rack-[7]"], 2, 2)],
)
def test_setup_prints_them_when_it_is_asked_to(
    words: list[str], zones: int, racks: int, config: str, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(setup, "query", lambda run, path: [CIB])
    monkeypatch.setattr(setup, "known_nodes", lambda run: NODES)
    monkeypatch.setattr(setup, "pcs_version", lambda run: (0, 12))
    monkeypatch.setattr(setup.prerequisites, "check", lambda root, run, given: None)
    assert main.main(["setup", *words, "--evacuate-option", f"config={config}"]) == 0
    said = capsys.readouterr().out
    commands = [text for text in said.splitlines() if "node attribute" in text]
    assert sum("novaha-zone=az" in text for text in commands) == zones
    assert sum("novaha-rack=rack-7" in text for text in commands) == racks
