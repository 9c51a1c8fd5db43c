"""What Nova answers becomes the model here, field by field, and nowhere else.

A row that lacks what is needed is not left out, and takes no other with it: it becomes an item
with its `problem`. A row that does not even tell what it is about makes its whole list unreadable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from novaha.core.errors import UnknownOutcomeError, UnreadableError
from novaha.core.groups import Aggregate, Place
from novaha.core.model import ComputeService, Instance, Migration
from novaha.core.text import line
from novaha.nova.causes import fault
from novaha.nova.traits import traits

CELL_SILENT = "its cell does not answer"
"""Nova shows only what its API database has of it (docs: "Handling Down Cells", 2.69)."""

COMPUTE = "nova-compute"

_IRONIC = "ironic"
"""What Nova's Ironic driver calls its hypervisors (nova/virt/ironic/driver.py, since Juno)."""

_HOST = "OS-EXT-SRV-ATTR:host"
_VM_STATE = "OS-EXT-STS:vm_state"
_TASK_STATE = "OS-EXT-STS:task_state"
_POWER_STATE = "OS-EXT-STS:power_state"

Row = Mapping[str, Any]


class _LackingError(Exception):
    """A field is not there, or is not what it must be."""


def rows(what: str, body: object, key: str) -> list[Row]:
    """The rows of a list. Raises UnknownOutcomeError when Nova's answer has no such list."""
    found = body.get(key) if isinstance(body, Mapping) else None
    if not isinstance(found, list):
        raise UnknownOutcomeError(what, f"Nova's answer has no list '{key}'")
    for row in found:
        if not isinstance(row, Mapping):
            raise UnknownOutcomeError(what, f"Nova's list '{key}' has an entry without fields")
    return found


def one(what: str, body: object, key: str) -> Row:
    """What a question about a single thing gives. Raises UnknownOutcomeError."""
    found = body.get(key) if isinstance(body, Mapping) else None
    if not isinstance(found, Mapping):
        raise UnknownOutcomeError(what, f"Nova's answer has no '{key}'")
    return found


def services(what: str, body: object) -> tuple[list[ComputeService], bool]:
    """The nova-computes by one entry a host, and whether a conductor is up."""
    found = rows(what, body, "services")
    conductor = any(r.get("binary") == "nova-conductor" and r.get("state") == "up" for r in found)
    by_host: dict[str, ComputeService] = {}
    for row in found:
        if row.get("binary") != COMPUTE:
            continue
        host = row.get("host")
        if not isinstance(host, str) or not host:
            continue  # of no host: nobody can be meant by it
        service = _service(row, host)
        known = by_host.get(host)
        by_host[host] = service if known is None else _both(known, service)
    return list(by_host.values()), conductor


def places(what: str, services: object, aggregates: object) -> dict[str, Place]:
    """Where each host is that has a nova-compute.

    Raises UnknownOutcomeError where an aggregate does not tell its name, hosts or metadata.
    """
    zones = {
        str(row["host"]): str(row.get("zone") or "")
        for row in rows(what, services, "services")
        if row.get("binary") == COMPUTE and row.get("host")
    }
    of_host: dict[str, list[Aggregate]] = {}
    for row in rows(what, aggregates, "aggregates"):
        name, hosts, metadata = row.get("name"), row.get("hosts"), row.get("metadata")
        if not (
            isinstance(name, str) and isinstance(hosts, list) and isinstance(metadata, Mapping)
        ):
            raise UnknownOutcomeError(what, "Nova's list has an aggregate that cannot be read")
        known = {str(key): str(value) for key, value in metadata.items()}
        for host in hosts:
            of_host.setdefault(str(host), []).append(Aggregate(name, known))
    return {host: Place(zone, tuple(of_host.get(host, ()))) for host, zone in zones.items()}


def bare_metal(found: Iterable[Row]) -> frozenset[str]:
    """The hosts whose nova-compute drives Ironic: all of its hypervisors are of that type.

    A row that cannot be read makes no host one of them.
    """
    types: dict[str, set[str]] = {}
    for row in found:
        service = row.get("service")
        host = service.get("host") if isinstance(service, Mapping) else None
        if isinstance(host, str) and host:
            types.setdefault(host, set()).add(str(row.get("hypervisor_type")).lower())
    return frozenset(host for host, seen in types.items() if seen == {_IRONIC})


def _both(first: ComputeService, second: ComputeService) -> ComputeService:
    """A host that is listed twice, as one that was deleted and registered again in another cell.

    It cannot be told which of them is the one that evacuations ask.
    """
    if first == second:
        return first
    return _unreadable_service(first.host, "Nova lists it twice, with different services")


