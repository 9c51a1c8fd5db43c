"""Whose probes on a dead host hold up nova-compute elsewhere: doctor's word against Pacemaker's."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from novaha.cli import configuration
from novaha.cli.doctor.cluster import Cluster
from novaha.cli.doctor.finding import Trouble
from novaha.cli.doctor.resources import compute_probes

ALIVE, DEAD = "compute-1", "compute-2"

CIB = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0"
     admin_epoch="0"><configuration>
<crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/>
</cluster_property_set></crm_config>
<nodes><node id="1" uname="c1"/>{nodes}</nodes>
<resources>
  <primitive id="compute-1" class="ocf" provider="pacemaker" type="remote"/>
  <primitive id="compute-2" class="ocf" provider="pacemaker" type="remote"/>
  <clone id="nc-clone"><meta_attributes id="ncm"><nvpair id="ncm1" name="interleave" value="true"/>
  </meta_attributes><primitive id="nc" class="ocf" provider="openstack" type="NovaCompute"/></clone>
  {resources}
</resources>
<constraints>{never}{constraints}</constraints>{tags}</configuration><status/></cib>
"""
NODES = "".join(
    f'<node id="{n}" uname="{n}" type="remote"><instance_attributes id="a-{n}">'
    f'<nvpair id="b-{n}" name="osprole" value="compute"/></instance_attributes></node>'
    for n in (ALIVE, DEAD)
)


def rule(rsc: str, score: str, operation: str, discovery: str = "never") -> str:
    key = f"{rsc}-{score}-{operation}"
    return (
        f'<rsc_location id="{key}" rsc="{rsc}" resource-discovery="{discovery}">'
        f'<rule id="{key}-r" score="{score}"><expression id="{key}-e" attribute="osprole" '
        f'operation="{operation}" value="compute"/></rule></rsc_location>'
    )


def primitive(name: str) -> str:
    return f'<primitive id="{name}" class="ocf" provider="pacemaker" type="Dummy"/>'


def clone(name: str, inside: str = "", role: str = "Started") -> str:
    return (
        f'<clone id="{name}-clone"><meta_attributes id="{name}-m">'
        f'<nvpair id="{name}-m1" name="interleave" value="true"/>'
        f'<nvpair id="{name}-m2" name="target-role" value="{role}"/></meta_attributes>'
        f"{inside or primitive(name)}</clone>"
    )


def order(first: str, then: str = "nc-clone", more: str = "") -> str:
    return f'<rsc_order id="o-{first}-{then}" first="{first}" then="{then}" {more}/>'


def sets(*each: tuple[str, list[str]]) -> str:
    text = "".join(
        f'<resource_set id="s{n}" {more}>{"".join(f"<resource_ref id={i!r}/>" for i in ids)}'
        "</resource_set>"
        for n, (more, ids) in enumerate(each)
    )
    return f'<rsc_order id="s">{text}</rsc_order>'


NEVER = rule("{0}", "-INFINITY", "ne") + rule("{0}", "0", "eq")
GROUP = f'<group id="g">{primitive("lv")}{primitive("ag")}</group>'
LV, AG = clone("lv"), clone("ag")
AFTER = order("lv-clone")
CHAIN = order("ag-clone", "lv-clone") + AFTER
ONLY_C1 = '<rsc_location id="x" rsc="vip" node="c1" score="9" resource-discovery="exclusive"/>'

