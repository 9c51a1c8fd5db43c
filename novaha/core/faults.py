"""Kinds of failures in Nova. What is decided, and what people are told, depends on the kind.

Nova's own texts are turned into kinds in novaha.nova.causes, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Kind(StrEnum):
    """Why an evacuation failed."""

    UNNAMED = "unnamed"
    """Nova does not tell."""
    NO_ROOM = "no room"
    """The scheduler found no host."""
    KEY_REFUSED = "key refused"
    """The key manager did not hand out the key of an encrypted disk."""
    NO_RIGHTS = "no rights"
    """Another service refused what the destination asked for."""
    NO_IMAGE = "no image"
    """The image is gone, or may not be read."""
    BAD_VOLUME = "bad volume"
    """A volume cannot be attached at the destination."""
    SERVICE_AWAY = "service away"
    """A service that the destination needs before it builds anything did not answer."""
    GUEST_EXISTS = "guest exists"
    """The destination has a guest of the instance already."""
    GUEST_MAY_RUN = "guest may run"
    """The destination may have booted the guest before it failed."""
    OTHER = "other"
    """A failure at the destination that leaves no guest there."""

    @property
    def may_leave_a_guest(self) -> bool:
        """Whether the guest may run at the destination, unknown to Nova (law 2).

        A failure without a reason is one of these.
        """
        return self in (Kind.GUEST_MAY_RUN, Kind.UNNAMED)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an evacuation of an instance failed.

    text: Nova's own words, for people. likeness: equal for two that failed in the same way.
    """

    kind: Kind
    text: str = ""
    likeness: str = ""


UNNAMED = Fault(Kind.UNNAMED)
"""The fault of an evacuation that failed without a reason."""
