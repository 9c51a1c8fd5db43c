"""Each pcs command that a set-up is made of has its counterpart in crm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novaha.cli import crmsh, layout
from novaha.cli.configuration import Configuration
from novaha.cli.steps import Step, Wanted
from tests.unit.cli.test_layout import IPMI, cluster, device, level


def script(now: Configuration, *argvs: str) -> list[str]:
    return crmsh.pushed(now, [Step("", tuple(argv.split())) for argv in argvs])


def session(lines: list[str]) -> list[str]:
    """What is typed into `crm configure`."""
    began = next(i for i, line in enumerate(lines) if line.endswith("crm configure <<'END'"))
    return lines[began + 1 : lines.index("END")]


def test_a_whole_set_up() -> None:
    steps = layout.plan(cluster(), Wanted(brake=True, compute={"binary": "/opt/nova compute"}))
    lines = crmsh.pushed(cluster(), steps)
    assert lines[0] == "cibadmin --query > novaha-setup.xml"
    assert lines[-1] == "cibadmin --patch --xml-file novaha-setup.diff"
    typed = session(lines)
    assert typed[-1] == "commit"
    assert (
        "fencing_topology compute-1: nova-brake,ipmi-1,fence-nova "
        "compute-2: nova-brake,ipmi-2,fence-nova"
    ) in typed
    primitives = [line for line in typed if line.startswith("primitive ")]
    assert len(primitives) == 4
    assert all(" op monitor " in line for line in primitives)
    assert any("params 'binary=/opt/nova compute' op start" in line for line in primitives)
    assert "clone nova-compute-clone nova-compute meta interleave=true" in typed
    assert (
        "location novaha-nova-evacuate-kind-ne-cluster nova-evacuate resource-discovery=never "
        "rule -INFINITY: '#kind' ne cluster"
    ) in typed
    assert not [line for line in lines if "pcs" in line]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        ("property set concurrent-fencing=true", "property concurrent-fencing=true"),
        ("resource clone nova-compute", "clone nova-compute-clone nova-compute"),
        ("constraint delete ban-1", "delete ban-1"),
        ("alert create path=/a/b id=novaha-alert", "alert novaha-alert /a/b"),
        ("resource update compute-1 op monitor interval=1s timeout=2s", "monitor compute-1 1s:2s"),
    ],
)
def test_lines_of_a_session(argv: str, line: str) -> None:
    assert session(script(cluster(), argv)) == [line, "commit"]


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        ("node attribute c-1 osprole=compute", "crm node attribute c-1 set osprole compute"),
        ("resource update evac user=novaha", "crm resource param evac set user novaha"),
        ("stonith update fence-nova a=b=c", "crm resource param fence-nova set a b=c"),
        ("resource meta x-clone interleave=true", "crm resource meta x-clone set interleave true"),
    ],
)
def test_commands_on_the_copy(argv: str, command: str) -> None:
    lines = script(cluster(), argv)
    assert f"CIB_file=novaha-setup.xml {command}" in lines
    assert not [line for line in lines if "crm configure" in line]


def test_levels_are_written_anew_with_those_that_stay() -> None:
    power = IPMI + device("ipmi-3", pcmk_host_list="compute-1")
    levels = level(1, "ipmi-1") + level(2, "ipmi-3") + level(1, "ipmi-2", "controller-1")
    now = cluster(power, levels)
    lines = script(
        now,
        "stonith level remove 1 target compute-1 stonith ipmi-1",
        "stonith level add 1 compute-1 ipmi-1 fence-nova",
    )
    assert session(lines)[0] == (
        "fencing_topology compute-1: ipmi-1,fence-nova ipmi-3 controller-1: ipmi-2"
    )
    assert any("--delete --force --xpath //fencing-topology" in line for line in lines)
    untouched = script(now, "property set a=b")
    assert not [line for line in untouched if "topology" in line]


def test_a_target_without_a_level_has_no_line() -> None:
    now = cluster(IPMI, level(1, "ipmi-1"))
    lines = script(now, "stonith level remove 1 target compute-1 stonith ipmi-1")
    assert not [line for line in lines if line.startswith("fencing_topology")]


def test_what_has_no_counterpart_is_an_error() -> None:
    with pytest.raises(crmsh.NotInCrmshError, match="pcs resource move x"):
        script(cluster(), "resource move x")


def test_every_step_of_every_set_up_has_one() -> None:
    """Of clusters that lack something else each."""
    old = {"dc-version": "2.1.5", "symmetric-cluster": "false", "stonith-enabled": "true"}
    for now in (
        cluster(),
        replace(cluster(), properties=old),
        cluster(IPMI, level(1, "ipmi-1,fence-nova") + level(2, "ipmi-1")),
        cluster(IPMI + device("fence-nova", "fence_compute", pcmk_host_list="compute-1")),
        cluster(IPMI + '<primitive id="nc" class="ocf" provider="openstack" type="NovaCompute"/>'),
    ):
        wanted = Wanted(
            controllers=("controller-1",),
            brake=True,
            brake_options={"limit": "20%"},
            compute={"verbose": "true"},
            groups={"compute-1": {"novaha-rack": "r7"}},
        )
        lines = crmsh.pushed(now, layout.plan(now, wanted))
        assert session(lines)
