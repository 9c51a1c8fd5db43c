"""Which fencing levels are a node's, and what their success proves."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaha.pacemaker.devices import Effect, effect_of, known_agents
from novaha.pacemaker.fencing import FenceHistory

NODE = "compute-1"


class Cib:
    """A CIB in a file, asked by the real cibadmin."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.resources = ""
        self.levels = ""
        self.nodes = '<node id="1" uname="controller-1"/>'
        self.device("fence-nova", "fence_compute")
        for node in (NODE, "compute-2"):
            self.resources += (
                f'<primitive id="{node}" class="ocf" provider="pacemaker" type="remote"/>'
            )

    def device(self, name: str, agent: str, **attributes: str) -> None:
        self.resources += (
            f'<primitive id="{name}" class="stonith" type="{agent}">{pairs(name, attributes)}'
            "</primitive>"
        )

    def level(self, devices: str, whose: str = f'target="{NODE}"', index: int = 0) -> None:
        number = index or self.levels.count("<fencing-level") + 1
        self.levels += (
            f'<fencing-level id="l-{number}" index="{number}" {whose} devices="{devices}"/>'
        )

    def why_not(self, node: str = NODE) -> str:
        self.file.write_text(
            '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0"'
            f' admin_epoch="0"><configuration><crm_config/><nodes>{self.nodes}</nodes>'
            f"<resources>{self.resources}</resources><constraints/>"
            f"<fencing-topology>{self.levels}</fencing-topology></configuration><status/></cib>"
        )
        return FenceHistory().levels().without_power_device(node)


def pairs(name: str, attributes: dict[str, str]) -> str:
    found = "".join(
        f'<nvpair id="{name}-{key}" name="{key}" value="{value}"/>'
        for key, value in attributes.items()
    )
    return f'<instance_attributes id="{name}-a">{found}</instance_attributes>'


@pytest.fixture
def cib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cib:
    monkeypatch.setenv("CIB_file", str(tmp_path / "cib.xml"))
    return Cib(tmp_path / "cib.xml")


POWER = ["fence_ipmilan", "fence_redfish", "fence_apc", "fence_virsh", "fence_xvm", "fence_aws"]
NO_POWER = [
    *("fence_scsi", "fence_mpath", "fence_brocade", "fence_ifmib", "fence_aws_vpc_net"),
    *("fence_heuristics_ping", "fence_heuristics_resource", "fence_crosslink"),
    *("fence_dummy", "fence_dummy_auto_unfence", "null", "external/ssh", "suicide"),
    *("fence_compute", "fence_evacuate"),
]
DECLARABLE = ["fence_sbd", "fence_watchdog", "fence_kdump", "meatware", "fence_site_own"]


@pytest.mark.parametrize("agent", POWER)
def test_law_1_power_that_is_cut_proves_that_the_guests_have_ended(cib: Cib, agent: str) -> None:
    cib.device("one", agent)
    cib.level("one,fence-nova")
    assert cib.why_not() == ""


@pytest.mark.parametrize("agent", [*NO_POWER, *DECLARABLE])
def test_law_1_anything_else_proves_nothing(cib: Cib, agent: str) -> None:
    cib.device("one", agent)
    cib.level("one,fence-nova")
    why = cib.why_not()
    if effect_of(agent) is not Effect.FLAG:
        assert f"one ({agent}) {effect_of(agent).value}" in why
    assert NODE in why
    assert "novaha setup" in why
    assert ("power_agents=" in why) is (agent in DECLARABLE)


@pytest.mark.parametrize("agent", [*NO_POWER, *DECLARABLE])
def test_law_1_beside_a_power_device_it_does_no_harm(cib: Cib, agent: str) -> None:
    cib.device("one", agent)
    cib.device("ipmi", "fence_ipmilan")
    cib.level("one,ipmi,fence-nova")
    assert cib.why_not() == ""


def test_law_1_every_level_has_to_prove_it(cib: Cib) -> None:
    """The history does not tell which level succeeded."""
    cib.device("kdump", "fence_kdump")
    cib.device("ipmi", "fence_ipmilan")
    cib.level("kdump,fence-nova")
    cib.level("ipmi,fence-nova")
    assert "kdump (fence_kdump) only hears that the host writes a crash dump" in cib.why_not()


@pytest.mark.parametrize("agent", sorted(known_agents()))
def test_law_1_each_known_agent(cib: Cib, agent: str) -> None:
    cib.device("one", agent)
    cib.level("one,fence-nova")
    assert (cib.why_not() == "") is (known_agents()[agent] is Effect.POWER)


