"""What Nova's row of an instance, and Glance's of an image, show besides the state: for a policy.

A field that is not there, or makes no sense, is None: not known. It makes no instance unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaha.core.policy.room import DISK, MEMORY, VCPU
from novaha.core.policy.traits import ImageTraits, Texts, Traits

_OF_GLANCE = frozenset(
    {
        *("id", "name", "status", "visibility", "protected", "owner", "size", "virtual_size"),
        *("checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at", "min_disk"),
        *("min_ram", "container_format", "disk_format", "tags", "self", "file", "schema"),
        *("direct_url", "locations", "stores", "os_hidden"),
    }
)
"""What Glance itself has of an image; all else of an image's document is a property (API v2)."""


def traits(row: Mapping[str, Any]) -> Traits:
    """By a row of /servers/detail, from 2.47 on: it has the flavor in it then."""
    flavor = row.get("flavor")
    flavor = flavor if isinstance(flavor, Mapping) else {}
    image = _image(row.get("image"))
    return Traits(
        project=_text(row.get("tenant_id")),
        flavor=_text(flavor.get("original_name")),
        # Nova leaves it out where its policy does not let the user see it.
        extra_specs=_texts(flavor.get("extra_specs")),
        image=image,
        tags=_list(row.get("tags")),
        metadata=_texts(row.get("metadata")),
        local_disk=_local_disk(image, flavor.get("ephemeral")),
        needs=_needs(image, flavor),
        pinned_zone=_text(row.get("pinned_availability_zone")) or "",
    )


def image_traits(document: Mapping[str, Any]) -> ImageTraits:
    """By Glance's document of one image."""
    properties = {
        name: value
        for name, value in document.items()
        if name not in _OF_GLANCE and isinstance(value, str)
    }
    return ImageTraits(properties, _list(document.get("tags")) or ())


def _image(value: object) -> str | None:
    if value == "":  # what Nova shows of an instance that boots from a volume
        return ""
    return _text(value.get("id")) if isinstance(value, Mapping) else None


def _local_disk(image: str | None, ephemeral: object) -> bool | None:
    """An image is the root disk; an ephemeral disk is local whatever the root disk is."""
    if image:
        return True
    if not isinstance(ephemeral, int):
        return None
    return True if ephemeral else (None if image is None else False)


def _needs(image: str | None, flavor: Mapping[str, Any]) -> Mapping[str, int] | None:
    """As Nova asks Placement for it: gigabytes of disk, swap rounded up, the root disk where it is
    no volume (nova.scheduler.utils, resources_from_flavor)."""
    sizes = [flavor.get(name) for name in ("vcpus", "ram", "disk", "ephemeral", "swap")]
    if image is None or not all(isinstance(size, int) for size in sizes):
        return None
    vcpus, ram, root, ephemeral, swap = (int(size or 0) for size in sizes)
    disk = (root if image else 0) + ephemeral + -(-swap // 1024)
    return {VCPU: vcpus, MEMORY: ram, **({DISK: disk} if disk else {})}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> Texts | None:
    if not isinstance(value, Mapping):
        return None
    return {str(name): text for name, text in value.items() if isinstance(text, str)}


def _list(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(text for text in value if isinstance(text, str))
