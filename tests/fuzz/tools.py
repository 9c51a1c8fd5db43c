"""Pacemaker's tools, printing what they like: nonsense, failures, nothing, for ever."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from unittest import mock

from lxml import etree

from novaha.core.errors import ClusterToolError
from novaha.pacemaker import runner
from novaha.pacemaker.runner import Result
from tests.fuzz.kinds import SECRET

CIB = f"""
<cib crm_feature_set="3.16.2"><configuration>
<crm_config><cluster_property_set id="p">
<nvpair id="p1" name="stonith-enabled" value="true"/>
<nvpair id="p2" name="dc-version" value="2.1.5-a3f44794f94"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="controller-1"/>
<node id="compute-1" uname="compute-1" type="remote"><instance_attributes id="n1">
<nvpair id="n11" name="osprole" value="compute"/></instance_attributes></node>
<node id="compute-2" uname="compute-2" type="remote"/></nodes>
<resources>
<primitive id="compute-1" class="ocf" provider="pacemaker" type="remote"/>
<primitive id="compute-2" class="ocf" provider="pacemaker" type="remote"/>
<primitive id="ipmi-1" class="stonith" type="fence_ipmilan"><instance_attributes id="i1">
<nvpair id="i11" name="pcmk_host_list" value="compute-1"/>
<nvpair id="i12" name="password" value="{SECRET.replace("&", "&amp;")}"/>
</instance_attributes></primitive>
<primitive id="fence-nova" class="stonith" type="fence_compute"/>
<primitive id="nova-evacuate" class="ocf" provider="openstack" type="NovaEvacuate"/>
<clone id="nova-compute-clone">
<primitive id="nova-compute" class="ocf" provider="openstack" type="NovaCompute"/></clone>
</resources><constraints/>
<fencing-topology><fencing-level id="l1" target="compute-1" index="1" devices="ipmi-1,fence-nova"/>
</fencing-topology></configuration><status/></cib>
"""
"""A cluster of one controller and two compute hosts, the password of a power device in it."""

MON = (
    '<pacemaker-result><summary><current_dc present="true" with_quorum="true"/></summary>'
    '<nodes><node name="controller-1" online="true"/><node name="compute-1" online="true"/></nodes>'
    '<resources/><status code="0" message="OK"/></pacemaker-result>'
)

Answer = tuple[int | None, bytes, bytes]
"""Exit code (None: it hangs), standard output, standard error."""


@dataclass
class Tools:
    """The tools on a CIB in memory; `broken` answers instead for tools of that name."""

    cib: str = CIB
    local: str = "controller-1"
    broken: Mapping[str, Answer] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def answer(self, argv: tuple[str, ...], stdin: bytes | None) -> Answer:
        self.ran.append(argv)
        name = argv[0].rpartition("/")[2]
        if name in self.broken:
            return self.broken[name]
        match argv:
            case ("cibadmin", "--query", "--xpath", path):
                root = etree.fromstring(self.cib.encode())
                found = root.xpath(path)
                inner = b"".join(etree.tostring(e, with_tail=False) for e in found)
                if not found:
                    return 105, b"", b"No such object"
                if len(found) == 1:
                    return 0, inner, b""
                return 0, b"<xpath-query>%s</xpath-query>" % inner, b""
            case ("crm_node", "--name"):
                return 0, f"{self.local}\n".encode(), b""
            case ("crm_mon", *_):
                return 0, MON.encode(), b""
            case ("stonith_admin", "--history", *_):
                return 0, b"<pacemaker-result><fence_history/></pacemaker-result>", b""
            case ("attrd_updater", *_):
                return 0, b"", b""
            case ("pcs", "--version"):
                return 0, b"0.11.5\n", b""
            case ("cibadmin", "--replace", "--xpath", path, *_):
                return self._replaced(path, stdin or b"")
            case ("cibadmin", "--modify", *_):
                return self._merged(stdin or b"")
            case ("cibadmin", *_):
                return 0, b"", b""
        return 127, b"", b"not found"

    def _replaced(self, path: str, stdin: bytes) -> Answer:
        root = etree.fromstring(self.cib.encode())
        found = root.xpath(path)
        if not found:
            return 105, b"", b"No such object"
        found[0].getparent().replace(found[0], etree.fromstring(stdin))
        self.cib = etree.tostring(root).decode()
        return 0, b"", b""

    def _merged(self, stdin: bytes) -> Answer:
        root, new = etree.fromstring(self.cib.encode()), etree.fromstring(stdin)
        for node in root.iterfind(".//nodes/node"):
            if node.get("uname") == new.get("uname"):
                node.extend(new)
        self.cib = etree.tostring(root).decode()
        return 0, b"", b""

    def ended(
        self, this: object, argv: tuple[str, ...], timeout: float, stdin: bytes | None
    ) -> Result:
        code, out, err = self.answer(tuple(argv), stdin)
        if code is None:
            raise ClusterToolError(argv, None, f"killed after {timeout:g} s")
        if code == 127:
            raise ClusterToolError(argv, 127, "cannot be run: No such file or directory")
        return Result(tuple(argv), code, out, runner._said(err))


@contextlib.contextmanager
def in_place(tools: Tools) -> Iterator[Tools]:
    """Every Runner runs these instead of processes; what it makes of them is the real thing."""

    def ended(this, argv, timeout, stdin):  # type: ignore[no-untyped-def]
        return tools.ended(this, argv, timeout, stdin)

    with mock.patch.object(runner.Runner, "_ended", ended):
        yield tools


NO_XML: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b"  \n\n",
    "a word": b"Active",
    "no connection": b"Could not connect to the CIB: Transport endpoint is not connected\n",
    "open": b"<cib>",
    "half": CIB.encode()[:400],
    "crossed": b"<a><b></a></b>",
    "two roots": b"<a/><b/>",
    "a sign": b"<",
    "an attribute twice": b'<a b="1" b="2"/>',
    "an attribute without quotes": b"<a b=c/>",
    "zeros": b"\0" * 100,
    "noise": bytes(range(256)) * 4,
    "broken encoding": b"<a b='\xff\xfe'/>",
    "half UTF-16": "<cib/>".encode("utf-16")[:7],
    "unknown encoding": b"<?xml version='1.0' encoding='nonsense'?><cib/>",
    "control characters": b"<a>\x01\x02</a>",
    "escape sequences": b"\x1b[2J\x1b[31mred",
    "JSON": b'{"cib": {}}',
    "a page": b"<html><body><p>one<br>two</body></html>",
    "a document type": b"<!DOCTYPE cib><cib/>",
    "a document type in UTF-16": "<!DOCTYPE cib><cib/>".encode("utf-16"),
    "an entity": b'<!DOCTYPE c [<!ENTITY e "x">]><cib>&e;</cib>',
    "a file": b'<!DOCTYPE c [<!ENTITY e SYSTEM "file:///etc/passwd">]><cib>&e;</cib>',
    "a laugh": b'<!DOCTYPE c [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><cib>&b;</cib>',
    "an unknown entity": b"<cib>&nobody;</cib>",
    "deep": b"<a>" * 5000 + b"</a>" * 5000,
    "a long text": b"<a b='" + b"x" * 11_000_000 + b"'/>",
    "the secret in no XML": f"<nvpair value='{SECRET}'".encode(),
    "a second prologue": b"<?xml version='1.0'?><?xml version='1.0'?><a/>",
    "a name that is none": b"<1cib/>",
    "a comment without end": b"<!-- <cib/>",
    "a binary": b"\x7fELF\x02\x01\x01" + b"\0" * 64,
    "a usage": b"Usage: cibadmin [options]\nOptions:\n --query\n",
    "a bell": b"\a" * 20,
}
"""What is no XML at all, or more than XML of Pacemaker's."""