@pytest.mark.parametrize("agent", DECLARABLE)
def test_what_a_site_declares_to_cut_power_does(cib: Cib, agent: str) -> None:
    cib.resources = ""
    cib.device("fence-nova", "fence_compute", power_agents=f"fence_other {agent}")
    cib.device("one", agent)
    cib.level("one,fence-nova")
    assert cib.why_not() == ""


@pytest.mark.parametrize("agent", ["fence_scsi", "fence_heuristics_ping", "fence_dummy"])
def test_law_1_what_is_known_to_cut_no_power_cannot_be_declared(cib: Cib, agent: str) -> None:
    cib.resources = ""
    cib.device("fence-nova", "fence_compute", power_agents=agent)
    cib.device("one", agent)
    cib.level("one,fence-nova")
    assert f"one ({agent})" in cib.why_not()


def test_an_unknown_agent_is_named_with_the_command_that_declares_it(cib: Cib) -> None:
    cib.device("pdu", "fence_site_own")
    cib.level("pdu,fence-nova")
    assert "pdu (fence_site_own) is not known to novaha" in cib.why_not()
    assert "pcs stonith update fence-nova power_agents=fence_site_own" in cib.why_not()


@pytest.mark.parametrize(
    ("parameter", "value", "proves"),
    [
        ("pcmk_off_action", "off", True),
        ("pcmk_off_action", "reboot", True),
        ("pcmk_off_action", "OFF", True),
        ("pcmk_reboot_action", "off", True),
        ("pcmk_off_action", "status", False),
        ("pcmk_off_action", "metadata", False),
        ("pcmk_off_action", "monitor", False),
        ("pcmk_off_action", "on", False),
        ("pcmk_off_action", "diag", False),
        ("pcmk_off_action", "", False),
        ("pcmk_reboot_action", "status", False),
        ("pcmk_reboot_action", "on", False),
        ("pcmk_status_action", "metadata", True),
        ("pcmk_on_action", "status", True),
        # The older parameter, which Pacemaker takes for both.
        ("action", "", True),
        ("action", "reboot", True),
        ("action", "off", True),
        ("action", "OFF", True),
        ("action", "poweroff", True),
        ("action", "on", False),
        ("action", "status", False),
        ("action", "monitor", False),
        ("action", "metadata", False),
        ("action", "list", False),
    ],
)
def test_law_1_an_off_that_is_something_else(
    cib: Cib, parameter: str, value: str, proves: bool
) -> None:
    cib.device("one", "fence_ipmilan", **{parameter: value})
    cib.level("one,fence-nova")
    why = cib.why_not()
    assert (why == "") is proves
    assert proves or f"its {parameter} is '{value}'" in why


@pytest.mark.parametrize(("index", "counts"), [(1, True), (9, True), (10, False), (19, False)])
def test_law_1_a_level_that_the_fencer_refuses_is_none(cib: Cib, index: int, counts: bool) -> None:
    """Without any that it takes, the flag alone may act."""
    cib.device("one", "fence_ipmilan")
    cib.level("one,fence-nova", index=index)
    assert cib.why_not() == (
        "" if counts else f"{NODE} has no fencing level: `novaha setup` shows how to add it"
    )


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"action": "status", "pcmk_off_action": "off", "pcmk_reboot_action": "off"}, ""),
        ({"action": "status", "pcmk_off_action": "off"}, "its action is 'status'"),
        ({"action": "status", "pcmk_reboot_action": "reboot"}, "its action is 'status'"),
        ({"action": "off", "pcmk_off_action": "on"}, "its pcmk_off_action is 'on'"),
        ({"action": "off", "pcmk_reboot_action": ""}, "its pcmk_reboot_action is ''"),
        ({"action": "list", "pcmk_off_action": ""}, "its pcmk_off_action is ''"),
    ],
)
def test_law_1_the_older_parameter_counts_where_todays_is_not_set(
    cib: Cib, parameters: dict[str, str], says: str
) -> None:
    cib.device("one", "fence_ipmilan", **parameters)
    cib.level("one,fence-nova")
    why = cib.why_not()
    assert says in why
    assert bool(why) is bool(says)


def test_law_1_azure_that_cuts_the_network_first(cib: Cib) -> None:
    cib.device("azure", "fence_azure_arm", network_fencing="true")
    cib.level("azure,fence-nova")
    assert "cuts the host off its network" in cib.why_not()


def test_law_1_a_watchdog_is_the_clusters_on_members_only(cib: Cib) -> None:
    cib.device("sbd", "fence_sbd")
    cib.nodes += '<node id="2" uname="compute-9"/>'
    cib.level("sbd,fence-nova", 'target="compute-9"')
    cib.level("sbd,fence-nova")
    assert cib.why_not("compute-9") == ""
    assert cib.why_not("COMPUTE-9") == ""
    assert "sbd (fence_sbd) relies on a watchdog" in cib.why_not()


