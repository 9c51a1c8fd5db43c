"""The agents by the tools that operators and clusters use on them: the real ones."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from lxml import etree

from novaha.agents import fence_compute
from tests.contract import test_setup
from tests.contract.test_metadata import OCF_AGENTS

NOVAHA = test_setup.NOVAHA
sandbox = test_setup.sandbox

CONF = """\
[keystone]
auth_type = password
auth_url = http://127.0.0.1:9/v3
username = nova
password = secret-word
project_name = service
[evacuator]
poll_interval = 1
"""


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """A program in nova-compute's place, where its log goes, and a configuration file."""
    program, conf = tmp_path / "program", tmp_path / "novaha.conf"
    program.write_text("#!/bin/sh\nwhile :; do sleep 0.2; done\n")
    program.chmod(0o755)
    conf.write_text(CONF)
    conf.chmod(0o640)
    return {"program": program, "log": tmp_path / "log", "conf": conf}


PARAMETERS = {
    "NovaCompute": ("binary={program}", "log={log}"),
    "NovaEvacuate": ("config={conf}",),
    "nova-compute-wait": (),
    # libvirt's test driver answers by itself: what hangs is tested with a real daemon.
    "libvirtd": ("binary={program}", "log={log}", "uri=test:///default"),
}


def said(sandbox, commands: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What each command says, all in one sandbox; they may fail."""
    lines = [f"echo '## {name}'\n{shlex.join(argv)}" for name, argv in commands.items()]
    text = sandbox("sh", "-c", "\n".join(["exec 2>&1", *lines, "true"]))
    parts = [part.partition("\n") for part in text.split("## ")[1:]]
    return {name: rest for name, _, rest in parts}


def test_ocf_tester_finds_what_it_finds_of_pacemakers_own_agents(sandbox, places) -> None:
    """It knows the DTD of OCF 1.0 only; of OCF 1.1, which test_metadata checks, there is none."""
    tester = ("env", "OCF_ROOT=/usr/lib/ocf", "ocf-tester", "-n", "some")
    agents = "/usr/lib/ocf/resource.d"
    commands = {"Dummy": [*tester, f"{agents}/pacemaker/Dummy"]}
    for agent, parameters in PARAMETERS.items():
        options = [word for p in parameters for word in ("-o", p.format(**places))]
        commands[agent] = [*tester, *options, f"{agents}/openstack/{agent}"]
    found = {
        agent: [line for line in lines.splitlines() if line.startswith("* rc=")]
        for agent, lines in said(sandbox, commands).items()
    }
    only = ["* rc=4: Your agent produces meta-data which does not conform to ra-api-1.dtd"]
    assert found == dict.fromkeys(commands, only)


def test_pcs_and_crm_describe_every_parameter(sandbox) -> None:
    commands: dict[str, list[str]] = {}
    for agent in OCF_AGENTS:
        name = f"ocf:openstack:{agent}"
        commands[f"pcs {agent}"] = ["pcs", "resource", "describe", name, "--full"]
        commands[f"crm {agent}"] = ["crm", "ra", "info", name]
    shown = said(sandbox, commands)
    for agent, described in OCF_AGENTS.items():
        for text in (shown[f"pcs {agent}"], shown[f"crm {agent}"]):
            assert described.shortdesc in text
            for parameter in described.parameters:
                line = f"\n  {parameter.name}" in text or f"\n{parameter.name} (" in text
                assert line, f"{parameter.name} is not in:\n{text}"


def test_pcs_describes_the_fence_agent(sandbox) -> None:
    text = sandbox("pcs", "stonith", "describe", "fence_compute")
    assert fence_compute.AGENT.shortdesc in text
    assert "\n  plug" in text
    assert "password" not in text  # it means nothing, and pcs hides what is deprecated


def by_hand(sandbox, resource: str, *actions: str) -> dict[str, str]:
    """What crm_resource says of each action, one after the other."""
    commands = {
        action: ["crm_resource", "--resource", resource, *shlex.split(f"--{action}")]
        for action in actions
    }
    return said(sandbox, commands)


def configured(sandbox, places) -> None:
    compute = [p.format(**places) for p in PARAMETERS["NovaCompute"]]
    given = [f"--evacuate-option=config={places['conf']}"]
    given += [f"--compute-option={parameter}" for parameter in compute]
    sandbox(*NOVAHA, "setup", "--apply", *given)


def test_what_an_operator_sees_of_the_evacuator(sandbox, places, execute) -> None:
    configured(sandbox, places)
    execute("fence_agents/fence_compute", "-o", "off", "-n", "compute-1")
    shown = by_hand(
        sandbox,
        "nova-evacuate",
        *("validate", "validate=10", "force-check", "force-start"),
        *("force-check -V", "force-check --output-as=xml", "force-stop"),
    )
    assert "returned 0 (ok)\nparameters               valid" in shown["validate"]
    assert "at check level 10 also that Nova answers" in shown["validate"]
    assert "returned 1 (error: " in shown["validate=10"]
    assert "auth/tokens: Connection refused" in shown["validate=10"]
    assert "evacuator                stopped" in shown["force-check"]
    assert "compute-1                pending    fenced 2" in shown["force-check"]
    assert "returned 0 (ok)" in shown["force-start"]
    assert "nova                     not asked" in shown["force-check -V"]
    items = etree.fromstring(shown["force-check --output-as=xml"].encode())
    command = items.findtext(".//command")
    assert [item.get("name") for item in etree.fromstring(str(command))][:1] == ["nova"]
    assert "returned 0 (ok)" in shown["force-stop"]
    assert "secret-word" not in "".join(shown.values())


def test_what_an_operator_sees_of_nova_compute(sandbox, places, execute) -> None:
    configured(sandbox, places)
    execute("fence_agents/fence_compute", "-o", "off", "-n", "compute-1")
    shown = by_hand(sandbox, "nova-compute", "force-start", "force-check -V", "force-stop")
    reason = "recovery of compute-1 is pending, held: nova-compute stays down until it is finished"
    assert f"returned 1 (error: {reason})" in shown["force-start"]
    assert "nova-compute             stopped" in shown["force-check -V"]
    assert f"record                   pending    {reason}" in shown["force-check -V"]
    assert "DEBUG: cibadmin --query" in shown["force-check -V"]
    assert "returned 0 (ok)" in shown["force-stop"]


def test_pcs_validates_by_the_agent(sandbox, cib) -> None:
    """As operators do before they create it; the agent says what is wrong, once."""
    create = ["pcs", "-f", str(cib), "resource", "create", "--agent-validation", "some"]
    shown = said(
        sandbox,
        {
            "wrong": [*create, "ocf:openstack:NovaEvacuate", "insecure=perhaps"],
            "right": [*create, "ocf:openstack:NovaEvacuate", "insecure=1", "verbose=yes"],
        },
    )
    assert shown["wrong"].count("parameter insecure: is neither true nor false") == 1
    assert "rror" not in shown["right"]


VALIDATE_OCF = ("crm_resource", "--validate", "--output-as", "xml", "--class", "ocf")
VALIDATE_FENCE = ("stonith_admin", "--validate", "--output-as", "xml", "--agent", "fence_compute")


@pytest.mark.parametrize(
    ("agent", "wrong", "problem"),
    [
        ("NovaCompute", ("unit=a", "binary=b"), "and binary exclude each other: set one"),
        ("NovaEvacuate", ("insecure=perhaps",), "insecure: is neither true nor false"),
        ("nova-compute-wait", (), ""),  # nothing can be wrong with it
        ("libvirtd", ("unit=a", "binary=b"), "and binary exclude each other: set one"),
        ("fence_compute", ("insecure=perhaps",), "insecure: is neither true nor false"),
    ],
)
def test_what_pcs_0_12_reads_of_an_agents_validation(
    sandbox, agent: str, wrong: Sequence[str], problem: str
) -> None:
    """It asks unbidden, by these commands, and says that no XML were "invalid validation data"."""
    fence = agent == "fence_compute"
    ask = VALIDATE_FENCE if fence else (*VALIDATE_OCF, "--agent", agent, "--provider", "openstack")
    options = [word for option in wrong for word in ("--option", option)]
    right = etree.fromstring(sandbox(*ask).encode())
    output = "./validate/command/output" if fence else "./resource-agent-action/command/output"
    assert right.find("./status").get("code") == "0"
    assert right.findall(output) == []  # what a valid one says here is shown as a warning
    if wrong:
        found = etree.fromstring(sandbox(*ask, *options, fails=True).encode())
        (said_of_it,) = found.findall(output)
        assert said_of_it.get("source") == "stderr"
        assert problem in said_of_it.text
