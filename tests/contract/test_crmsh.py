"""`novaha setup --print crmsh` on the real crm: it ends where pcs ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaha.cli import manpages
from tests.contract.test_setup import NOVAHA, applied, sandbox  # noqa: F401

pytestmark = pytest.mark.tools

DONE = "everything is set up: nothing to do\n"


@pytest.fixture
def by_crmsh(sandbox, tmp_path: Path):  # noqa: F811
    """Set up by the script that is printed for crm; what it printed."""

    def run(*options: str) -> str:
        script = sandbox(*NOVAHA, "setup", "--print", "crmsh", *options)
        return sandbox("sh", "-c", script)

    return run


def test_on_a_cluster_without_novaha(sandbox, by_crmsh, query) -> None:  # noqa: F811
    by_crmsh("--compute-option", "binary=/opt/nova-compute")
    levels = query("//fencing-topology")
    assert 'devices="nova-brake,ipmi-1,fence-nova"' in levels
    assert 'devices="nova-brake,ipmi-2,fence-nova"' in levels
    assert 'name="binary" value="/opt/nova-compute"' in query("//clone")
    assert 'name="interleave" value="true"' in query("//clone[@id='nova-compute-clone']")
    rules = query("//constraints")
    assert rules.count('resource-discovery="never"') == 3
    for attribute in ("#kind", "osprole", "novaha-hold"):
        assert f'attribute="{attribute}"' in rules
    assert "novaha_alert" in query("//alerts")
    for node in ("compute-1", "compute-2"):
        monitor = query(f"//primitive[@id='{node}']//op[@name='monitor']")
        assert monitor.count("<op ") == 1
        assert 'interval="1s"' in monitor
        assert 'timeout="2s"' in monitor
    # pcs and novaha read what crm wrote: nothing is missing.
    options = ("--compute-option", "binary=/opt/nova-compute")
    assert sandbox(*NOVAHA, "setup", *options) == DONE
    assert sandbox(*NOVAHA, "setup", "--print", "crmsh", *options) == DONE


def test_what_is_there_already_is_kept_or_changed(
    applied,  # noqa: F811
    sandbox,  # noqa: F811
    by_crmsh,
    query,
    cib: Path,
) -> None:
    pcs = ("pcs", "-f", str(cib), "stonith")
    device = ("ipmi-c", "fence_ipmilan", "ip=c", "pcmk_host_list=controller-1")
    sandbox(*pcs, "create", *device)
    sandbox(*pcs, "level", "add", "1", "controller-1", "ipmi-c")
    sandbox(*pcs, "level", "remove", "1", "target", "compute-1")
    sandbox(*pcs, "update", "fence-nova", "pcmk_host_list=compute-1")
    by_crmsh("--brake-option", "limit=20%,40", "--compute-option", "verbose=true")
    levels = query("//fencing-topology")
    assert levels.count("<fencing-level ") == 3
    assert levels.count('devices="nova-brake,ipmi-1,fence-nova"') == 1
    assert 'devices="ipmi-c"' in levels, "a controller's level stays"
    assert 'name="limit" value="20%,40"' in query("//primitive[@id='nova-brake']")
    assert 'value="compute-1 compute-2"' in query("//primitive[@id='fence-nova']")
    assert 'name="verbose" value="true"' in query("//primitive[@id='nova-compute']")
    assert sandbox(*NOVAHA, "setup") == DONE


def test_a_command_that_fails_changes_nothing(sandbox, cib: Path) -> None:  # noqa: F811
    before = cib.read_text()
    script = sandbox(*NOVAHA, "setup", "--print", "crmsh")
    broken = script.replace("ocf:openstack:NovaEvacuate", "ocf:openstack:Nonsense")
    assert broken != script
    sandbox("sh", "-c", broken, fails=True)
    assert cib.read_text() == before


@pytest.mark.parametrize("option", ["--apply", "--remove"])
def test_it_is_printed_only(sandbox, option: str) -> None:  # noqa: F811
    sandbox(*NOVAHA, "setup", "--print", "crmsh", option, fails=True)


@pytest.mark.parametrize("agent", ["nova-compute-wait", "libvirtd"])
def test_the_manual_pages_commands_are_taken(sandbox, query, agent: str) -> None:  # noqa: F811
    """Of what `novaha setup` does not set up; the others' are its own."""
    _, crm = manpages._commands(agent)
    lines = [line.removeprefix("crm configure ") for line in crm[:-1]]
    others = [
        "primitive nova-compute ocf:openstack:NovaCompute",
        "clone nova-compute-clone nova-compute",
    ]
    session = "\n".join([*others, *lines, "commit"])
    sandbox("sh", "-ec", f"crm configure <<'END'\n{session}\nEND\n{crm[-1]}")
    clone = query(f"//clone[@id='{agent}-clone']")
    assert f'type="{agent}"' in clone
    assert 'name="interleave" value="true"' in clone
    assert 'name="target-role" value="Started"' in clone
    rules = query(f"//rsc_location[@rsc='{agent}-clone']")
    assert rules.count('resource-discovery="never"') == 2
    assert ("novaha-hold" in rules) == (agent == "nova-compute-wait")
    assert bool(query("//rsc_order")) == (agent == "libvirtd")
