"""Recovery records in Pacemaker's CIB, written by compare-and-swap.

`cibadmin --replace` with an xpath that names the old values replaces the whole attribute set or
nothing (exit 105, "no such object"): Pacemaker's own atomic compare-and-swap, from cluster nodes
and from remote nodes alike. See docs/design.md, "The recovery record".
"""

from __future__ import annotations

import re
import string
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

from lxml import etree

from novaha.core.errors import NovahaError, RecordConflictError, RecordError, UnknownNodeError
from novaha.core.naming import node_named
from novaha.core.record import (
    FENCE_ID,
    NAMES,
    OWNER,
    STATE,
    Record,
    attribute_id,
    first_record,
    from_attributes,
    set_id,
    to_attributes,
)
from novaha.core.text import line
from novaha.pacemaker.runner import Runner

_SEEN = "novaha-seen-confirmation"

_REMOTES = "//primitive[@class='ocf'][@provider='pacemaker'][@type='remote']"
_GUESTS = "//primitive/meta_attributes/nvpair[@name='remote-node']"

_NODES = f"//nodes/node | {_REMOTES} | {_GUESTS}"
"""All nodes, in one question: fencing asks it. The answer has the nodes before the resources."""

_OF_RECORD = " or ".join(f"@name='{name}'" for name in NAMES)

RECORDS = f"//nodes/node[instance_attributes/nvpair[{_OF_RECORD}]]"
"""The nodes with whatever attribute of a record: the hold alone holds the host, too."""

_NO_SUCH_OBJECT = 105
_OK_OR_ABSENT = frozenset({0, _NO_SUCH_OBJECT})


class RecordStore:
    """Reads and swaps the recovery records of all nodes."""

    def __init__(self, run: Runner | None = None) -> None:
        self._run = run or Runner()

    def read_all(self) -> dict[str, Record | RecordError]:
        """Every record by node; one that makes no sense as the RecordError it is.

        Raises ClusterToolError when the CIB cannot be read.
        """
        return records_in(query(self._run, RECORDS))

    def read(self, node: str) -> Record | None:
        """The record of `node`, None when it has none.

        Raises RecordError when it makes no sense, ClusterToolError when the CIB cannot be read.
        """
        found = self._look(node)[0]
        if isinstance(found, RecordError):
            raise found
        return found

    def flag_fenced(
        self,
        node: str,
        *,
        fenced: datetime | None = None,
        unproven: bool = False,
        adopted: bool = False,
        deadline: float = 5.0,
    ) -> Record:
        """Write down that `node` was fenced, under a new fence id, and read it back.

        fenced: when, now if not given. unproven: no power device takes part in it.
        adopted: the older agents flagged it.
        deadline: seconds in which competing writers may force another try.

        Raises UnknownNodeError for a node that the cluster does not have, NovahaError when the
        record could not be written. When this returns, the record is durable (law 3).
        """
        end = time.monotonic() + deadline
        while True:
            fence_id = str(uuid4())
            now = (fenced or datetime.now(UTC)).replace(microsecond=0)
            old, entry = self._look(node)
            try:
                # Nonsense in the CIB never keeps a host from being flagged.
                if old is None or isinstance(old, RecordError):
                    new = first_record(node, fence_id, now, unproven=unproven)
                    new = new.salvage(_attributes(node, entry)) if entry is not None else new
                    self._write_anew(new.adopt() if adopted else new, entry)
                else:
                    new = old.fence_again(fence_id, now, unproven=unproven)
                    self.swap(old, new.adopt() if adopted else new)
            except RecordConflictError:
                if time.monotonic() > end:
                    raise
                continue
            written = self.read(node)
            if written is not None and written.fence_id == fence_id:
                return written
            if time.monotonic() > end:
                raise RecordConflictError(node)

    def swap(self, old: Record, new: Record) -> None:
        """Replace `old` by `new`, whole, if the CIB still holds `old`.

        Compared are fence id, state and owner.

        Raises RecordConflictError when the CIB holds something else by now.
        """
        if not self._replace(_swap_path(old), _attribute_set(new)):
            raise RecordConflictError(old.node)

    def drop(self, old: Record) -> None:
        """Remove the record if the CIB still holds `old`: the host is back in service.

        Raises RecordConflictError when the CIB holds something else by now.
        """
        self._run(["cibadmin", "--delete", "--xpath", _swap_path(old)], accept=_OK_OR_ABSENT)
        # Deleting nothing is a success to cibadmin, so look.
        if self.read(old.node) is not None:
            raise RecordConflictError(old.node)

    def seen_confirmation(self, node: str) -> str:
        """Which fencing confirmed by hand was last taken note of, "" for none."""
        path = f"//nodes/node[@uname={quoted(node)}]//nvpair[@name='{_SEEN}']"
        for pair in query(self._run, path):
            return str(pair.get("value"))
        return ""

    def note_confirmation(self, node: str, moment: str) -> None:
        """Remember that this fencing confirmed by hand was taken note of, for ever."""
        owner = f"novaha-seen-{set_id(node)}"
        attributes = etree.Element("instance_attributes", id=owner)
        etree.SubElement(attributes, "nvpair", id=f"{owner}-at", name=_SEEN, value=moment)
        self._write_node(node, self._look(node)[1], attributes)

    def _look(self, node: str) -> tuple[Record | RecordError | None, etree._Element | None]:
        """The record of `node`, and the node's entry, which a remote node may not have yet."""
        entries = list(query(self._run, f"//nodes/node[@uname={quoted(node)}]"))
        if any(entry.get("uname") != node for entry in entries):
            raise NovahaError(f"cibadmin printed another node, asked for {node}")
        return records_in(entries).get(node), entries[0] if entries else None

    def _write_anew(self, new: Record, entry: etree._Element | None) -> None:
        """Write a record where there is none, or none that can be read: nothing of that stays."""
        path = f"{_node_path(new.node)}/instance_attributes[@id={quoted(set_id(new.node))}]"
        if entry is None or not self._replace(path, _attribute_set(new)):
            self._write_node(new.node, entry, _attribute_set(new))
        for owner, pair in _strays(new.node, entry) if entry is not None else ():
            path = f"{_node_path(new.node)}/instance_attributes[@id={quoted(owner)}]"
            self._run(
                ["cibadmin", "--delete", "--xpath", f"{path}/nvpair[@id={quoted(pair)}]"],
                accept=_OK_OR_ABSENT,
            )

    def _replace(self, path: str, attributes: etree._Element) -> bool:
        """Replace what is at `path`; False when there is nothing."""
        result = self._run(
            ["cibadmin", "--replace", "--xpath", path, "--xml-pipe"],
            accept=_OK_OR_ABSENT,
            stdin=etree.tostring(attributes),
        )
        return result.returncode != _NO_SUCH_OBJECT

    def _write_node(
        self, name: str, entry: etree._Element | None, attributes: etree._Element
    ) -> None:
        node = self._node_element(name, entry)
        node.append(attributes)
        # Over standard input: an argument has an end, and every user of the machine sees it.
        self._run(
            ["cibadmin", "--modify", "--allow-create", "--scope", "nodes", "--xml-pipe"],
            stdin=etree.tostring(node),
        )

    def _node_element(self, node: str, entry: etree._Element | None) -> etree._Element:
        """The node's entry without its content, or a first one."""
        if entry is not None:
            return etree.Element("node", {str(k): str(v) for k, v in entry.attrib.items()})
        known = known_nodes(self._run)
        if node not in known:
            raise UnknownNodeError(node, known)
        return etree.Element("node", {"id": node, "uname": node, "type": "remote"})


