"""Our resources, their rules and options: sound, and each thing broken by itself."""

from __future__ import annotations

import pytest

from novaha.cli.doctor import resources as checks
from novaha.cli.doctor.cluster import Cluster
from novaha.cli.doctor.finding import Check, Verdict
from novaha.cli.doctor.resources import RESOURCES
from tests.unit.cli.doctor.sites import cluster, only, with_property, with_resource

EVACUATE = 'type="NovaEvacuate"'
COMPUTE = 'type="NovaCompute"'
OWN = '<nvpair id="ei1" name="verbose" value="true"/>'


@pytest.mark.parametrize("check", RESOURCES, ids=lambda c: c.name)
def test_a_sound_cluster_has_no_trouble(check: Check[Cluster]) -> None:
    assert list(check.look(cluster())) == []


@pytest.mark.parametrize(
    ("agent", "look"),
    [(EVACUATE, checks.evacuate_resource), (COMPUTE, checks.compute_resource)],
)
def test_a_resource_that_is_missing(agent: str, look) -> None:
    assert only(look(cluster((agent, 'type="Other"')))).remedy == "novaha setup --apply"


def test_disabled_resources() -> None:
    now = cluster(('name="priority" value="100"', 'name="target-role" value="Stopped"'))
    assert only(checks.evacuate_resource(now)).remedy == "pcs resource enable evac"
    now = cluster(('name="interleave" value="true"', 'name="target-role" value="stopped"'))
    assert only(checks.compute_resource(now)).remedy == "pcs resource enable nc-clone"


def test_an_evacuator_on_every_node() -> None:
    text = '<clone id="e2c"><primitive id="e2" class="ocf" provider="openstack" {}/></clone>'
    now = cluster(
        (EVACUATE, 'type="Other"'), ("<resources>", "<resources>" + text.format(EVACUATE))
    )
    assert only(checks.evacuate_resource(now)).remedy == "pcs resource unclone e2"


def test_a_second_one() -> None:
    now = with_resource(f'<primitive id="e2" class="ocf" provider="openstack" {EVACUATE}/>')
    assert only(checks.evacuate_resource(now)).remedy == "pcs resource delete evac"


def test_nova_compute_that_is_no_clone() -> None:
    now = cluster(('<clone id="nc-clone">', '<group id="nc-clone">'), ("</clone>", "</group>"))
    assert "no clone" in only(checks.compute_resource(now)).detail
    only(checks.hold_rule(now), Verdict.NOT_CHECKED)
    only(checks.compute_placement(now), Verdict.NOT_CHECKED)


def test_something_else_may_start_nova_compute_behind_nova_compute_wait() -> None:
    now = cluster((COMPUTE, 'type="nova-compute-wait"'))
    for look in (checks.compute_resource, checks.compute_placement, checks.hold_rule):
        assert list(look(now)) == []


def test_a_compute_node_without_its_role() -> None:
    role = '<nvpair id="n11" name="osprole" value="compute"/>'
    for other, says in (("", "has no osprole"), (role.replace('"compute"', '"x"'), "osprole=x")):
        found = only(checks.roles(cluster((role, other))))
        assert found.remedy == "pcs node attribute compute-1 osprole=compute"
        assert says in found.detail


RULES = 'attribute="osprole" operation="eq"'


def test_resources_that_may_run_anywhere() -> None:
    now = cluster(
        (RULES, 'attribute="other" operation="eq"'), (BANNED, BANNED.replace("osprole", "other"))
    )
    assert "on the remote node compute-1" in only(checks.evacuate_placement(now)).detail
    assert only(checks.compute_placement(now)).subject == "nc-clone"


BANNED = 'id="l0e" attribute="osprole" operation="ne"'
LOOKED_FOR = '<rsc_location id="l2" rsc="nc-clone" resource-discovery="never">'


def test_a_rule_that_only_prefers_compute_nodes_keeps_nobody_there() -> None:
    now = cluster((BANNED, BANNED.replace("osprole", "other")))
    assert only(checks.compute_placement(now)).remedy == "novaha setup --apply"


def test_other_rules_that_do_the_same() -> None:
    now = cluster(
        (BANNED, BANNED.replace("osprole", "other")),
        (LOOKED_FOR, LOOKED_FOR.replace("never", "exclusive")),
    )
    assert list(checks.compute_placement(now)) == []


def test_law_8_a_dead_host_that_pacemaker_looks_at_holds_up_the_others() -> None:
    assert list(checks.compute_probes(cluster())) == []
    now = cluster((LOOKED_FOR, LOOKED_FOR.replace("never", "exclusive")))
    remedy = only(checks.compute_probes(now), Verdict.WARNING).remedy
    assert "pcs constraint delete" in remedy
    assert remedy.endswith("\nnovaha setup --apply")
    now = cluster((LOOKED_FOR, LOOKED_FOR.replace(' resource-discovery="never"', "")))
    assert only(checks.compute_probes(now), Verdict.WARNING).remedy == "novaha setup --apply"


