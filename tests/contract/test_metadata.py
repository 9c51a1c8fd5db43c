"""What Pacemaker and pcs read about the agents."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from novaha import __version__
from novaha.agents import fence_compute, nova_compute, nova_evacuate
from novaha.contract import fence, ocf

GOLDEN = Path(__file__).parent / "golden"
PCS_SCHEMAS = Path("/usr/share/pcs/data")

# Every name that fence-agents' own fence_compute has or ever had in its metadata.
UPSTREAM_FENCE_NAMES = """
    action auth_url endpoint_type login passwd passwd_script password password_script plug port
    region_name tenant_name username insecure project-domain project_domain user-domain
    user_domain domain instance_filtering no_shared_storage record_only compute-domain
    compute_domain quiet verbose verbose_level debug debug_file version help plug_separator
    separator delay disable_timeout login_timeout power_timeout power_wait shell_timeout
    stonith_status_sleep retry_on
"""

UPSTREAM_FENCE_OPTIONS = """
    -o -k -e -l -p -S -n -t -P -u -d -q -v -D -V -h -C --action --auth-url --endpoint-type
    --username --password --password-script --plug --region-name --tenant-name --insecure
    --project-domain --user-domain --domain --instance-filtering --no-shared-storage
    --record-only --compute-domain --quiet --verbose --verbose-level --debug-file --version
    --help --plug-separator --separator --delay --disable-timeout --login-timeout
    --power-timeout --power-wait --shell-timeout --stonith-status-sleep --retry-on
"""

OCF_AGENTS = {
    "NovaCompute": (
        nova_compute.AGENT,
        "auth_url username password tenant_name domain user_domain project_domain endpoint_type "
        "region_name insecure no_shared_storage evacuation_delay",
    ),
    "NovaEvacuate": (
        nova_evacuate.AGENT,
        "auth_url username password tenant_name domain user_domain project_domain endpoint_type "
        "region_name insecure no_shared_storage evacuate_delay verbose",
    ),
}


def text_of(name: str) -> str:
    if name == "fence_compute":
        return fence.metadata(fence_compute.AGENT)
    return ocf.metadata(OCF_AGENTS[name][0])


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


@pytest.mark.parametrize("name", OCF_AGENTS)
def test_parameters_of_the_older_agents_are_still_known(name: str) -> None:
    agent, older = OCF_AGENTS[name]
    assert set(older.split()) <= {parameter.name for parameter in agent.parameters}


def test_fence_parameters_and_options_of_upstream_are_still_known() -> None:
    root = etree.fromstring(text_of("fence_compute").encode())
    names = {p.get("name") for p in root.iter("parameter")}
    options = {
        option.split("=")[0].strip()
        for getopt in root.iter("getopt")
        for option in str(getopt.get("mixed")).split(",")
    }
    assert set(UPSTREAM_FENCE_NAMES.split()) <= names
    assert set(UPSTREAM_FENCE_OPTIONS.split()) <= options


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