def records_in(elements: Iterable[etree._Element]) -> dict[str, Record | RecordError]:
    """The records of these nodes of the CIB; one that makes no sense as the RecordError it is.

    Raises NovahaError for what is no node.
    """
    records: dict[str, Record | RecordError] = {}
    for element in elements:
        node = str(element.get("uname"))
        if element.tag != "node":
            raise NovahaError(f"cibadmin answered with <{element.tag}>, asked for nodes")
        attributes, strays = _attributes(node, element), _strays(node, element)
        if not attributes and not strays:
            continue
        try:
            if strays:
                raise RecordError(node, _stray_problem(node, strays))
            if len(element.findall(_pairs(node))) != len(attributes):
                raise RecordError(node, "an attribute stands there twice")
            records[node] = from_attributes(node, attributes)
        except RecordError as error:
            records[node] = error
    return records


def query(run: Runner, path: str) -> Iterator[etree._Element]:
    """The elements of the CIB at `path` that carry attributes, in document order.

    Raises ClusterToolError, and NovahaError for anything but such elements: who took nonsense for
    "nothing there" would take a host for free (law 4).
    """
    result = run(["cibadmin", "--query", "--xpath", path], accept=_OK_OR_ABSENT)
    if result.returncode == _NO_SUCH_OBJECT:
        return
    root = parse(result.stdout)
    wanted = _asked_for(path)
    for element in root if root.tag == "xpath-query" else (root,):
        if element.tag not in wanted:
            names = " or ".join(f"<{name}>" for name in sorted(wanted))
            raise NovahaError(line(f"cibadmin printed <{element.tag}>, asked for {names}"))
        yield element


def _asked_for(path: str) -> frozenset[str]:
    """The names of the elements that an XPath ends in."""
    path = re.sub(r"'[^']*'|\"[^\"]*\"", "", path)
    while path != (less := re.sub(r"\[[^\[\]]*\]", "", path)):
        path = less
    return frozenset(part.strip().rpartition("/")[2] for part in path.split("|"))


