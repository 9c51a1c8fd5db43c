"""A check, what it finds, and how findings come out of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Generic, TypeVar


class Verdict(StrEnum):
    """What a check says. The values are read by machines: they never change."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that a check found.

    subject: the node, resource or file that it is about, "" for the cluster or the cloud.
    remedy: what to do, one command a line where commands do it.
    """

    verdict: Verdict
    subject: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer. See Trouble."""

    check: str
    verdict: Verdict
    subject: str
    detail: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON: check, verdict, subject, detail, remedy."""
        return {name: str(value) for name, value in asdict(self).items()}


Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Check(Generic[Facts]):
    """A question about what was read.

    sound: what is said when `look` finds nothing, or what says it of what was read.
    """

    name: str
    sound: str | Callable[[Facts], str]
    look: Callable[[Facts], Iterable[Trouble]]


def examine(checks: Iterable[Check[Facts]], facts: Facts) -> Iterator[Finding]:
    """Each check's findings, in order; one that finds nothing is ok."""
    for check in checks:
        sound = True
        for t in check.look(facts):
            sound = False
            yield Finding(check.name, t.verdict, t.subject, t.detail, t.remedy)
        if sound:
            said = check.sound if isinstance(check.sound, str) else check.sound(facts)
            yield Finding(check.name, Verdict.OK, "", said)


def error(subject: str, detail: str, remedy: str = "") -> Trouble:
    """What keeps hosts from being recovered, or instances from being safe."""
    return Trouble(Verdict.ERROR, subject, detail, remedy)


def warning(subject: str, detail: str, remedy: str = "") -> Trouble:
    """What makes a recovery slower, or may be meant so."""
    return Trouble(Verdict.WARNING, subject, detail, remedy)


def not_checked(subject: str, why: str, remedy: str = "") -> Trouble:
    """What cannot be told here."""
    return Trouble(Verdict.NOT_CHECKED, subject, why, remedy)
