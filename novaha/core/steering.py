"""What operators tell the brake: let a host go, or pause. Persisted: the forms never change.

Both stand in the cluster's configuration, so that they hold on every controller and survive it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from novaha.core.errors import NovahaError

PROCEED = "novaha-proceed"
"""Node attribute: the host may be powered off whatever the brake says."""

PAUSE = "novaha-pause"
"""Cluster property: nothing is powered off, and no recovery begins."""

HELD = "novaha-held"
"""Transient node attribute: the power-off of the host is held, since when and why."""

HOLD_RECOVERIES = "hold_recoveries"
"""Parameter of the brake's device: its limits hold recoveries, too."""

PERMIT_LASTS = timedelta(hours=1)

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_ENDLESS = "resumed"
_WORDS = 200
"""Characters that are kept of a reason."""


class SteeringError(NovahaError):
    """What stands in the configuration is no word of an operator's."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} in the cluster's configuration cannot be read")


@dataclass(frozen=True, slots=True)
class Permit:
    """An operator let a host go. by: who. why: the reason given, "" for none."""

    at: datetime
    by: str
    why: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether it is still valid; one from the future, by a clock that was wrong, is not."""
        return abs(now - self.at) <= PERMIT_LASTS

    def __str__(self) -> str:
        return f"{self.by} ({self.why})" if self.why else self.by


@dataclass(frozen=True, slots=True)
class Pause:
    """An operator paused fencing and recovery. until: None until somebody resumes."""

    at: datetime
    by: str
    why: str
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is still in force."""
        return self.until is None or now < self.until

    def __str__(self) -> str:
        end = "until resumed" if self.until is None else f"until {self.until:%Y-%m-%d %H:%M:%S} UTC"
        return f"{self.why}, by {self.by} {end}"


@dataclass(frozen=True, slots=True)
class Held:
    """The power-off of a host is held. code: see novaha.core.brake.Code."""

    since: datetime
    code: str


def in_force(said: Permit | Pause | None, now: datetime) -> str:
    """What an operator said, in words, if it holds at this moment; else ""."""
    return str(said) if said is not None and said.holds(now) else ""


def permit_text(permit: Permit) -> str:
    """The permit as the value of its attribute."""
    return f"{permit.at.astimezone(UTC):{_TIME}} {word(permit.by)} {_line(permit.why)}".strip()


def read_permit(text: str) -> Permit:
    """The permit in this value. Raises SteeringError."""
    at, by, why = _split(text, 3, PROCEED)
    return Permit(_time(at, PROCEED), by, why)


def pause_text(pause: Pause) -> str:
    """The pause as the value of its property."""
    until = _ENDLESS if pause.until is None else f"{pause.until.astimezone(UTC):{_TIME}}"
    begun = f"{pause.at.astimezone(UTC):{_TIME}}"
    return f"{begun} {until} {word(pause.by)} {_line(pause.why)}".strip()


def read_pause(text: str) -> Pause:
    """The pause in this value. Raises SteeringError."""
    at, until, by, why = _split(text, 4, PAUSE)
    end = None if until == _ENDLESS else _time(until, PAUSE)
    return Pause(_time(at, PAUSE), by, why, end)


def held_text(held: Held) -> str:
    """The hold as the value of its attribute."""
    return f"{held.since.astimezone(UTC):{_TIME}} {held.code}"


def read_held(text: str) -> Held:
    """The hold in this value. Raises SteeringError."""
    since, code = _split(text, 2, HELD)
    return Held(_time(since, HELD), code)


def word(text: str) -> str:
    """A name without blanks and control characters, as it stands in a value."""
    return re.sub(r"[^\w@.+-]", "_", text)[:_WORDS] or "unknown"


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_WORDS]


def _split(text: str, count: int, what: str) -> list[str]:
    parts = text.split(" ", count - 1)
    if len(parts) < min(count, 2):
        raise SteeringError(what)
    return [*parts, *([""] * (count - len(parts)))]


def _time(text: str, what: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise SteeringError(what) from None