def test_an_opt_in_cluster_places_nothing_by_itself() -> None:
    now = with_property("symmetric-cluster", "false")
    found = only(checks.evacuate_placement(now))
    assert "evac can run on no cluster node (controller-1)" in found.detail
    assert found.remedy == "novaha setup --apply"
    assert list(checks.compute_placement(now)) == []


def test_law_4_the_rule_on_the_hold() -> None:
    now = cluster(('attribute="novaha-hold"', 'attribute="other"'))
    found = only(checks.hold_rule(now))
    assert (found.subject, found.remedy) == ("nc-clone", "novaha setup --apply")


def test_no_alert() -> None:
    now = cluster(("novaha_alert", "other_alert"))
    assert only(checks.alert(now), Verdict.WARNING).remedy == "novaha setup --apply"


@pytest.mark.parametrize(
    ("old", "new", "subject", "remedy"),
    [
        ('id="e1" name="failure-timeout"', 'id="e1" name="x"', "evac", "failure-timeout=60s"),
        ('id="m1" name="failure-timeout"', 'id="m1" name="x"', "nc", "failure-timeout=60s"),
        ('name="priority" value="100"', 'name="priority" value="0"', "evac", "priority=100"),
        ('name="resource-stickiness"', 'name="x"', "evac", "resource-stickiness=1"),
        ('name="migration-threshold"', 'name="x"', "evac", "migration-threshold=2"),
    ],
)
def test_options(old: str, new: str, subject: str, remedy: str) -> None:
    found = only(checks.options(cluster((old, new))), Verdict.WARNING)
    assert found.remedy == f"pcs resource meta {subject} {remedy}"


def test_the_evacuator_comes_before_the_connections_to_dead_hosts() -> None:
    end = '<instance_attributes id="r2">'
    more = '<meta_attributes id="q"><nvpair id="q1" name="priority" value="200"/></meta_attributes>'
    found = only(checks.options(cluster((end, more + end))), Verdict.WARNING)
    assert "priority" in found.remedy


@pytest.mark.parametrize("resource", ["evac", "nc-clone", "flag", "ipmi-1"])
def test_what_was_moved_by_hand(resource: str) -> None:
    ban = (
        f'<rsc_location id="cli-ban-{resource}-on-x" rsc="{resource}" node="x" score="-INFINITY"/>'
    )
    now = cluster(("<constraints>", f"<constraints>{ban}"))
    found = only(checks.moved_by_hand(now), Verdict.WARNING)
    assert found.remedy == f"pcs resource clear {resource}"
    theirs = ban.replace(f'rsc="{resource}"', 'rsc="galera"')
    assert list(checks.moved_by_hand(cluster(("<constraints>", f"<constraints>{theirs}")))) == []


def test_law_9_a_password_in_the_clear_is_named_and_not_shown() -> None:
    login = '<nvpair id="e5" name="username" value="nova"/>'
    login += '<nvpair id="e6" name="password" value="hunter2"/>'
    found = only(checks.secrets(cluster((OWN, login))), Verdict.WARNING)
    assert found.subject == "evac"
    assert "password" in found.detail
    assert "hunter2" not in found.detail + found.remedy
    assert found.remedy.endswith("pcs resource update evac username= password=")


def test_law_9_a_secret_that_stands_elsewhere_is_none() -> None:
    for name, value in (("password", "lrm://"), ("password_script", "/x"), ("password", "")):
        secret = f'<nvpair id="e6" name="{name}" value="{value}"/>'
        assert list(checks.secrets(cluster((OWN, secret)))) == []


def test_law_9_our_fence_device_needs_no_password_and_others_are_not_ours() -> None:
    hosts = '<nvpair id="f1" name="pcmk_host_list" value="compute-1 compute-2"/>'
    now = cluster((hosts, f'{hosts}<nvpair id="f2" name="passwd" value="hunter2"/>'))
    found = only(checks.secrets(now), Verdict.WARNING)
    assert found.remedy == "pcs stonith update flag passwd="


BOTH = {"controller-1": "member", "compute-1": "member", "compute-2": "member"}


def test_a_cluster_node_that_is_a_compute_node_may_run_the_evacuator() -> None:
    members = tuple((f'uname="compute-{n}" type="remote"', f'uname="compute-{n}"') for n in (1, 2))
    assert list(checks.evacuate_placement(cluster(*members, nodes=BOTH))) == []
    alone = {name: kind for name, kind in BOTH.items() if name != "controller-1"}
    found = only(checks.evacuate_placement(cluster(*members, nodes=alone)))
    assert "evac can run on no cluster node (compute-1, compute-2)" in found.detail
    assert found.remedy == "novaha setup --apply"


def test_a_constraint_that_cannot_be_understood_is_said() -> None:
    odd = (RULES, 'attribute="uptime" operation="gt" type="integer"')
    found = list(checks.evacuate_placement(cluster(odd)))
    assert [(t.verdict, t.subject) for t in found] == [(Verdict.NOT_CHECKED, "evac")]
    assert "the constraint l1 means" in found[0].detail