WRONG_XML: dict[str, bytes] = {
    "another element": b"<html/>",
    "a namespace": b"<x:node xmlns:x='urn:x' uname='compute-1'/>",
    "a query of others": b"<xpath-query><status/></xpath-query>",
    "upper case": b"<NODE uname='compute-1'/>",
    "an error document": b"<error code='1'><message>no</message></error>",
    "a record of nobody": b"<attributes/>",
    "escapes in a name": b"<a\xc2\xb7\xe2\x80\xbf/>",
    "mixed": b"<xpath-query><node uname='compute-1'/><evil/></xpath-query>",
    "nested": b"<xpath-query><xpath-query><node/></xpath-query></xpath-query>",
}
"""XML that is no answer to the question."""

FAILURES: dict[str, tuple[Answer, str]] = {
    **{
        f"exit {code}": ((code, b"", b"it failed"), f"exited with {code}: it failed")
        for code in (1, 2, 3, 4, 5, 15, 64, 65, 68, 70, 76, 78, 100, 101, 102, 103, 104, 106)
    },
    **{
        f"exit {code}": ((code, b"<cib/>", b""), f"exited with {code}")
        for code in (107, 108, 109, 110, 113, 124, 126, 128, 130, 137, 139, 255, -6, -9, -11, -15)
    },
    "hangs": ((None, b"", b""), "did not finish in time: killed after"),
    "not there": ((127, b"", b""), "cannot be run: No such file"),
    "an error with escapes": ((1, b"", b"\x1b[2Jgone\x07\r\n"), r"exited with 1: \[2Jgone"),
    "an error in broken UTF-8": ((1, b"", b"caf\xe9"), "exited with 1: caf"),
    "an error of a megabyte": ((1, b"", b"x" * 1_000_000), "exited with 1: x+"),
    "an error of many lines": ((1, b"", b"line\n" * 10_000), "exited with 1: line"),
    "an error of zeros": ((1, b"", b"\0" * 1000), "exited with 1"),
    "a dump of the configuration": ((78, b"", CIB.encode()), "exited with 78"),
    "a dump in one line": (
        (78, b"", CIB.replace("\n", "").encode() + b"\ninvalid"),
        "exited with 78: invalid",
    ),
    "a parameter in an error": (
        (1, b"", f'bad password="{SECRET}"\nrefused'.encode()),
        "exited with 1: refused",
    ),
    "a URL in an error": (
        (1, b"", f"no http://admin:{SECRET}@keystone/\n".encode()),
        r"exited with 1: no http://\*\*\*@keystone/",
    ),
    "numbers in an error": ((1, b"", b"1\n2\n3\n"), "exited with 1"),
    "right to left": ((1, b"", "\u202egnp\u2066".encode()), "exited with 1: gnp"),
}
"""How a tool fails, and what has to be said then."""


def every_answer() -> Iterator[tuple[str, Answer, str]]:
    """Each kind of answer that is none, with what has to be said of it by who wants XML."""
    for name, out in NO_XML.items():
        yield f"prints {name}", (0, out, b""), "printed XML that cannot be read"
    for name, out in WRONG_XML.items():
        yield f"prints {name}", (0, out, b""), "printed <"
    for name, (answer, says) in FAILURES.items():
        yield f"fails: {name}", answer, says


Reader = Callable[[], object]
