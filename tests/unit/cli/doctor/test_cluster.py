"""Fencing and the cluster's options: sound, and each thing broken by itself."""

from __future__ import annotations

import shlex

import pytest

from novaha.cli.doctor import cluster as checks
from novaha.cli.doctor.cluster import FENCING, OPTIONS, Cluster, score, seconds
from novaha.cli.doctor.finding import Check, Trouble, Verdict
from tests.unit.cli.doctor.sites import PROPERTY, cluster, only, with_property, with_resource

LEVEL = 'devices="ipmi-1,flag"'


SOUND = [check for check in (*FENCING, *OPTIONS) if check.look is not checks.brake]
"""Of a cluster without the brake. One with it: test_brake_setup.py."""


@pytest.mark.parametrize("check", SOUND, ids=lambda c: c.name)
def test_a_sound_cluster_has_no_trouble(check: Check[Cluster]) -> None:
    assert list(check.look(cluster())) == []


def levels(*changes: tuple[str, str]) -> Trouble:
    return only(checks.fencing_levels(cluster(*changes)))


def test_fencing_switched_off() -> None:
    found = only(checks.fencing_enabled(cluster((PROPERTY, PROPERTY.replace("true", "false")))))
    assert found.remedy == "pcs property set stonith-enabled=true"


def test_pacemaker_3_has_another_name_for_it() -> None:
    only(checks.fencing_enabled(with_property("fencing-enabled", "false")))
    older = (PROPERTY, PROPERTY.replace("true", "false"))
    newer = ("</cluster_prop", '<nvpair id="y" name="fencing-enabled" value="true"/></cluster_prop')
    assert list(checks.fencing_enabled(cluster(older, newer))) == []


def test_no_compute_node() -> None:
    attribute = '<nvpair id="n11" name="osprole" value="compute"/>'
    other = attribute.replace("n11", "n21")
    now = cluster((attribute, ""), (other, ""), nodes={"controller-1": "member"})
    assert "add-remote" in only(checks.compute_nodes(now)).remedy


def test_law_1_the_flag_before_the_power_device() -> None:
    found = levels((LEVEL, 'devices="flag,ipmi-1"'))
    assert found.subject == "compute-1"
    assert "flag comes before ipmi-1 in level 1" in found.detail
    assert found.remedy.splitlines() == [
        "pcs stonith level remove 1 target compute-1 stonith flag ipmi-1",
        "pcs stonith level add 1 compute-1 ipmi-1 flag",
    ]


def test_law_1_the_flag_alone() -> None:
    found = levels((LEVEL, 'devices="flag"'))
    assert "alone in level 1" in found.detail
    assert found.remedy.endswith("pcs stonith level add 1 compute-1 ipmi-1 flag")


def test_law_3_the_flag_is_missing() -> None:
    found = levels((LEVEL, 'devices="ipmi-1"'))
    assert "flag is missing in level 1" in found.detail
    assert found.remedy.endswith("pcs stonith level add 1 compute-1 ipmi-1 flag")


def test_law_3_the_flag_in_another_level() -> None:
    second = '/><fencing-level id="t3" target="compute-1" index="2" devices="flag"/>'
    found = levels((f"{LEVEL}/>", 'devices="ipmi-1"' + second))
    assert "flag is in level 2, but not in level 1" in found.detail
    assert "alone in level 2" in found.detail
    assert "pcs stonith level remove 2 target compute-1 stonith flag" in found.remedy


def test_law_3_no_level_at_all() -> None:
    line = f'<fencing-level id="t1" target="compute-1" index="1" {LEVEL}/>'
    found = levels((line, ""))
    assert found.remedy == "pcs stonith level add 1 compute-1 ipmi-1 flag"


def test_a_level_with_a_device_that_does_not_exist() -> None:
    found = levels((LEVEL, 'devices="ipmi-9,flag"'))
    assert "names ipmi-9" in found.detail
    assert found.remedy.startswith("pcs stonith level remove 1 target compute-1 stonith ipmi-9")


def test_levels_for_patterns_are_not_looked_into() -> None:
    line = f'target="compute-1" index="1" {LEVEL}'
    found = list(checks.fencing_levels(cluster((line, line.replace("target=", "target-pattern=")))))
    assert [t.verdict for t in found] == [Verdict.WARNING, Verdict.NOT_CHECKED]
    assert found[1].subject == "compute-1"


