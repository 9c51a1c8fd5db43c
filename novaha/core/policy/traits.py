"""What Nova shows of an instance besides its state: a policy's rules go by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Traits:
    """None where Nova does not show it, or shows what makes no sense.

    image: the id of the image that it boots from, "" for one that boots from a volume.
    needs: what its flavor takes of VCPU, MEMORY_MB and DISK_GB, by these names.
    pinned_zone: the availability zone that it was asked for in, "" for none.
    local_disk: whether it has a disk that is no volume: the root disk or an ephemeral one. Swap is
        not counted, nothing on it outlives the guest.
    """

    project: str | None = None
    flavor: str | None = None
    extra_specs: Texts | None = None
    image: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: Texts | None = None
    local_disk: bool | None = None
    needs: Mapping[str, int] | None = None
    pinned_zone: str = ""


@dataclass(frozen=True, slots=True)
class ImageTraits:
    """What Glance shows of an image: the properties that somebody has set, and its tags."""

    properties: Texts
    tags: tuple[str, ...] = ()
