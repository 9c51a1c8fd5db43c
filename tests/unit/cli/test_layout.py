"""What `novaha setup` finds missing, and that it is missing no more afterwards."""

from __future__ import annotations

import pytest
from lxml import etree

from novaha.cli import configuration, layout
from novaha.cli.configuration import Configuration
from novaha.cli.steps import LayoutError, Step, Wanted

NODES = {"controller-1": "member", "compute-1": "remote", "compute-2": "remote"}


def device(name: str, agent: str = "fence_ipmilan", **attributes: str) -> str:
    pairs = "".join(
        f'<nvpair id="{name}-{key}" name="{key}" value="{value}"/>'
        for key, value in attributes.items()
    )
    return (
        f'<primitive id="{name}" class="stonith" type="{agent}">'
        f'<instance_attributes id="{name}-a">{pairs}</instance_attributes></primitive>'
    )


IPMI = device("ipmi-1", pcmk_host_list="compute-1") + device(
    "ipmi-2", pcmk_host_map="compute-2:7;compute-9:8"
)


def cluster(
    resources: str = IPMI,
    levels: str = "",
    properties: str = "",
    nodes: str = "",
    known: dict[str, str] = NODES,
) -> Configuration:
    return configuration.read(
        etree.fromstring(
            f"<cib><configuration><crm_config><cluster_property_set id='p'>{properties}"
            f"</cluster_property_set></crm_config><nodes>{nodes}</nodes>"
            f"<resources>{resources}</resources><constraints/>"
            f"<fencing-topology>{levels}</fencing-topology></configuration></cib>"
        ),
        known,
    )


def level(index: int, devices: str, target: str = "compute-1") -> str:
    return (
        f'<fencing-level id="fl-{target}-{index}" target="{target}" index="{index}" '
        f'devices="{devices}"/>'
    )


def commands(now: Configuration, wanted: Wanted | None = None) -> list[str]:
    return [" ".join(step.argv) for step in layout.plan(now, wanted or Wanted())]


def levels_of(now: Configuration, node: str) -> list[str]:
    return [c for c in commands(now) if c.startswith("stonith level") and f" {node} " in c]


def test_a_cluster_with_nothing_of_ours() -> None:
    assert commands(cluster()) == [
        "node attribute compute-1 osprole=compute",
        "node attribute compute-2 osprole=compute",
        "stonith create fence-nova fence_compute pcmk_host_check=static-list "
        "pcmk_host_list=compute-1 compute-2 pcmk_on_retries=1 op monitor interval=60s timeout=20s",
        "stonith level add 1 compute-1 ipmi-1 fence-nova",
        "stonith level add 1 compute-2 ipmi-2 fence-nova",
        "resource create nova-evacuate ocf:openstack:NovaEvacuate op "
        "start interval=0s timeout=30s stop interval=0s timeout=20s "
        "monitor interval=10s timeout=20s "
        "monitor interval=60s timeout=20s OCF_CHECK_LEVEL=10 "
        "meta failure-timeout=60s migration-threshold=2 priority=100 resource-stickiness=1",
        "constraint location nova-evacuate rule resource-discovery=never score=-INFINITY "
        "#kind ne cluster",
        "resource create nova-compute ocf:openstack:NovaCompute op "
        "start interval=0s timeout=30s stop interval=0s timeout=30s "
        "monitor interval=10s timeout=20s meta failure-timeout=60s clone",
        "resource meta nova-compute-clone interleave=true",
        "constraint location nova-compute-clone rule resource-discovery=never score=-INFINITY "
        "osprole ne compute",
        "constraint location nova-compute-clone rule resource-discovery=never score=0 "
        "osprole eq compute",
        "constraint location nova-compute-clone rule score=-INFINITY novaha-hold eq true",
        "alert create path=/usr/share/pacemaker/alerts/novaha_alert id=novaha-alert",
    ]


def test_pcs_0_12_wants_a_rule_in_one_argument() -> None:
    steps = layout.plan(cluster(), Wanted(pcs=(0, 12, 0, 2)))
    assert (
        Step(
            "nova-compute-clone: not on a host that is held",
            (
                *("constraint", "location", "nova-compute-clone", "rule"),
                *("score=-INFINITY", "novaha-hold eq true"),
            ),
        )
        in steps
    )


def test_law_1_an_existing_level_is_kept_with_the_power_device_first() -> None:
    now = cluster(levels=level(1, "ipmi-1"))
    assert levels_of(now, "compute-1") == [
        "stonith level remove 1 target compute-1 stonith ipmi-1",
        "stonith level add 1 compute-1 ipmi-1 fence-nova",
    ]