def test_law_1_a_device_that_is_not_there_proves_nothing(cib: Cib) -> None:
    cib.level("ghost,fence-nova")
    assert "there is no device ghost" in cib.why_not()


def test_a_device_may_be_of_a_template(cib: Cib) -> None:
    cib.resources += (
        f'<template id="bmc" class="stonith" type="fence_ipmilan">{pairs("bmc", {"ip": "x"})}'
        '</template><primitive id="one" template="bmc"/>'
        '<template id="own" class="stonith" type="fence_scsi"/><primitive id="two" template="own"/>'
    )
    cib.level("one,fence-nova")
    assert cib.why_not() == ""
    cib.levels = ""
    cib.level("two,fence-nova")
    assert "two (fence_scsi)" in cib.why_not()


# Which levels are the node's


@pytest.mark.parametrize("whose", ['target="COMPUTE-1"', f'target="{NODE}"'])
@pytest.mark.parametrize("node", [NODE, "COMPUTE-1", "Compute-1"])
def test_a_level_is_for_its_node_in_any_case(cib: Cib, whose: str, node: str) -> None:
    cib.device("ipmi", "fence_ipmilan")
    cib.level("ipmi,fence-nova", whose)
    assert cib.why_not(node) == ""
    assert "no fencing level" in cib.why_not("compute-2")


def test_a_pattern_is_compared_with_case(cib: Cib) -> None:
    """Fenced as COMPUTE-1 the host has no level: Pacemaker may have taken the flag alone."""
    cib.device("ipmi", "fence_ipmilan")
    cib.level("ipmi,fence-nova", 'target-pattern="^compute-[[:digit:]]+$"')
    assert cib.why_not() == ""
    assert "no fencing level" in cib.why_not("COMPUTE-1")


@pytest.mark.parametrize("pattern", ["compute-(", "*", "(?i)compute", "compute-[", "(?P&lt;a>x"])
def test_law_7_a_pattern_that_is_none_concerns_nobody(cib: Cib, pattern: str) -> None:
    """Pacemaker passes such a level over; so the node has none but what else there is for it."""
    cib.device("ipmi", "fence_ipmilan")
    cib.level("ipmi,fence-nova", f'target-pattern="{pattern}"')
    assert "no fencing level" in cib.why_not()
    cib.level("ipmi,fence-nova")
    assert cib.why_not() == ""


def test_law_7_a_pattern_without_end_answers(cib: Cib) -> None:
    cib.device("ipmi", "fence_ipmilan")
    cib.level("ipmi,fence-nova", 'target-pattern="^((c|o|m|p|u|t|e|-|[0-9])+)+$"')
    assert cib.why_not("compute-" + "1" * 40) == ""
    assert "no fencing level" in cib.why_not("compute-" + "1" * 40 + "!")


def test_law_1_a_pattern_that_cannot_be_told_may_match_and_may_not(cib: Cib) -> None:
    cib.device("ipmi", "fence_ipmilan")
    cib.device("scsi", "fence_scsi")
    cib.level("ipmi,fence-nova", r'target-pattern="(c)ompute\1"')
    assert "cannot be told" in cib.why_not()
    cib.level("ipmi,fence-nova", 'target-pattern="^compute"')
    assert cib.why_not() == ""
    cib.level("scsi,fence-nova", r'target-pattern="(c)ompute\1"')
    assert "scsi (fence_scsi)" in cib.why_not()


def test_a_level_of_its_own_counts_before_any_pattern(cib: Cib) -> None:
    cib.device("ipmi", "fence_ipmilan")
    cib.level("fence-nova", 'target-pattern="compute"')
    cib.level("ipmi,fence-nova")
    assert cib.why_not() == ""
    assert "no power device" in cib.why_not("compute-2")


def test_levels_by_an_attribute_are_for_the_nodes_that_have_it(cib: Cib) -> None:
    cib.device("ipmi", "fence_ipmilan")
    cib.nodes += (
        f'<node id="{NODE}" uname="{NODE}" type="remote">{pairs("n", {"rack": "1"})}</node>'
    )
    cib.level("ipmi,fence-nova", 'target-attribute="rack" target-value="1"')
    assert cib.why_not() == ""
    assert "no fencing level" in cib.why_not("compute-2")


def test_law_1_without_a_level_any_device_may_act_alone(cib: Cib) -> None:
    cib.resources = ""
    cib.device("ipmi", "fence_ipmilan")
    assert cib.why_not() == ""
    cib.device("scsi", "fence_scsi")
    assert "scsi (fence_scsi)" in cib.why_not()
    cib.device("fence-nova", "fence_compute")
    assert "no fencing level" in cib.why_not()
