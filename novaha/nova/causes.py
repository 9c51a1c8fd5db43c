"""Nova's texts become kinds here, and nowhere else.

What decides about a second start of a guest (law 2) errs on the side of caution: a text of which
nothing is known to say that it comes from before the boot, and that speaks as those after the boot
do, counts as one of these.
"""

from __future__ import annotations

import re

from novaha.core.faults import Fault, Kind
from novaha.core.text import line

_BEFORE_BOOT = re.compile(
    r"[Cc]onnection to (glance|cinder|keystone|manila) (host|service)\b"
    r"|[Cc]onnection to neutron failed\b"
    r"|[Uu]nable to establish connection to https?://"
    r"|[Rr]equest to https?://\S+ timed out"
    r"|SSL exception connecting to https?://"
    r"|Failed to contact the endpoint at https?://"
    r"|Error finding address for https?://"
    r"|Error communicating with https?://"
)
"""Nova asks the image, network, volume, key and placement services before it boots a guest, and
none of them afterwards."""

_AFTER_BOOT = re.compile(
    r"[Cc]onflict|[Ee]xpected|[Tt]imed? ?[Oo]ut|Messag|Remote|DB[A-Z]|[Cc]onnection"
)
"""How evacuations fail whose guest may run by then: nova-compute boots it, and then saves the
instance; if that fails the guest stays (measured)."""

_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.GUEST_EXISTS, re.compile(r"already exists")),
    (Kind.NO_ROOM, re.compile(r"No valid host")),
    (Kind.SERVICE_AWAY, _BEFORE_BOOT),
    (
        Kind.KEY_REFUSED,
        re.compile(
            r"(?i)(secret|key ?manager|barbican|castellan)\b.*"
            r"(forbidden|not allowed|not authorized|\b40[13]\b)"
            r"|(forbidden|not allowed|not authorized|\b40[13]\b).*"
            r"\b(secret|key ?manager|barbican|castellan)"
        ),
    ),
    (Kind.GUEST_MAY_RUN, _AFTER_BOOT),
    (
        Kind.NO_IMAGE,
        re.compile(
            r"(?i)\bimage\b.*(could not be found|not found|is not active|is unacceptable|deleted)"
            r"|not authorized for image|No image|HTTP 404.*\bimage\b"
        ),
    ),
    (
        Kind.NO_RIGHTS,
        re.compile(r"(?i)policy does(n't| not) allow|\bHTTP 403\b.*polic|not authorized to"),
    ),
    # The plain word is what Nova makes of a key manager's refusal: its own exceptions that are
    # called so say more.
    (Kind.KEY_REFUSED, re.compile(r"(?i)^\W*forbidden\b(?!.*(image|port|network|volume|server))")),
    (Kind.NO_RIGHTS, re.compile(r"(?i)forbidden|\bHTTP 403\b|not authorized")),
    (
        Kind.BAD_VOLUME,
        re.compile(
            r"(?i)\bvolumes?\b|block device mapping|\biscsi|multipath|\brbd\b|DeviceNotFound"
            r"|cinder|os_brick|attachment"
        ),
    ),
)
"""In the order in which they are tried."""


def fault(text: str) -> Fault:
    """Why an evacuation failed, by what Nova says of it; "" when it says nothing."""
    shown = line(text)
    if not shown:
        return Fault(Kind.UNNAMED)
    kind = next((kind for kind, pattern in _KINDS if pattern.search(text)), Kind.OTHER)
    return Fault(kind, shown, re.sub(r"\d+", "#", shown))


def is_final(code: int, text: str) -> bool:
    """Whether a refusal means that Nova will never evacuate this instance, whatever is tried.

    409 and 403 say so, unless they are about the state of the moment or about our rights.
    """
    if code == 409:
        return "_state" not in text
    return code == 403 and "olicy doesn't allow" not in text