def test_law_3_every_level_ends_with_the_flag() -> None:
    """A fencing by the second level would leave no record."""
    now = cluster(
        resources=IPMI + device("pdu-a") + device("pdu-b"),
        levels=level(1, "ipmi-1") + level(2, "pdu-a,pdu-b"),
    )
    assert [c for c in levels_of(now, "compute-1") if " add " in c] == [
        "stonith level add 1 compute-1 ipmi-1 fence-nova",
        "stonith level add 2 compute-1 pdu-a pdu-b fence-nova",
    ]


def test_law_1_the_flag_before_the_power_device_is_turned_round() -> None:
    now = cluster(
        resources=IPMI + device("flag", "fence_compute", pcmk_host_list="compute-1 compute-2"),
        levels=level(1, "flag,ipmi-1"),
    )
    assert levels_of(now, "compute-1") == [
        "stonith level remove 1 target compute-1 stonith flag ipmi-1",
        "stonith level add 1 compute-1 ipmi-1 flag",
    ]


def test_two_devices_without_levels_become_two_levels() -> None:
    now = cluster(resources=IPMI + device("pdu", pcmk_host_list="compute-1,compute-2"))
    assert levels_of(now, "compute-1") == [
        "stonith level add 1 compute-1 ipmi-1 fence-nova",
        "stonith level add 2 compute-1 pdu fence-nova",
    ]


def test_a_device_may_be_known_by_its_name_alone() -> None:
    now = cluster(resources=device("ipmi-compute-1") + device("ipmi-compute-2"))
    assert levels_of(now, "compute-1") == [
        "stonith level add 1 compute-1 ipmi-compute-1 fence-nova"
    ]


def test_a_similar_name_is_not_the_nodes_device() -> None:
    known = {"compute-1": "remote"}
    with pytest.raises(LayoutError, match="compute-1 has no device"):
        commands(cluster(resources=device("ipmi-compute-11"), known=known))


def test_computes_without_power_device_are_all_named_with_the_command_to_add_one() -> None:
    with pytest.raises(LayoutError) as failure:
        commands(cluster(resources=""))
    assert len(failure.value.problems) == 2
    assert "pcs stonith create ipmi-compute-2 fence_ipmilan" in str(failure.value)


def test_our_device_is_no_power_device() -> None:
    ours = device("fence-nova", "fence_compute", pcmk_host_list="compute-1 compute-2")
    with pytest.raises(LayoutError, match="compute-1 has no device"):
        commands(cluster(resources=ours, levels=level(1, "fence-nova")))


@pytest.mark.parametrize(
    ("now", "problem"),
    [
        (
            cluster(properties="<nvpair id='s' name='stonith-enabled' value='false'/>"),
            "fencing is switched off",
        ),
        (
            cluster(levels="<fencing-level id='x' target-pattern='c.*' index='1' devices='a'/>"),
            "patterns or attributes",
        ),
        (cluster(resources=IPMI + device("nova-compute")), "is called nova-compute already"),
        (cluster(known={"controller-1": "member"}), "no compute node"),
    ],
)
def test_what_is_in_the_way_is_said(now: Configuration, problem: str) -> None:
    with pytest.raises(LayoutError, match=problem):
        commands(now)


def test_unknown_nodes_and_nodes_of_two_roles() -> None:
    with pytest.raises(LayoutError, match="compute-7 is no node"):
        commands(cluster(), Wanted(computes=("compute-7",)))
    with pytest.raises(LayoutError, match="cannot be a controller: it is a remote node"):
        commands(cluster(), Wanted(computes=("compute-1",), controllers=("compute-1",)))


def test_a_host_that_is_added_later() -> None:
    now = cluster(
        resources=IPMI + device("flag", "fence_compute", pcmk_host_list="compute-1"),
        levels=level(1, "ipmi-1,flag"),
        nodes="<node id='1' uname='compute-1'><instance_attributes id='a'>"
        "<nvpair id='b' name='osprole' value='compute'/></instance_attributes></node>",
    )
    assert commands(now)[:4] == [
        "node attribute compute-2 osprole=compute",
        "stonith update flag pcmk_host_list=compute-1 compute-2",
        "stonith update flag pcmk_on_retries=1",
        "stonith level add 1 compute-2 ipmi-2 flag",
    ]


def test_cluster_members_can_be_compute_nodes_when_named() -> None:
    now = cluster(
        resources=device("ipmi-3", pcmk_host_list="controller-1"), known={"controller-1": "member"}
    )
    found = commands(now, Wanted(computes=("controller-1",)))
    assert found[0] == "node attribute controller-1 osprole=compute"


def test_parameters_of_existing_resources_are_updated() -> None:
    existing = (
        '<clone id="c"><primitive id="nc" class="ocf" provider="openstack" type="NovaCompute">'
        '<instance_attributes id="i"><nvpair id="j" name="binary" value="/a"/>'
        "</instance_attributes></primitive></clone>"
    )
    now = cluster(resources=IPMI + existing)
    found = commands(now, Wanted(compute={"binary": "/b", "user": "nova"}))
    assert "resource update nc binary=/b user=nova" in found
    assert "constraint location c rule score=-INFINITY novaha-hold eq true" in found


