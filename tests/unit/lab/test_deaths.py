"""The table of the kinds of death: the lab's, its README's and the guide's are one, and tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from novahalab import bmc, deaths, layout
from novahalab.errors import LabError

ROOT = Path(__file__).resolve().parents[3]


def kinds_in(table: str) -> list[str]:
    """The kinds in the first column of a table whose cells are code."""
    return re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)


def test_the_labs_readme_has_the_table() -> None:
    text = (ROOT / "lab/README.md").read_text().partition("## Kinds of death")[2]
    table = text.partition("\n## ")[0]
    assert kinds_in(table) == list(deaths.KINDS)
    for kind in deaths.KINDS.values():
        assert f"| {kind.what} | {kind.then} |" in table


def test_the_guide_tells_every_kind() -> None:
    text = (ROOT / "docs/guide/concept.md").read_text().partition("## The ways in which a host")[2]
    assert kinds_in(text.partition("\n## ")[0]) == list(deaths.KINDS)


def test_every_kind_is_tried_on_the_lab() -> None:
    """`power` is what all the other tests of the lab do."""
    text = (ROOT / "tests/lab/test_deaths.py").read_text()
    tried = set(re.findall(r'"crash", \w+, "--kind", "([a-z-]+)"', text))
    assert tried == deaths.KINDS.keys() - {"power"}


@pytest.mark.parametrize("kind", [k for k, v in deaths.KINDS.items() if v.computes])
def test_a_controller_dies_no_death_of_a_compute_node(kind: str) -> None:
    with pytest.raises(LabError, match="only a compute node"):
        deaths.die("controller-1", kind)


@pytest.mark.parametrize("kind", [k for k in deaths.KINDS if k != "power"])
def test_what_is_off_dies_no_other_death(kind: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(layout, "SANDBOXES", tmp_path)
    with pytest.raises(LabError, match="compute-1 is off"):
        deaths.die("compute-1", kind)


def test_only_what_the_bmc_cuts_is_a_power_off(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(layout, "LOGS", tmp_path)
    assert bmc.powered_off("compute-1", 0.0) is None
    log = tmp_path / "compute-1" / "power.log"
    log.parent.mkdir()
    log.write_text(
        "2026-01-01 00:00:01.500 power 0\n2026-01-01 00:00:02.000 power 1\n"
        "2026-01-01 00:00:03.000 cut\n2026-01-01 00:00:04.250 power 0\n"
    )
    first = bmc.powered_off("compute-1", 0.0)
    assert first is not None
    assert bmc.powered_off("compute-1", first) == first
    assert bmc.powered_off("compute-1", first + 0.1) == first + 2.75
    assert bmc.powered_off("compute-1", first + 3) is None
