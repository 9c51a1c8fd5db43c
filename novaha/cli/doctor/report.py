"""The findings as they are shown: problems first, and the same fault of many hosts as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from novaha import __version__
from novaha.cli import table
from novaha.cli.doctor.finding import Finding, Verdict
from novaha.cli.screen import wrapped
from novaha.core import text

VERSION = 1
"""Of the object that `--output object` prints."""

COLUMNS = ("Check", "Verdict", "Subject", "Finding", "Fix")

_LONGEST = 2000
_NARROWEST = 40
"""Columns beside the others that are worth a table: what is said is not broken into less."""

_FEW = 3
"""Subjects of a group that are named."""

_ORDER = (Verdict.ERROR, Verdict.WARNING, Verdict.NOT_CHECKED, Verdict.OK)
_PROBLEMS = frozenset({Verdict.ERROR, Verdict.WARNING})
_HERE = "\x00"
"""Stands for the subject where texts are compared: no text has it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Findings that differ in their subject only. finding: the first of them."""

    finding: Finding
    subjects: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The subjects, of many the first."""
        named = [text.line(subject) or "-" for subject in self.subjects]
        if len(named) == 1:
            return named[0]
        return f"{named[0]} and {len(named) - 1} more"


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; those of a verdict in the order in which they were found."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.verdict))


def problems(findings: Iterable[Finding]) -> list[Finding]:
    """Errors and warnings."""
    return [finding for finding in findings if finding.verdict in _PROBLEMS]


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """The findings, those that differ in their subject only as one, at the place of the first."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_alike(finding), []).append(finding)
    return [Group(of[0], tuple(f.subject for f in of)) for of in groups.values()]


def _alike(finding: Finding) -> tuple[str, ...]:
    """What findings of one group have in common."""
    if not finding.subject:
        return (finding.check, finding.verdict, "", finding.detail, finding.remedy)
    texts = (t.replace(finding.subject, _HERE) for t in (finding.detail, finding.remedy))
    return (finding.check, finding.verdict, _HERE, *texts)


def shown(
    findings: Sequence[Finding], width: int = 0, every: Sequence[Finding] | None = None
) -> str:
    """The findings as people read them, in this order.

    width: of the terminal, 0 for none. every: what is counted, if not just these.
    """
    sums = counted(findings if every is None else every)
    groups = grouped(findings)
    names = ("CHECK", "VERDICT", "SUBJECT", "FINDING -> FIX")
    rows = [[g.finding.check, str(g.finding.verdict), g.shown] for g in groups]
    used = sum(max(map(len, column)) + 2 for column in zip(names[:3], *rows, strict=True))
    room = width - used if width else 0
    if width and room < _NARROWEST:
        return "\n".join([*_stacked(groups, width), "", *wrapped(sums, width)])
    texts = ("\n".join(_text(group, room)) for group in groups)
    rows = [[*row, said] for row, said in zip(rows, texts, strict=True)]
    return f"{table.columns(names, rows)}\n\n{sums}"


def counted(findings: Iterable[Finding]) -> str:
    """How many findings there are of each verdict."""
    counts = Counter(finding.verdict for finding in findings)
    sums = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    return f"{counts.total()} findings{': ' if sums else ''}{sums}."


def _stacked(groups: Iterable[Group], width: int) -> Iterator[str]:
    """For a terminal that is too narrow for a table: what is found below what it is about."""
    for group in groups:
        subject = "" if group.shown == "-" else f" ({group.shown})"
        if group.finding.verdict is Verdict.OK:
            said = f"ok: {group.finding.check}{subject}: {group.finding.detail}"
            yield from wrapped(said, width, "", "  ")
            continue
        yield from wrapped(f"{group.finding.verdict}: {group.finding.check}{subject}", width)
        yield from (f"  {line}" for line in _text(group, width - 2))


def _text(group: Group, room: int) -> list[str]:
    """The detail, and under it the remedy: its lines are whole, for they are to be copied."""
    finding = group.finding
    detail = text.line(finding.detail, longest=_LONGEST)
    lines = wrapped(detail, room) if room else [detail]
    lines += [f"-> {line}" for line in finding.remedy.split("\n") if line]
    others = [text.line(subject) for subject in group.subjects[1:]]
    if others:
        more = f", and {len(others) - _FEW} more" if len(others) > _FEW else ""
        same = f"the same for {', '.join(others[:_FEW])}{more}"
        lines += wrapped(same, room) if room else [same]
    return lines


def as_object(findings: Iterable[Finding], node: str, now: datetime) -> dict[str, Any]:
    """All of it for programs. node: where it was found."""
    known = list(findings)
    counts = Counter(str(finding.verdict) for finding in known)
    return {
        "version": VERSION,
        "novaha": __version__,
        "time": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "node": node,
        "counts": {str(verdict): counts[str(verdict)] for verdict in Verdict},
        "findings": [finding.as_dict() for finding in known],
    }


def rows(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """For `-f`: one a finding, none grouped."""
    return [dict(zip(COLUMNS, finding.as_dict().values(), strict=True)) for finding in findings]