def test_nodes_are_in_the_order_people_expect() -> None:
    known = {f"compute-{n}": "remote" for n in (10, 9, 1)}
    assert cluster(known=known).computes() == ["compute-1", "compute-9", "compute-10"]


@pytest.mark.parametrize(
    ("properties", "wanted"),
    [
        ({"dc-version": "2.1.5-a3f44794f94"}, True),
        ({"dc-version": "2.1.5", "concurrent-fencing": "false"}, False),  # somebody's decision
        ({"dc-version": "2.1.5", "concurrent-fencing": "true"}, False),
        ({"dc-version": "3.0.0-1"}, False),
        ({}, False),
    ],
)
def test_a_rack_is_fenced_at_once_where_nobody_decided_otherwise(properties, wanted: bool) -> None:
    pairs = "".join(f"<nvpair name='{n}' value='{v}'/>" for n, v in properties.items())
    step = "property set concurrent-fencing=true"
    assert (step in commands(cluster(properties=pairs))) is wanted


MEMBERS = {"node-1": "member", "node-2": "member", "node-3": "member"}
POWER = "".join(device(f"ipmi-{n}", pcmk_host_list=n) for n in MEMBERS)


def converged(**roles: str) -> str:
    return "".join(
        f"<node id='{i}' uname='{name.replace('_', '-')}'><instance_attributes id='a{i}'>"
        f"<nvpair id='b{i}' name='osprole' value='{role}'/></instance_attributes></node>"
        for i, (name, role) in enumerate(roles.items(), start=1)
    )


def test_a_controller_may_be_a_compute_node_too() -> None:
    wanted = Wanted(computes=tuple(MEMBERS), controllers=("node-1",))
    found = commands(cluster(POWER, known=MEMBERS), wanted)
    assert found[:3] == [f"node attribute {node} osprole=compute" for node in MEMBERS]
    assert "stonith level add 1 node-1 ipmi-node-1 fence-nova" in found
    assert not [c for c in found if "nova-evacuate rule" in c and "osprole" in c]


@pytest.mark.parametrize("ban", [("eq", "compute"), ("ne", "controller")])
@pytest.mark.parametrize(
    ("roles", "goes"),
    [
        ({"node_1": "compute", "node_2": "compute", "node_3": "compute"}, True),
        ({"node_1": "compute", "node_2": "controller", "node_3": "storage"}, True),
        ({"node_1": "controller", "node_2": "controller", "node_3": "controller"}, False),
    ],
)
def test_an_earlier_rule_goes_where_it_keeps_the_evacuator_from_cluster_nodes(
    ban: tuple[str, str], roles: dict[str, str], goes: bool
) -> None:
    operation, value = ban
    evacuate = "<primitive id='evac' class='ocf' provider='openstack' type='NovaEvacuate'/>"
    root = etree.fromstring(
        f"<cib><configuration><crm_config/><nodes>{converged(**roles)}</nodes>"
        f"<resources>{POWER}{IPMI}{evacuate}</resources><constraints>"
        "<rsc_location id='older' rsc='evac'><rule id='r' score='-INFINITY'>"
        f"<expression id='e' attribute='osprole' operation='{operation}' value='{value}'/>"
        "</rule></rsc_location></constraints></configuration></cib>"
    )
    found = commands(configuration.read(root, {**MEMBERS, "compute-1": "remote"}))
    assert ("constraint delete older" in found) is goes
    rule = "constraint location evac rule resource-discovery=never score=-INFINITY #kind ne cluster"
    assert rule in found


BAN = "<rsc_location id='ban-{0}' rsc='nova-evacuate' node='{0}' score='{1}'/>"


def test_an_evacuator_that_could_run_nowhere_is_refused_with_the_remedy() -> None:
    evacuate = (
        "<primitive id='nova-evacuate' class='ocf' provider='openstack' type='NovaEvacuate'/>"
    )

    def problems(*banned: tuple[str, str]) -> str:
        bans = "".join(BAN.format(*each) for each in banned)
        root = etree.fromstring(
            "<cib><configuration><crm_config/><nodes/>"
            f"<resources>{POWER}{IPMI}{evacuate}</resources><constraints>{bans}</constraints>"
            "</configuration></cib>"
        )
        try:
            commands(configuration.read(root, {**MEMBERS, "compute-1": "remote"}))
        except LayoutError as error:
            return str(error)
        return ""

    everywhere = [(node, "-INFINITY") for node in MEMBERS]
    assert problems(*everywhere[:2]) == ""
    assert problems(*everywhere[:2], ("NODE-3", "-INFINITY")) != ""  # Pacemaker minds no case
    assert problems(*everywhere[:2], ("node-3", "100")) == ""
    assert problems(*everywhere[:2], ("node-3", "-1")) != ""
    said = problems(*everywhere)
    assert "can run on no cluster node (node-1, node-2, node-3)" in said
    assert "'pcs constraint delete ban-node-1'" in said


