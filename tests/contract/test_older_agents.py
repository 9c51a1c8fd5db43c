"""Every parameter of the older agents is accepted; what means nothing any more is said once.

The names are those of the older agents' own metadata. The resource agents': all versions in
openstack-resource-agents (ocf/NovaCompute, NovaEvacuate, nova-compute-wait) until its retirement
in 2019, what they read without declaring it, and what Red Hat's resource-agents package added
(user_domain, project_domain, evacuate_delay). The fence agents': all releases of fence-agents
from 4.0.19, the first, to 4.17.0 (tests/data/metadata/fence_compute.xml, fence_evacuate.xml).
"""

from __future__ import annotations

import pytest
from lxml import etree


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CREDENTIALS = names(
    "auth_url username password tenant_name domain user_domain project_domain endpoint_type "
    "region_name insecure"
)

# By agent: what still means something, and what does not.
RESOURCE_AGENTS = {
    "NovaCompute": (
        CREDENTIALS,
        names("no_shared_storage evacuation_delay verbose debug_file"),
    ),
    "NovaEvacuate": (
        CREDENTIALS | {"verbose"},
        names("no_shared_storage evacuate_delay debug_file"),
    ),
    "nova-compute-wait": (
        names(""),
        CREDENTIALS | names("no_shared_storage evacuation_delay"),
    ),
}

# The older shell agents took any text that is not true for false.
VALUES = {"insecure": "1", "verbose": "0", "no_shared_storage": "FALSE!"}

# What fence_compute still heeds: of both older fence agents, under all of its names.
FENCE_MEANT = names("""
    action plug port domain compute_domain compute-domain separator delay quiet verbose debug
    debug_file version help
""")

# What fence_evacuate had besides, and means nothing in fence_compute.
FENCE_EVACUATE = names("""
    auth_url username login password passwd password_script passwd_script tenant_name
    user_domain user-domain project_domain project-domain endpoint_type region_name insecure
    instance_filtering no_shared_storage verbose_level plug_separator disable_timeout
    login_timeout power_timeout power_wait shell_timeout stonith_status_sleep retry_on
""")

# What fence_compute had besides.
FENCE_COMPUTE = FENCE_EVACUATE | names("""
    record_only auth-url tenant-name endpoint-type region-name instance-filtering
    no-shared-storage record-only
""")

FENCE_OPTIONS = names("""
    -o -k -e -l -p -S -n -t -P -u -d -q -v -D -V -h -C --action --auth-url --endpoint-type
    --username --password --password-script --plug --region-name --tenant-name --insecure
    --project-domain --user-domain --domain --instance-filtering --no-shared-storage
    --record-only --compute-domain --quiet --verbose --verbose-level --debug-file --version
    --help --plug-separator --separator --delay --disable-timeout --login-timeout
    --power-timeout --power-wait --shell-timeout --stonith-status-sleep --retry-on
""")


def declared(metadata: str) -> dict[str, bool]:
    """Every parameter in the metadata, and whether it is deprecated."""
    return {
        str(p.get("name")): p.get("deprecated") == "1" or p.find("deprecated") is not None
        for p in etree.fromstring(metadata.encode()).iter("parameter")
    }


@pytest.mark.parametrize("name", RESOURCE_AGENTS)
def test_resource_agents_know_the_older_parameters(execute, name: str) -> None:
    meant, meaningless = RESOURCE_AGENTS[name]
    known = declared(execute(f"ocf/{name}", "meta-data").stdout)
    assert {p: known.get(p) for p in meant | meaningless} == {
        **dict.fromkeys(meant, False),
        **dict.fromkeys(meaningless, True),
    }


@pytest.mark.parametrize("name", RESOURCE_AGENTS)
def test_resource_agents_say_in_one_line_what_means_nothing(execute, name: str) -> None:
    meant, meaningless = RESOURCE_AGENTS[name]
    given = {f"OCF_RESKEY_{p}": VALUES.get(p, "7") for p in meant | meaningless}
    done = execute(f"ocf/{name}", "validate-all", env=given)
    assert done.returncode == 0, done.stderr
    line, end = done.stderr.split("\n", 1)
    assert end == ""
    said = line.removeprefix("INFO: ignored, means nothing any more: ")
    assert set(said.split(", ")) == meaningless


def test_fence_compute_knows_the_older_parameters_and_options(execute) -> None:
    metadata = execute("fence_agents/fence_compute", stdin="action=metadata\n").stdout
    known = declared(metadata)
    assert set(known) >= FENCE_MEANT
    assert {name: known.get(name) for name in FENCE_COMPUTE} == dict.fromkeys(FENCE_COMPUTE, True)
    options = {
        option.split("=")[0].strip()
        for getopt in etree.fromstring(metadata.encode()).iter("getopt")
        for option in str(getopt.get("mixed")).split(",")
    }
    assert options >= FENCE_OPTIONS


@pytest.mark.parametrize(
    "meaningless", [FENCE_COMPUTE, FENCE_EVACUATE], ids=["fence_compute", "fence_evacuate"]
)
def test_fencing_with_every_older_parameter(execute, meaningless: frozenset[str]) -> None:
    lines = [f"{name}=secret-word" for name in sorted(meaningless)]
    done = execute(
        "fence_agents/fence_compute", stdin="\n".join(["action=off", "port=compute-1", *lines])
    )
    assert done.returncode == 0, done.stderr
    line, end = done.stderr.split("\n", 1)
    assert end == ""
    today = {"login": "username", "passwd": "password", "passwd_script": "password_script"}
    said = line.rpartition(": ")[2]
    assert set(said.split(", ")) == {
        today.get(name, name.replace("-", "_")) for name in meaningless
    }
    assert "secret-word" not in done.stderr