def _service(row: Row, host: str) -> ComputeService:
    if row.get("status") == "UNKNOWN":
        return _unreadable_service(host, CELL_SILENT)
    try:
        reason = row.get("disabled_reason")
        return ComputeService(
            id=_text(row, "id") if not isinstance(row.get("id"), int) else str(row["id"]),
            host=host,
            up=_one_of(row, "state", "up", "down") == "up",
            forced_down=_flag(row, "forced_down"),
            enabled=_one_of(row, "status", "enabled", "disabled") == "enabled",
            disabled_reason=reason if isinstance(reason, str) else "",
            last_seen=moment(row.get("updated_at")),
        )
    except _LackingError as error:
        return _unreadable_service(host, f"Nova's row of its service cannot be read: {error}")


def _unreadable_service(host: str, problem: str) -> ComputeService:
    return ComputeService("", host, up=False, forced_down=False, enabled=False, problem=problem)


def instances(what: str, found: Iterable[Row], host: str = "") -> list[Instance]:
    """The instances, each once. host: that they were asked for by, "" if by none.

    Raises UnknownOutcomeError where one has no id.
    """
    by_id: dict[str, Instance] = {}
    for row in found:
        read = instance(what, row, host)
        by_id[read.id] = read
    return list(by_id.values())


def instance(what: str, row: Row, host: str = "") -> Instance:
    """One instance. Raises UnknownOutcomeError when it has no id."""
    number = row.get("id")
    if not isinstance(number, str) or not number:
        raise UnknownOutcomeError(what, "Nova's answer has an instance without an id")
    name = row.get("name")
    name = name if isinstance(name, str) else ""
    try:
        if row.get("status") == "UNKNOWN" and _VM_STATE not in row:
            raise _LackingError(CELL_SILENT)
        power = row.get(_POWER_STATE, 0)
        if power is not None and (not isinstance(power, int) or isinstance(power, bool)):
            raise _LackingError(f"{_POWER_STATE} is no number")
        return Instance(
            id=number,
            name=name,
            host=_optional(row, _HOST) or "",
            vm_state=_text(row, _VM_STATE),
            task_state=_optional(row, _TASK_STATE),
            power_state=power or 0,
            fault=_fault(row.get("fault")),
            traits=traits(row),
        )
    except _LackingError as error:
        problem = str(error) if str(error) == CELL_SILENT else f"Nova's row of it lacks: {error}"
        return Instance(id=number, name=name, host=host, vm_state="", problem=problem)


def _fault(found: object) -> Any:
    if not isinstance(found, Mapping):
        return None
    message = found.get("message")
    return fault(message) if isinstance(message, str) else fault("")


def migrations(what: str, found: Iterable[Row], source: str = "") -> list[Migration]:
    """The evacuations. source: the host that they were asked for by, "" for all hosts.

    Raises UnknownOutcomeError where one does not tell its number or instance, or, asked for of all
    hosts, its source: that may concern anybody.
    """
    return [_migration(what, row, source) for row in found]


def _migration(what: str, row: Row, source: str) -> Migration:
    number, about = row.get("id"), row.get("instance_uuid")
    if isinstance(number, str) and number.isascii() and number.isdigit():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise UnreadableError(what, "Nova's list has an evacuation without a number")
    if not isinstance(about, str) or not about:
        raise UnreadableError(what, f"evacuation {number} in Nova's list names no instance")
    begun = row.get("source_compute") or source
    if not isinstance(begun, str) or not begun:
        raise UnreadableError(
            what,
            f"evacuation {number} in Nova's list names no source: may the user see hosts "
            "(policy os_compute_api:os-migrations:index:host)?",
        )
    try:
        return Migration(
            id=number,
            instance=about,
            source=begun,
            destination=_optional(row, "dest_compute") or None,
            status=_text(row, "status"),
            created=moment(row.get("created_at")),
            updated=moment(row.get("updated_at")),
        )
    except _LackingError as error:
        problem = f"Nova's row of evacuation {number} lacks: {error}"
        return Migration(number, about, begun, None, "", problem=problem)


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise _LackingError(f"{key} is not there" if value is None else f"{key} is no text")
    return value


def _optional(row: Row, key: str) -> str | None:
    """A text that may be null, and must be there."""
    if key not in row:
        raise _LackingError(f"{key} is not there")
    return None if row[key] is None or row[key] == "" else _text(row, key)


def _one_of(row: Row, key: str, *allowed: str) -> str:
    value = _text(row, key)
    if value not in allowed:
        raise _LackingError(f"{key} is '{line(value, longest=40)}'")
    return value


def _flag(row: Row, key: str) -> bool:
    value = row.get(key)
    if not isinstance(value, bool):
        raise _LackingError(f"{key} is not there" if value is None else f"{key} is no boolean")
    return value


def moment(text: object) -> datetime | None:
    """A time of Nova's, None where there is none, or none that can be read."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