def remote(node: str, *monitors: tuple[str, str]) -> str:
    operations = "".join(
        f'<op id="{node}-{i}-{t}" name="monitor" interval="{i}" timeout="{t}"/>'
        for i, t in monitors
    )
    return (
        f'<primitive id="{node}" class="ocf" provider="pacemaker" type="remote">'
        f"<operations>{operations}</operations></primitive>"
    )


@pytest.mark.parametrize(
    ("monitors", "changed"),
    [
        ([], True),
        ([("60s", "30s")], True),
        ([("10s", "10s")], True),
        ([("2s", "2s")], True),
        ([("1s", "2s")], False),
        ([("0s", "2s")], True),
        ([("500ms", "2500ms")], False),
        ([("1s", "1s")], False),  # the operator wants it so; doctor says what that risks
        ([("60s", "30s"), ("1s", "2s")], False),
    ],
)
def test_the_loss_of_power_is_noticed_soon(monitors: list[tuple[str, str]], changed: bool) -> None:
    now = cluster(IPMI + remote("compute-1", *monitors) + remote("compute-2", ("1s", "2s")))
    told = [c for c in commands(now) if c.startswith("resource update")]
    assert told == ["resource update compute-1 op monitor interval=1s timeout=2s"] * changed


def test_a_remote_node_that_is_no_compute_node_keeps_its_monitor() -> None:
    now = cluster(IPMI + remote("compute-1") + remote("compute-2"))
    told = [c for c in commands(now, Wanted(computes=("compute-2",))) if "monitor" in c]
    assert "resource update compute-2 op monitor interval=1s timeout=2s" in told
    assert not [c for c in told if "compute-1" in c and c.startswith("resource update")]


@pytest.mark.parametrize("agent", ["fence_scsi", "fence_dummy", "fence_heuristics_ping"])
def test_law_1_setup_refuses_a_level_that_cuts_no_power(agent: str) -> None:
    powerless = device("scsi", agent, pcmk_host_list="compute-1")
    for levels in ("", level(1, "scsi")):
        with pytest.raises(LayoutError, match=rf"compute-1 cuts no power: scsi \({agent}\)"):
            layout.plan(cluster(powerless + IPMI.partition("</primitive>")[2], levels), Wanted())


def test_an_agent_that_is_not_known_can_be_declared_once_our_device_is_there() -> None:
    own = device("own", "fence_site_own", pcmk_host_list="compute-1")
    now = cluster(own + IPMI.partition("</primitive>")[2])
    assert levels_of(now, "compute-1") == ["stonith level add 1 compute-1 own fence-nova"]


def test_a_gate_stays_in_front_of_the_power_device() -> None:
    gate = device("gate", "fence_heuristics_ping", pcmk_host_list="compute-1")
    now = cluster(IPMI + gate, level(1, "gate,ipmi-1"))
    assert levels_of(now, "compute-1")[-1] == (
        "stonith level add 1 compute-1 gate ipmi-1 fence-nova"
    )


def test_names_of_hosts_are_compared_without_case() -> None:
    loud = device("ipmi-1", pcmk_host_list="COMPUTE-1") + device(
        "ipmi-2", pcmk_host_map="COMPUTE-2:7"
    )
    assert levels_of(cluster(loud), "compute-1") == levels_of(cluster(), "compute-1")
    assert levels_of(cluster(loud), "compute-2") == levels_of(cluster(), "compute-2")


def test_groups_are_set_where_nova_tells_another_one() -> None:
    has = (
        '<node id="compute-1" uname="compute-1"><instance_attributes id="a">'
        '<nvpair id="a-1" name="novaha-zone" value="az1"/>'
        '<nvpair id="a-2" name="novaha-rack" value="r1"/></instance_attributes></node>'
    )
    groups = {
        "compute-1": {"novaha-zone": "az1", "novaha-rack": "r7"},
        "compute-2": {"novaha-zone": "az 2"},
        "compute-9": {"novaha-zone": "az1"},
    }
    steps = layout.plan(cluster(nodes=has), Wanted(groups=groups))
    assert [step.argv for step in steps if "novaha-" in str(step.argv[3:])][:2] == [
        ("node", "attribute", "compute-1", "novaha-rack=r7"),
        ("node", "attribute", "compute-2", "novaha-zone=az 2"),
    ]
    assert not [c for c in commands(cluster(nodes=has)) if "novaha-zone" in c or "novaha-rack" in c]
    assert not [step for step in steps if "compute-9" in step.argv]