FORMS: dict[str, tuple[str, str, set[str]]] = {
    "nothing else": ("", "", set()),
    "libvirtd": (LV, AFTER, {"lv-clone"}),
    "libvirtd, not looked for": (LV, NEVER.format("lv-clone") + AFTER, set()),
    "libvirtd, not ordered": (LV, "", set()),
    "libvirtd, after": (LV, order("nc-clone", "lv-clone"), set()),
    "optional": (LV, order("lv-clone", more='kind="Optional"'), {"lv-clone"}),
    "one at a time": (LV, order("lv-clone", more='kind="Serialize"'), {"lv-clone"}),
    "require-all": (LV, order("lv-clone", more='require-all="false"'), {"lv-clone"}),
    "stops": (LV, order("lv-clone", more='first-action="stop"'), set()),
    "disabled": (clone("lv", role="Stopped"), AFTER, set()),
    "through another": (LV + AG, NEVER.format("lv-clone") + CHAIN, {"ag-clone"}),
    "both": (LV + AG, CHAIN, {"ag-clone", "lv-clone"}),
    "a primitive of controllers": (primitive("vip"), order("vip"), {"vip"}),
    "banned there": (
        primitive("vip"),
        rule("vip", "-INFINITY", "eq", "always") + order("vip"),
        {"vip"},
    ),
    "banned and not looked for": (
        primitive("vip"),
        rule("vip", "-INFINITY", "eq") + order("vip"),
        set(),
    ),
    "exclusive elsewhere": (primitive("vip"), ONLY_C1 + order("vip"), set()),
    "a cloned group": (clone("g", GROUP), order("g-clone"), {"g-clone"}),
    "a group": (GROUP, order("g"), {"g"}),
    "of a group": (GROUP, order("ag"), {"g"}),
    "a set": (LV + AG, sets(("", ["ag-clone", "lv-clone", "nc-clone"])), {"ag-clone", "lv-clone"}),
    "two sets": (
        LV + AG,
        sets(('sequential="false"', ["ag-clone", "lv-clone"]), ("", ["nc-clone"])),
        {"ag-clone", "lv-clone"},
    ),
    "side by side": (LV, sets(('sequential="false"', ["lv-clone", "nc-clone"])), set()),
    "a later set": (LV, sets(("", ["nc-clone"]), ("", ["lv-clone"])), set()),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cib.xml"


def write(file: Path, resources: str, constraints: str) -> None:
    never = NEVER.format("nc-clone")
    values = {"nodes": NODES, "resources": resources, "constraints": constraints, "tags": ""}
    file.write_text(CIB.format(**values, never=never).replace("'", '"'))


def waits_for(file: Path) -> set[str]:
    """The resources whose probes on the dead host come before nova-compute starts elsewhere."""
    dot = file.with_name("graph.dot")
    argv = ["crm_simulate", "--simulate", "--xml-file", str(file), "--node-up", "c1"]
    argv += ["--quorum", "true", "--save-dotfile", str(dot)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    text = dot.read_text()
    before: dict[str, set[str]] = {}
    for first, then in re.findall(r'^"([^"]+)" -> "([^"]+)" *\[ *style *= *bold', text, re.M):
        before.setdefault(then, set()).add(first)
    queue = re.findall(rf'^"(nc(?::\d+)?_start_0 {ALIVE})" \[', text, re.M)
    assert len(queue) == 1
    seen: set[str] = set()
    while queue:
        new = before.get(queue.pop(), set()) - seen
        seen |= new
        queue += new
    probes = (re.fullmatch(rf"(\S+?)(?::\d+)?_monitor_0 {DEAD}", action) for action in seen)
    return {found[1] for found in probes if found}


def said(file: Path) -> list[Trouble]:
    root = etree.fromstring(file.read_bytes())
    kinds = {"c1": "member", ALIVE: "remote", DEAD: "remote"}
    return list(compute_probes(Cluster(root, configuration.read(root, kinds))))


@pytest.mark.parametrize("form", FORMS)
def test_doctor_names_whose_probes_hold_up_nova_compute_and_the_remedy_helps(
    file: Path, form: str
) -> None:
    resources, constraints, named = FORMS[form]
    write(file, resources, constraints)
    assert bool(waits_for(file)) is bool(named)
    troubles = said(file)
    assert {trouble.subject for trouble in troubles} == named
    for trouble in troubles:
        for line in trouble.remedy.splitlines():
            argv = ["pcs", "-f", str(file), *shlex.split(line)[1:]]
            subprocess.run(argv, check=True, capture_output=True, timeout=60)
    assert waits_for(file) == set()
    assert said(file) == []