def test_levels_without_a_flag_device_are_its_matter() -> None:
    now = cluster(('type="fence_compute"', 'type="fence_other"'))
    only(checks.fencing_levels(now), Verdict.NOT_CHECKED)
    assert only(checks.fence_device(now)).remedy == "novaha setup --apply"


def test_a_host_without_a_device_that_cuts_its_power() -> None:
    found = only(
        checks.power_devices(
            cluster(('value="compute-2"', 'value="compute-9"'), ("ipmi-2,flag", "flag"))
        )
    )
    assert found.subject == "compute-2"
    assert "pcs stonith create ipmi-compute-2 fence_ipmilan" in found.remedy


DISABLED = (
    '<meta_attributes id="z"><nvpair id="z1" name="target-role" value="Stopped"/></meta_attributes>'
)


def test_a_disabled_power_device() -> None:
    head = 'class="stonith" type="fence_ipmilan"><instance_attributes id="i1">'
    now = cluster((head, head.replace("><", f">{DISABLED}<")))
    assert only(checks.power_devices(now)).remedy == "pcs stonith enable ipmi-1"


def test_a_controller_that_nothing_fences() -> None:
    nobody = ('value="controller-1"', 'value="other-1"')
    found = only(checks.controllers_fencing(cluster(nobody)), Verdict.WARNING)
    assert found.subject == "controller-1"
    assert "pcmk_host_list=controller-1" in found.remedy


def test_what_fences_controllers_may_know_only_itself() -> None:
    asked = ('<nvpair id="ic1" name="pcmk_host_list" value="controller-1"/>', "")
    found = only(checks.controllers_fencing(cluster(asked)), Verdict.NOT_CHECKED)
    assert "ipmi-c" in found.detail
    nobody = ('value="controller-1"', 'value="other-1"')
    watchdog = '<nvpair id="w" name="stonith-watchdog-timeout" value="10s"/>'
    now = cluster(nobody, (PROPERTY, PROPERTY + watchdog))
    only(checks.controllers_fencing(now), Verdict.NOT_CHECKED)


@pytest.mark.parametrize(
    ("version", "too_old"),
    [("2.0.5-9", True), ("2.1.4-5", True), ("2.1.5-a3f44794f94", False), ("3.0.0-6", False)],
)
def test_the_version_of_pacemaker(version: str, too_old: bool) -> None:
    now = cluster(('"3.0.0-6"', f'"{version}"'))
    assert bool(list(checks.pacemaker_version(now))) is too_old


def test_the_flag_device_is_disabled_incomplete_or_there_twice() -> None:
    head = 'type="fence_compute">'
    now = cluster((head, head + DISABLED))
    assert only(checks.fence_device(now)).remedy == "pcs stonith enable flag"
    now = cluster(('value="compute-1 compute-2"', 'value="compute-1"'))
    assert "not for compute-2" in only(checks.fence_device(now)).detail
    now = with_resource('<primitive id="second" class="stonith" type="fence_compute"/>')
    assert only(checks.fence_device(now)).remedy == "pcs stonith delete flag"


def test_a_flag_device_that_asks_the_agent_for_its_hosts_is_for_all() -> None:
    now = cluster(('<nvpair id="f1" name="pcmk_host_list" value="compute-1 compute-2"/>', ""))
    assert list(checks.fence_device(now)) == []


@pytest.mark.parametrize(
    ("look", "name", "value", "verdict"),
    [
        (checks.quorum_policy, "no-quorum-policy", "ignore", Verdict.ERROR),
        (checks.startup_fencing, "startup-fencing", "false", Verdict.ERROR),
        (checks.concurrent_fencing, "concurrent-fencing", "off", Verdict.WARNING),
        (checks.managed, "maintenance-mode", "true", Verdict.WARNING),
    ],
)
def test_properties(look, name: str, value: str, verdict: Verdict) -> None:
    assert only(look(with_property(name, value)), verdict).remedy.startswith(
        f"pcs property set {name}="
    )


