"""What the metadata of resource agents and of fence agents have in common."""

from __future__ import annotations

from collections.abc import Iterable


def document(head: Iterable[str], parameters: Iterable[str], actions: Iterable[str]) -> str:
    """A <resource-agent> document from its lines; head begins with the XML declaration."""
    lines = [
        *head,
        *("<parameters>", *parameters, "</parameters>"),
        *("<actions>", *actions, "</actions>"),
        "</resource-agent>",
    ]
    return "\n".join(lines) + "\n"
