"""A recovery record as it stands in the CIB, copied, and put back later: a pushed configuration."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from novahalab import layout
from novahalab.errors import LabError
from novahalab.process import CommandError
from novahalab.sandbox import Sandbox

_STATE = "novaha-recovery"


def copy(node: str) -> str:
    """The node's entry with its record while that holds the host; "" when there is none."""
    path = f"//nodes/node[@uname='{node}'][instance_attributes/nvpair[@name='{_STATE}']]"
    try:
        shown = _on_a_controller(["cibadmin", "--query", "--xpath", path])
    except LabError:
        return ""
    return only_record(shown)


def only_record(shown: str) -> str:
    """A node's entry with nothing but its record, "" when that does not hold it any more."""
    try:
        node = ET.fromstring(shown)
    except ET.ParseError:
        return ""
    held = False
    for attributes in list(node):
        values = {str(pair.get("name")): pair.get("value") for pair in attributes}
        if _STATE not in values:
            node.remove(attributes)
        held |= values.get(_STATE) in ("pending", "running")
    return ET.tostring(node, encoding="unicode") if held else ""


def push(node: str, entry: str) -> None:
    """Write the entry into the CIB. Raises LabError when that cannot be."""
    argv = ["cibadmin", "--modify", "--allow-create", "--scope", "nodes", "--xml-text", entry]
    _on_a_controller(argv)


def _on_a_controller(argv: list[str]) -> str:
    problem: Exception = LabError("no controller runs")
    for name in layout.CONTROLLERS:
        controller = Sandbox(name)
        if not controller.running or controller.frozen:
            continue
        try:
            return str(controller.exec(argv, timeout=15).stdout)
        except (CommandError, LabError) as error:
            problem = error
    raise LabError(f"{argv[0]}: {str(problem)[:150]}")