def parse(document: bytes) -> etree._Element:
    """Parse what a cluster tool printed: no document type, no entities, nothing from outside.

    Raises NovahaError when that is no XML, or more than XML of Pacemaker's.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,  # what nests without end, or is one text of 10 MB, is no answer
        remove_comments=True,
        remove_pis=True,
    )
    try:
        if b"<!DOCTYPE" in document:
            raise ValueError("it has a document type")
        root = etree.fromstring(document, parser)
        if root.getroottree().docinfo.internalDTD is not None:  # in another encoding
            raise ValueError("it has a document type")
    except (etree.LxmlError, ValueError, LookupError) as error:
        raise NovahaError(
            f"the cluster's tools printed XML that cannot be read: {line(error, longest=200)}"
        ) from None
    return root


def must_have(root: etree._Element, tool: str, part: str) -> None:
    """Raise NovahaError where a tool's answer lacks what every answer to the question has.

    Who took another document for "nothing there" would take a node for offline, say.
    """
    if root.find(part) is None:
        raise NovahaError(
            line(f"{tool} printed <{root.tag}> without {part}, which it was asked for")
        )


def known_nodes(run: Runner | None = None) -> dict[str, str]:
    """The nodes of this cluster: name to kind ("member", "remote" or "guest").

    Also those that never were online: remote nodes are resources, guest nodes a meta attribute.
    """
    return _kinds(query(run or Runner(), _NODES))


def compute_nodes(run: Runner | None = None) -> frozenset[str]:
    """The nodes that run instances: remote and guest nodes, and whatever has the role."""
    elements = list(query(run or Runner(), _NODES))
    role = "instance_attributes/nvpair[@name='osprole'][@value='compute']"
    by_role = {
        str(e.get("uname")) for e in elements if e.tag == "node" and e.find(role) is not None
    }
    remote = {name for name, kind in _kinds(elements).items() if kind != "member"}
    return frozenset(remote | by_role)


def _kinds(elements: Iterable[etree._Element]) -> dict[str, str]:
    """The kind of each node, by what stands at `_NODES`."""
    nodes: dict[str, str] = {}
    for element in elements:
        if element.tag == "node":
            kind = "remote" if element.get("type") == "remote" else "member"
            nodes[str(element.get("uname"))] = kind
        elif element.tag == "primitive":
            nodes[str(element.get("id"))] = "remote"
        else:
            nodes[str(element.get("value"))] = "guest"
    return nodes


def local_node(run: Runner | None = None) -> str:
    """Pacemaker's name of the node that this runs on, as the CIB spells it.

    Raises UnknownNodeError, and NovahaError when crm_node prints no name: a host under a wrong one
    would be free, whatever is recorded about it (law 4).
    """
    run = run or Runner()
    shown = run(["crm_node", "--name"]).stdout.decode("utf-8", "replace")
    if len(shown.split()) != 1 or not shown.strip().isprintable():
        said = line(repr(shown), longest=80)
        raise NovahaError(f"crm_node does not tell the name of this node, it printed {said}")
    return node_named(shown.strip(), known_nodes(run))


def _node_path(node: str) -> str:
    return f"//nodes/node[@uname={quoted(node)}]"


def _pairs(node: str) -> str:
    return f"instance_attributes[@id='{set_id(node)}']/nvpair"


def _attributes(node: str, entry: etree._Element) -> dict[str, str]:
    """What stands in the node's own set."""
    pairs = entry.findall(_pairs(node))
    return {str(pair.get("name")): str(pair.get("value")) for pair in pairs}


def _strays(node: str, entry: etree._Element) -> list[tuple[str, str]]:
    """A record's attributes outside of the node's own set, by set and id: they count as well."""
    return [
        (str(owner.get("id")), str(pair.get("id")))
        for owner in entry.findall("instance_attributes")
        if owner.get("id") != set_id(node)
        for pair in owner.findall("nvpair")
        if pair.get("name") in NAMES
    ]


def _stray_problem(node: str, strays: list[tuple[str, str]]) -> str:
    sets = ", ".join(sorted({owner for owner, _ in strays}))
    return f"attributes of it stand outside of the set {set_id(node)}, in {sets}"


def _swap_path(old: Record) -> str:
    def pair(name: str, value: str) -> str:
        return f"[nvpair[@name='{name}' and @value={quoted(value)}]]"

    owner = pair(OWNER, old.owner) if old.owner else f"[not(nvpair[@name='{OWNER}'])]"
    return (
        f"//nodes/node[@uname={quoted(old.node)}]"
        f"/instance_attributes[@id={quoted(set_id(old.node))}]"
        f"{pair(FENCE_ID, old.fence_id)}{pair(STATE, old.state)}{owner}"
    )


def _attribute_set(record: Record) -> etree._Element:
    element = etree.Element("instance_attributes", id=set_id(record.node))
    for name, value in to_attributes(record).items():
        etree.SubElement(
            element, "nvpair", id=attribute_id(record.node, name), name=name, value=value
        )
    return element


def quoted(value: str) -> str:
    """`value` as a string in an XPath.

    Raises NovahaError for one with a quote in it: Pacemaker's own questions fail on those.
    """
    if "'" in value or '"' in value:
        raise NovahaError(f"{value!r} has a quote in it: no name in a cluster does")
    return f"'{value}'"


def is_called(node: str) -> str:
    """The condition in an XPath that a uname is the node's, in any case as Pacemaker compares."""
    upper, lower = string.ascii_uppercase, string.ascii_lowercase
    return f"translate(@uname, '{upper}', '{lower}')={quoted(node.lower())}"
