"""What Pacemaker and pcs read about the agents."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from novaha import __version__
from novaha.agents import (
    fence_compute,
    fence_heuristics_compute,
    libvirtd,
    nova_compute,
    nova_compute_wait,
    nova_evacuate,
)
from novaha.conf.options import list_opts
from novaha.contract import fence, ocf

GOLDEN = Path(__file__).parent / "golden"
PCS_SCHEMAS = Path("/usr/share/pcs/data")
FENCE_SCHEMA = Path("/usr/share/cluster/relaxng/metadata.rng")
"""fence-agents' own (lib/metadata.rng), as its package installs it."""

OCF_AGENTS = {
    "NovaCompute": nova_compute.AGENT,
    "NovaEvacuate": nova_evacuate.AGENT,
    "nova-compute-wait": nova_compute_wait.AGENT,
    "libvirtd": libvirtd.AGENT,
}


FENCE_AGENTS = {a.name: a for a in (fence_compute.AGENT, fence_heuristics_compute.AGENT)}


def text_of(name: str) -> str:
    if name in FENCE_AGENTS:
        return fence.metadata(FENCE_AGENTS[name])
    return ocf.metadata(OCF_AGENTS[name])


@pytest.mark.parametrize("name", [*FENCE_AGENTS, *OCF_AGENTS])
def test_metadata_is_as_reviewed(name: str) -> None:
    """A change of an interface is made on purpose: it changes the golden file too."""
    golden = (GOLDEN / f"{name}.xml").read_text()
    assert text_of(name) == golden.replace('"VERSION"', f'"{__version__}"')


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        *((name, "ocf-1.0.rng") for name in FENCE_AGENTS),
        *((name, "ocf-1.1.rng") for name in OCF_AGENTS),
    ],
)
def test_metadata_is_valid_for_pcs(name: str, schema: str) -> None:
    validator = etree.RelaxNG(file=str(PCS_SCHEMAS / schema))
    validator.assertValid(etree.fromstring(text_of(name).encode()))


@pytest.mark.parametrize("name", FENCE_AGENTS)
def test_metadata_is_valid_for_fence_agents(name: str) -> None:
    validator = etree.RelaxNG(file=str(FENCE_SCHEMA))
    validator.assertValid(etree.fromstring(text_of(name).encode()))


@pytest.mark.parametrize("name", OCF_AGENTS)
def test_metadata_is_what_ocf_1_1_wants_beyond_pcs(name: str) -> None:
    """The official schema (OCF-spec, ra/1.1/ra-api.rng) is in no package; pcs' own is laxer."""
    root = etree.fromstring(text_of(name).encode())
    order = ["version", "longdesc", "shortdesc", "parameters", "actions"]
    assert [element.tag for element in root] == order
    assert root.findtext("version") == "1.1"
    for parameter in root.iter("parameter"):
        tags = [element.tag for element in parameter]
        assert tags in (["longdesc", "shortdesc", "content"], ["deprecated", *tags[1:]])
        assert set(parameter.attrib) <= {"name", "unique-group", "required", "reloadable"}
        content = parameter.find("content")
        assert content is not None
        assert content.get("type") in ("boolean", "string", "integer")
    for described in root.iter("longdesc", "shortdesc", "desc"):
        assert described.get("lang") == "en"
        assert described.text
    for action in root.iter("action"):
        assert set(action.attrib) <= {"name", "timeout", "interval", "depth"}
        assert action.get("timeout")
    declared = {action.get("name") for action in root.iter("action")}
    assert declared >= {"start", "stop", "monitor", "meta-data", "validate-all", "reload-agent"}


def test_what_may_be_changed_without_a_restart() -> None:
    """Where Pacemaker would restart nova-compute for a new password, it asks for reload-agent."""
    fixed = {
        name: {p.name for p in agent.parameters if not p.reloadable}
        for name, agent in OCF_AGENTS.items()
    }
    run = {"unit", "binary", "additional_parameters", "pidfile", "log", "config"}
    assert fixed == {
        "NovaCompute": run | {"user"},
        "NovaEvacuate": set(),
        "nova-compute-wait": set(),
        "libvirtd": run,
    }


@pytest.mark.parametrize("name", [*FENCE_AGENTS, *OCF_AGENTS])
def test_who_is_sent_to_novaha_conf_is_told_an_option_that_is_there(name: str) -> None:
    there = {f"[{section}] {option.dest}" for section, options in list_opts() for option in options}
    for element in etree.fromstring(text_of(name).encode()).iter("shortdesc", "longdesc", "desc"):
        if "novaha.conf" in (text := element.text or ""):
            assert {option for option in there if option in text}, text


@pytest.mark.parametrize("name", FENCE_AGENTS)
def test_fence_actions(name: str) -> None:
    """No reboot, so that Pacemaker turns it into off and on; nothing automatic or on the target."""
    actions = etree.fromstring(text_of(name).encode()).find("actions")
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
    for name in FENCE_AGENTS:
        done = execute(f"fence_agents/{name}", stdin="action=metadata\n")
        assert (done.returncode, done.stdout) == (0, text_of(name))