def test_quorum_may_be_frozen() -> None:
    assert list(checks.quorum_policy(with_property("no-quorum-policy", "freeze"))) == []


def test_pacemaker_2_may_fence_one_after_the_other_by_default() -> None:
    older = ('"3.0.0-6"', '"2.1.5-1"')
    only(checks.concurrent_fencing(cluster(older)), Verdict.WARNING)
    said = (PROPERTY, f'{PROPERTY}<nvpair id="x" name="concurrent-fencing" value="true"/>')
    assert list(checks.concurrent_fencing(cluster(older, said))) == []


def test_a_node_in_standby_or_maintenance() -> None:
    role = '<nvpair id="n11" name="osprole" value="compute"/>'
    for state, command in (("standby", "unstandby"), ("maintenance", "unmaintenance")):
        now = cluster((role, f'{role}<nvpair id="s" name="{state}" value="on"/>'))
        found = only(checks.managed(now), Verdict.WARNING)
        assert (found.subject, found.remedy) == ("compute-1", f"pcs node {command} compute-1")


def test_an_unmanaged_resource() -> None:
    now = cluster(('name="priority" value="100"', 'name="is-managed" value="false"'))
    found = only(checks.managed(now), Verdict.WARNING)
    assert found.remedy == "pcs resource manage evac"


def test_a_remote_node_that_is_tried_all_the_time() -> None:
    now = cluster(('<nvpair id="r11" name="reconnect_interval" value="60s"/>', ""))
    found = only(checks.remote_nodes(now), Verdict.WARNING)
    assert found.remedy == "pcs resource update compute-1 reconnect_interval=60s"


def test_a_remote_node_whose_start_takes_long() -> None:
    now = cluster(('timeout="20s"', 'timeout="60s"'))
    found = only(checks.remote_nodes(now), Verdict.WARNING)
    assert found.remedy == "pcs resource update compute-1 op start timeout=20s"


MONITOR = '<op id="r1m" name="monitor" interval="1s" timeout="2s"/>'
PROVEN = "pcs resource update compute-1 op monitor interval=1s timeout=2s"


@pytest.mark.parametrize(
    ("monitor", "told"),
    [
        ("", "no monitor"),
        ('<op id="m" name="monitor" interval="0s" timeout="2s"/>', "no monitor"),
        ('<op id="m" name="monitor" interval="1s" timeout="2s" enabled="no"/>', "no monitor"),
        ('<op id="m" name="monitor" interval="60s" timeout="30s"/>', "up to 90 s"),
        ('<op id="m" name="monitor" interval="1min" timeout="30000ms"/>', "up to 90 s"),
        ('<op id="m" name="monitor" interval="1s"/>', "up to 21 s"),
        ('<op id="m" name="monitor" interval="1s" timeout="2001ms"/>', "up to 3.001 s"),
        ('<op id="m" name="monitor" interval="2s" timeout="1s"/>', "waits 1 s for an answer"),
        (MONITOR.replace("1s", "500ms"), ""),
        (f'{MONITOR}<op id="n" name="monitor" interval="10s" timeout="20s"/>', ""),
    ],
)
def test_a_host_that_loses_its_power_is_to_be_noticed_soon(monitor: str, told: str) -> None:
    found = list(checks.silent_deaths(cluster((MONITOR, monitor))))
    assert [(f.subject, f.remedy) for f in found] == [("compute-1", PROVEN)] * bool(told)
    assert all(told in f.detail for f in found)


def test_the_time_out_of_a_monitor_may_be_a_default() -> None:
    silent = cluster(
        (MONITOR, '<op id="m" name="monitor" interval="1s"/>'),
        (
            "</configuration>",
            '<op_defaults><meta_attributes id="od"><nvpair id="od1" name="timeout" value="2s"/>'
            "</meta_attributes></op_defaults></configuration>",
        ),
    )
    assert list(checks.silent_deaths(silent)) == []


def test_a_guest_node_that_is_tried_long() -> None:
    meta = '<nvpair id="g1" name="remote-node" value="guest-1"/>'
    vm = '<primitive id="vm" class="ocf" type="VirtualDomain"><meta_attributes id="g">{}{}'
    vm += "</meta_attributes></primitive>"
    found = only(checks.remote_nodes(with_resource(vm.format(meta, ""))), Verdict.WARNING)
    assert found.remedy == "pcs resource meta vm remote-connect-timeout=20s"
    short = '<nvpair id="g2" name="remote-connect-timeout" value="20"/>'
    assert list(checks.remote_nodes(with_resource(vm.format(meta, short)))) == []


