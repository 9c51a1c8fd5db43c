"""The order in which novaha is taken out, by form of site."""

from __future__ import annotations

import pytest
from lxml import etree

from novaha.cli import configuration, remove
from novaha.cli.remove import Removal
from novaha.cli.steps import LayoutError
from tests.unit.cli.doctor.sites import NODES, SOUND

ORDER = '<rsc_order id="o1" first="lv-clone" then="nc-clone"/>'
SET = (
    '<rsc_order id="o2"><resource_set id="s"><resource_ref id="nc-clone"/>'
    '<resource_ref id="evac"/></resource_set></rsc_order>'
)
COLOCATED = '<rsc_colocation id="o3" rsc="nc-clone" with-rsc="lv-clone" score="INFINITY"/>'
FOREIGN = (
    '<rsc_location id="u1" rsc="unit-clone"><rule id="u1r" score="-INFINITY"><expression id="u1e" '
    'attribute="novaha-hold" operation="eq" value="true"/></rule></rsc_location>'
    '<rsc_location id="u2" rsc="unit-clone"><rule id="u2r" score="-INFINITY"><expression id="u2e" '
    'attribute="osprole" operation="ne" value="compute"/></rule></rsc_location>'
)


def removal(*changes: tuple[str, str]) -> Removal:
    text = SOUND
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    root = etree.fromstring(text)
    return remove.plan(root, configuration.read(root, NODES), {})


def lines(steps: tuple[object, ...]) -> list[str]:
    return [" ".join(step.argv) for step in steps]  # type: ignore[attr-defined]


def test_levels_lose_the_flag_before_the_device_goes_and_nova_compute_is_let_go_first() -> None:
    found = removal()
    first, last = lines(found.first), lines(found.last)
    assert first == [
        "alert delete a",
        "stonith level remove 1 target compute-1 stonith ipmi-1 flag",
        "stonith level add 1 compute-1 ipmi-1",
        "stonith level remove 1 target compute-2 stonith ipmi-2 flag",
        "stonith level add 1 compute-2 ipmi-2",
        "resource delete evac --force",
        "resource unmanage nc-clone",
    ]
    assert found.forgotten == ("nc",)
    assert last == [
        "resource delete nc-clone --force",
        "stonith delete flag --force",
        "node attribute compute-1 osprole=",
        "node attribute compute-2 osprole=",
    ]


def test_a_level_of_the_flag_alone_goes_whole() -> None:
    first = lines(removal(('devices="ipmi-1,flag"', 'devices="flag"')).first)
    assert "stonith level remove 1 target compute-1 stonith flag" in first
    assert not [line for line in first if line.startswith("stonith level add 1 compute-1")]


def test_what_depends_on_nova_compute_is_untied_before_it_seems_to_stop() -> None:
    first = lines(removal(("<constraints>", f"<constraints>{ORDER}{SET}{COLOCATED}")).first)
    for name in ("o1", "o2", "o3"):
        assert first.index(f"constraint delete {name}") < first.index("resource unmanage nc-clone")


@pytest.mark.parametrize("which", ["l0", "l2"])
def test_nobody_looks_for_it_once_it_is_let_go(which: str) -> None:
    """Else Pacemaker would find it again, and stop it when it is deleted."""
    never = f'<rsc_location id="{which}" rsc="nc-clone" resource-discovery="never">'
    first = lines(removal((never, never.replace("never", "always"))).first)
    operation = "ne" if which == "l0" else "eq"
    rule = f"rule resource-discovery=never score=0 osprole {operation} compute"
    assert f"constraint location nc-clone {rule}" in first
    with pytest.raises(LayoutError, match=f"the constraint {which} has Pacemaker look for nc"):
        removal((never, never.replace("never", "exclusive")))


def test_of_resources_that_are_not_ours_only_the_hold_goes() -> None:
    last = lines(removal(("<constraints>", f"<constraints>{FOREIGN}")).last)
    assert "constraint delete u1" in last
    assert "constraint delete u2" not in last
    assert not [line for line in last if "osprole=" in line], "a rule still looks at the role"


def test_a_level_for_a_pattern_is_for_people() -> None:
    with pytest.raises(LayoutError, match="the fencing level t1 is for a pattern"):
        removal(('id="t1" target="compute-1"', 'id="t1" target-pattern="compute-1"'))


def test_what_was_let_go_already_is_not_again() -> None:
    unmanaged = '<nvpair id="c9" name="is-managed" value="false"/>'
    found = removal(('<meta_attributes id="c">', f'<meta_attributes id="c">{unmanaged}'))
    assert "resource unmanage nc-clone" not in lines(found.first)
    assert found.forgotten == ("nc",)
