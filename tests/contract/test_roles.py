"""Where the evacuator runs in each form of site: setup's commands by pcs, and what comes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from lxml import etree

from novaha.cli import configuration, layout
from novaha.cli.doctor.cluster import Cluster
from novaha.cli.doctor.finding import Verdict
from novaha.cli.doctor.resources import evacuate_placement
from novaha.cli.steps import LayoutError, Wanted

Roles = dict[str, str]
"""Node to the value of its osprole, "" for none. Nodes called remote-… are remote nodes."""

_NVPAIR = '<nvpair id="{id}" name="{name}" value="{value}"/>'

EVACUATE = '<primitive id="nova-evacuate" class="ocf" provider="openstack" type="NovaEvacuate"/>'
EARLIER = (
    '<rsc_location id="earlier" rsc="nova-evacuate" resource-discovery="never">'
    '<rule id="earlier-r" score="-INFINITY"><expression id="earlier-e" attribute="osprole" '
    'operation="eq" value="compute"/></rule></rsc_location>'
)

CONFINED = (
    '<rsc_location id="kind" rsc="nova-evacuate" resource-discovery="never">'
    '<rule id="kind-r" score="-INFINITY"><expression id="kind-e" attribute="#kind" '
    'operation="ne" value="cluster"/></rule></rsc_location>'
)

FORMS: dict[str, tuple[Roles, Sequence[str], Sequence[str]]] = {
    "separate": ({"c1": "", "c2": "controller", "remote-1": "", "remote-2": "compute"}, [], []),
    "converged": ({"n1": "compute", "n2": "compute", "n3": "compute"}, [], []),
    "converged, by name": ({"n1": "", "n2": "", "n3": ""}, ["n1", "n2", "n3"], []),
    "converged, both roles": (
        {"n1": "controller", "n2": "", "n3": ""},
        ["n1", "n2", "n3"],
        ["n1", "n2"],
    ),
    "mixed": ({"n1": "compute", "n2": "controller", "remote-1": "compute"}, [], []),
    "one controller": ({"c1": "", "remote-1": "compute", "remote-2": "compute"}, [], []),
    "one converged": ({"n1": "compute", "remote-1": "compute"}, [], []),
    "other values": ({"c1": "storage", "c2": "Compute", "remote-1": "network"}, [], []),
}


def site(roles: Roles, resources: str = "", constraints: str = "", symmetric: str = "true") -> str:
    members = [node for node in roles if not node.startswith("remote-")]
    nodes, things = [], []
    for number, (node, role) in enumerate(roles.items(), start=1):
        kind = "" if node in members else ' type="remote"'
        pair = _NVPAIR.format(id=f"{node}-role", name="osprole", value=role) if role else ""
        nodes.append(
            f'<node id="{number if node in members else node}" uname="{node}"{kind}>'
            f'<instance_attributes id="{node}-a">{pair}</instance_attributes></node>'
        )
        host = _NVPAIR.format(id=f"p-{node}", name="pcmk_host_list", value=node)
        things.append(
            f'<primitive id="ipmi-{node}" class="stonith" type="fence_ipmilan">'
            f'<instance_attributes id="ipmi-{node}-a">{host}</instance_attributes></primitive>'
        )
        if node not in members:
            things.append(
                f'<primitive id="{node}" class="ocf" provider="pacemaker" type="remote"/>'
            )
    property_ = _NVPAIR.format(id="o-s", name="symmetric-cluster", value=symmetric)
    return (
        '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" '
        'admin_epoch="0"><configuration><crm_config><cluster_property_set id="o">'
        f"{property_}</cluster_property_set></crm_config><nodes>{''.join(nodes)}</nodes>"
        f"<resources>{''.join(things)}{resources}</resources>"
        f"<constraints>{constraints}</constraints></configuration><status/></cib>"
    )


def runs_on(file: Path, members: list[str], *, fails: str = "") -> str:
    """Where Pacemaker runs the evacuator, "" for nowhere. fails: a node that dies then."""
    after = file.with_name("after.xml")
    up = [word for node in members for word in ("--node-up", node)]
    simulate = ["crm_simulate", "--simulate", "--quorum", "true"]
    _run([*simulate, "--xml-file", str(file), *up, "--save-output", str(after)])
    if fails:
        again = ["--xml-file", str(after), "--node-fail", fails, "--save-output", str(after)]
        _run([*simulate, *again])
    shown = _run(["crm_mon", "--one-shot", "--output-as=xml"], {"CIB_file": str(after)})
    nodes = [
        str(node.get("name"))
        for found in etree.fromstring(shown.encode()).iterfind(".//resource[@id='nova-evacuate']")
        if found.get("active") == "true" and found.get("failed") != "true"
        for node in found.iterfind("node")
        if node.get("name") != fails
    ]
    return nodes[0] if nodes else ""


def _run(argv: list[str], env: dict[str, str] | None = None) -> str:
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(argv, env=path | (env or {}), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(file: Path) -> Cluster:
    root = etree.fromstring(file.read_bytes())
    remote = {str(e.get("id")) for e in root.iterfind(".//primitive[@type='remote']")}
    names = [str(e.get("uname")) for e in root.iterfind(".//nodes/node")]
    kinds = {name: "remote" if name in remote else "member" for name in names}
    return Cluster(root, configuration.read(root, kinds))


def set_up(file: Path, wanted: Wanted) -> None:
    """By the real pcs all that setup does about roles and about where the evacuator runs."""
    for step in layout.plan(read(file).now, wanted):
        if step.argv[0] in ("node", "constraint") and "nova-compute-clone" not in step.argv:
            _run(["pcs", "-f", str(file), *step.argv])


def verdicts(file: Path) -> list[Verdict]:
    """Of doctor, about where the evacuator may run."""
    return [trouble.verdict for trouble in evacuate_placement(read(file))]


@pytest.mark.parametrize("symmetric", ["true", "false"])
@pytest.mark.parametrize("form", FORMS)
def test_the_evacuator_runs_on_a_full_node_and_moves_to_another(
    cib: Path, form: str, symmetric: str
) -> None:
    roles, computes, controllers = FORMS[form]
    members = [node for node in roles if not node.startswith("remote-")]
    cib.write_text(site(roles, EVACUATE, symmetric=symmetric))
    set_up(cib, Wanted(computes=tuple(computes), controllers=tuple(controllers)))
    first = runs_on(cib, members)
    assert first in members
    # Without that node it runs on another full one, or nowhere: never on a remote node.
    assert runs_on(cib, members, fails=first) in ({*members} - {first} or {""})
    assert verdicts(cib) == []


def test_an_earlier_setup_of_a_converged_site_is_mended(cib: Path) -> None:
    """As of earlier versions, the evacuator could run nowhere, and nobody said so."""
    roles = {"n1": "compute", "n2": "compute", "n3": "compute"}
    cib.write_text(site(roles, EVACUATE, EARLIER))
    assert runs_on(cib, list(roles)) == ""
    assert verdicts(cib) == [Verdict.ERROR]
    set_up(cib, Wanted())
    first = runs_on(cib, list(roles))
    assert first in roles
    assert runs_on(cib, list(roles), fails=first) in set(roles) - {first}
    assert verdicts(cib) == []


@pytest.mark.parametrize(
    ("constraints", "runs"),
    [
        ("", True),
        ('<rsc_location id="b1" rsc="nova-evacuate" node="n1" score="-INFINITY"/>', True),
        (
            '<rsc_location id="b1" rsc="nova-evacuate" node="n1" score="-INFINITY"/>'
            '<rsc_location id="b2" rsc="nova-evacuate" node="n2" score="-INFINITY"/>',
            False,
        ),
        (
            '<rsc_location id="b1" rsc="nova-evacuate" node="n1" score="-10"/>'
            '<rsc_location id="b2" rsc="nova-evacuate" node="n2" score="-INFINITY"/>',
            False,
        ),
        (
            '<rsc_location id="b1" rsc-pattern="^nova-" node="n1" score="-INFINITY"/>'
            '<rsc_location id="b2" rsc="nova-evacuate" node="n2" score="-INFINITY"/>',
            False,
        ),
        (
            '<rsc_location id="b1" rsc="nova-evacuate" node="remote-1" score="100" '
            'resource-discovery="exclusive"/>',
            False,
        ),
        (
            '<rsc_location id="b1" rsc="nova-evacuate"><rule id="b1r" score="-INFINITY" '
            'boolean-op="or"><expression id="b1e" attribute="osprole" operation="not_defined"/>'
            '<expression id="b1f" attribute="#uname" operation="eq" value="n1"/></rule>'
            "</rsc_location>",
            False,
        ),
        (
            '<rsc_location id="b1" rsc="nova-evacuate"><rule id="b1r" score="-INFINITY">'
            '<expression id="b1e" attribute="osprole" operation="not_defined"/>'
            '<expression id="b1f" attribute="#uname" operation="eq" value="n1"/></rule>'
            "</rsc_location>",
            True,
        ),
    ],
)
def test_doctor_and_setup_say_what_pacemaker_does(cib: Path, constraints: str, runs: bool) -> None:
    """What would leave the evacuator nowhere is refused, with the constraint's name."""
    roles = {"n1": "", "n2": "", "remote-1": "compute"}
    cib.write_text(site(roles, EVACUATE, CONFINED + constraints))
    assert (runs_on(cib, ["n1", "n2"]) in ("n1", "n2")) is runs
    now = read(cib).now
    if runs:
        assert layout.plan(now, Wanted())
    else:
        assert Verdict.ERROR in verdicts(cib)
        with pytest.raises(LayoutError, match="by the location constraints b"):
            layout.plan(now, Wanted())
