"""What Pacemaker and pcs read about the agents."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from novaha import __version__
from novaha.agents import fence_compute, libvirtd, nova_compute, nova_compute_wait, nova_evacuate
from novaha.contract import fence, ocf

GOLDEN = Path(__file__).parent / "golden"
PCS_SCHEMAS = Path("/usr/share/pcs/data")

OCF_AGENTS = {
    "NovaCompute": nova_compute.AGENT,
    "NovaEvacuate": nova_evacuate.AGENT,
    "nova-compute-wait": nova_compute_wait.AGENT,
    "libvirtd": libvirtd.AGENT,
}


def text_of(name: str) -> str:
    if name == "fence_compute":
        return fence.metadata(fence_compute.AGENT)
    return ocf.metadata(OCF_AGENTS[name])


@pytest.mark.parametrize("name", ["fence_compute", *OCF_AGENTS])
def test_metadata_is_as_reviewed(name: str) -> None:
    """A change of an interface is made on purpose: it changes the golden file too."""
    golden = (GOLDEN / f"{name}.xml").read_text()
    assert text_of(name) == golden.replace('"VERSION"', f'"{__version__}"')


@pytest.mark.parametrize(
    ("name", "schema"),
    [("fence_compute", "ocf-1.0.rng"), *((name, "ocf-1.1.rng") for name in OCF_AGENTS)],
)
def test_metadata_is_valid_for_pcs(name: str, schema: str) -> None:
    validator = etree.RelaxNG(file=str(PCS_SCHEMAS / schema))
    validator.assertValid(etree.fromstring(text_of(name).encode()))


def test_fence_actions() -> None:
    """No reboot, so that Pacemaker turns it into off and on; nothing automatic or on the target."""
    actions = etree.fromstring(text_of("fence_compute").encode()).find("actions")
    assert actions is not None
    assert [a.get("name") for a in actions] == [
        *("on", "off", "status", "list", "list-status"),
        *("monitor", "metadata", "manpage", "validate-all"),
    ]
    assert all(set(a.attrib) == {"name"} for a in actions)


def test_meta_data_of_the_executables(execute) -> None:
    for name in OCF_AGENTS:
        done = execute(f"ocf/{name}", "meta-data")
        assert (done.returncode, done.stdout) == (0, text_of(name))
    done = execute("fence_agents/fence_compute", stdin="action=metadata\n")
    assert (done.returncode, done.stdout) == (0, text_of("fence_compute"))
