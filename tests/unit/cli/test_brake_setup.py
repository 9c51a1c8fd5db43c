"""The brake: what `novaha setup` configures, doctor checks and `--remove` removes."""

from __future__ import annotations

import pytest
from lxml import etree

from novaha.cli import configuration, remove
from novaha.cli.doctor import cluster as checks
from novaha.cli.doctor.finding import Verdict
from novaha.cli.steps import LayoutError, Wanted
from tests.unit.cli.doctor import sites
from tests.unit.cli.doctor.sites import only
from tests.unit.cli.test_layout import IPMI, cluster, commands, device, level, levels_of

CREATED = (
    "stonith create nova-brake fence_heuristics_compute pcmk_host_check=static-list "
    "pcmk_host_list=compute-1 compute-2 pcmk_off_retries=1 pcmk_reboot_retries=1 "
    "op monitor interval=60s timeout=20s"
)


def test_it_is_set_up_where_it_is_wanted_and_nowhere_else() -> None:
    plain, braked = commands(cluster()), commands(cluster(), Wanted(brake=True))
    assert not [c for c in plain if "brake" in c]
    assert CREATED in braked
    assert braked.index(CREATED) < braked.index(
        "stonith level add 1 compute-1 nova-brake ipmi-1 fence-nova"
    )


BRAKE = device("brake", "fence_heuristics_compute", pcmk_host_list="compute-1 compute-2")


def test_law_10_where_a_brake_is_every_level_begins_with_it() -> None:
    now = cluster(
        IPMI
        + BRAKE
        + device("flag", "fence_compute", pcmk_host_list="compute-1 compute-2")
        + device("pdu", pcmk_host_list="compute-1"),
        level(1, "ipmi-1,brake,flag") + level(2, "pdu,flag"),
    )
    assert [c for c in levels_of(now, "compute-1") if " add " in c] == [
        "stonith level add 1 compute-1 brake ipmi-1 flag",
        "stonith level add 2 compute-1 brake pdu flag",
    ]


def test_the_brake_is_no_power_device() -> None:
    with pytest.raises(LayoutError, match="compute-1 has no device"):
        commands(cluster(BRAKE, level(1, "brake")))


def test_the_brake_is_for_hosts_that_are_added_later_and_keeps_its_limits() -> None:
    old = device("brake", "fence_heuristics_compute", pcmk_host_list="compute-1", limit="5")
    found = commands(cluster(IPMI + old))
    assert "stonith update brake pcmk_host_list=compute-1 compute-2" in found
    assert not [c for c in found if "limit" in c]
    found = commands(cluster(IPMI + old), Wanted(brake_options={"limit": "20%", "window": "60"}))
    assert [c for c in found if c.startswith("stonith update brake limit=20% window=60")]
    created = commands(cluster(), Wanted(brake=True, brake_options={"limit": "20%"}))
    assert [c for c in created if c.startswith("stonith create nova-brake") and "limit=20%" in c]


BRAKED = (
    (
        '  <primitive id="evac"',
        '  <primitive id="brake" class="stonith" type="fence_heuristics_compute">'
        '<instance_attributes id="b"><nvpair id="b1" name="pcmk_host_list" '
        'value="compute-1 compute-2"/></instance_attributes></primitive>'
        '  <primitive id="evac"',
    ),
    ('devices="ipmi-1,flag"', 'devices="brake,ipmi-1,flag"'),
    ('devices="ipmi-2,flag"', 'devices="brake,ipmi-2,flag"'),
)


def text(*changes: tuple[str, str]) -> str:
    found = sites.SOUND
    for old, new in (*BRAKED, *changes):
        assert old in found, old
        found = found.replace(old, new, 1)
    return found


def braked(*changes: tuple[str, str]) -> checks.Cluster:
    return sites.cluster((sites.SOUND, text(*changes)))


def test_doctor_is_content_with_a_cluster_that_has_it() -> None:
    for check in (*checks.FENCING, *checks.OPTIONS):
        assert list(check.look(braked())) == [], check.name


def test_doctor_tells_a_cluster_that_has_none() -> None:
    found = only(checks.brake(sites.cluster()), Verdict.WARNING)
    assert "every compute host behind it powered off" in found.detail
    assert found.remedy == "novaha setup --apply"


def test_doctor_wants_it_first_in_each_level() -> None:
    last = only(checks.fencing_levels(braked(('"brake,ipmi-1,flag"', '"ipmi-1,brake,flag"'))))
    assert "brake is not first in level 1" in last.detail
    assert last.remedy.endswith("pcs stonith level add 1 compute-1 brake ipmi-1 flag")
    none = only(checks.fencing_levels(braked(('"brake,ipmi-1,flag"', '"ipmi-1,flag"'))))
    assert "brake is missing in level 1" in none.detail


def test_doctor_names_a_brake_that_cannot_serve() -> None:
    head = 'type="fence_heuristics_compute">'
    stopped = (
        '<meta_attributes id="bm"><nvpair id="bm1" name="target-role" value="Stopped"/>'
        "</meta_attributes>"
    )
    found = only(checks.brake(braked((head, head + stopped))), Verdict.ERROR)
    assert found.remedy == "pcs stonith enable brake"
    hosts = 'id="b1" name="pcmk_host_list" value="compute-1 compute-2"/>'
    one = braked((hosts, hosts.replace(" compute-2", "")))
    assert "not for compute-2" in only(checks.brake(one), Verdict.ERROR).detail
    limit = hosts + '<nvpair id="b9" name="limit" value="many"/>'
    wrong = only(checks.brake(braked((hosts, limit))), Verdict.ERROR)
    assert "'many' is no limit" in wrong.detail


def test_it_is_removed_with_everything_else() -> None:
    pause = (
        "</cluster_prop",
        '<nvpair id="np" name="novaha-pause" value="2026-01-01T00:00:00Z resumed bob work"/>'
        "</cluster_prop",
    )
    root = etree.fromstring(text(pause))
    found = remove.plan(root, configuration.read(root, sites.NODES), {})
    first = [" ".join(step.argv) for step in found.first]
    last = [" ".join(step.argv) for step in found.last]
    assert "stonith level remove 1 target compute-1 stonith brake ipmi-1 flag" in first
    assert "stonith level add 1 compute-1 ipmi-1" in first
    assert "stonith delete brake --force" in last
    assert "property set novaha-pause= --force" in last