def test_the_older_agents_fence_device() -> None:
    now = with_resource('<primitive id="old" class="stonith" type="fence_evacuate"/>')
    assert only(checks.older_agents(now), Verdict.WARNING).remedy == "pcs stonith delete old"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("20", 20.0), ("20s", 20.0), ("100ms", 0.1), ("2min", 120.0), ("1h", 3600.0)),
        *(("PT1M30S", 90.0), ("", 0.0), ("often", 0.0)),
    ],
)
def test_times(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("100", 100.0), ("-5", -5.0), ("INFINITY", float("inf")), ("+INFINITY", float("inf"))),
        *(("-INFINITY", float("-inf")), ("much", 0.0)),
    ],
)
def test_scores(text: str, value: float) -> None:
    assert score(text) == value


IPMI_1 = '<primitive id="ipmi-1" class="stonith" type="fence_ipmilan">'


@pytest.mark.parametrize(
    "agent",
    ["fence_scsi", "fence_mpath", "fence_dummy", "fence_heuristics_ping", "fence_sbd",
     "fence_kdump", "fence_ifmib", "fence_site_own"],
)  # fmt: skip
def test_law_1_a_level_without_power_is_no_ok(agent: str) -> None:
    changed = cluster((IPMI_1, IPMI_1.replace("fence_ipmilan", agent)))
    found = only(checks.power_devices(changed))
    assert found.subject == "compute-1"
    assert f"ipmi-1 ({agent})" in found.detail


def test_law_1_a_gate_beside_a_power_device_is_fine() -> None:
    gate = '<primitive id="gate" class="stonith" type="fence_heuristics_ping"/>'
    changed = cluster(
        ("</resources>", f"{gate}</resources>"), (LEVEL, 'devices="gate,ipmi-1,flag"')
    )
    assert list(checks.power_devices(changed)) == []


@pytest.mark.parametrize(
    "text",
    ["COMPUTE-1", "Compute-1,other", "other;compute-1", "other\tCOMPUTE-1", " compute-1 "],
)
def test_a_host_list_is_read_as_pacemaker_reads_it(text: str) -> None:
    changed = cluster(
        ('value="compute-1"/>\n    <nvpair id="i12"', f'value="{text}"/>\n    <nvpair id="i12"')
    )
    assert list(checks.power_devices(changed)) == []


@pytest.mark.parametrize("text", ["COMPUTE-1:7", "other:1;Compute-1:7,8", "compute-1=7"])
def test_a_host_map_is_read_as_pacemaker_reads_it(text: str) -> None:
    listed = 'name="pcmk_host_list" value="compute-1"/>\n    <nvpair id="i12"'
    mapped = f'name="pcmk_host_map" value="{text}"/>\n    <nvpair id="i12"'
    assert list(checks.power_devices(cluster((listed, mapped)))) == []


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("compute-[", "no extended regular expression"),
        ("(compute", "no extended regular expression"),
        ("(a)\\1", "refers back"),
        ("x{30000}", "too large"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_named_with_its_remedy(pattern: str, why: str) -> None:
    now = cluster(('target="compute-1"', f'target-pattern="{pattern}"'))
    found = only(checks.target_patterns(now))
    assert found.subject == "t1"
    assert why in found.detail
    first, then = found.remedy.splitlines()
    assert shlex.split(first) == [
        *("pcs", "stonith", "level", "remove", "1", "target", f"regexp%{pattern}"),
        *("stonith", "ipmi-1", "flag"),
    ]
    assert then == "novaha setup --apply"


@pytest.mark.parametrize("pattern", ["^compute-[[:digit:]]+$", "compute", "a|b", "x{3}", "["[:0]])
def test_a_pattern_that_can_be_read_is_none(pattern: str) -> None:
    now = cluster(('target="compute-1"', f'target-pattern="{pattern}"'))
    assert list(checks.target_patterns(now)) == []
