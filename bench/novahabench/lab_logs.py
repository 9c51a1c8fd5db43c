"""What the lab's logs say of one failure: Pacemaker's, novaha's journal, Nova's access log."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from novahalab import layout

_STAMP = re.compile(r"^(\w{3} +\d+ \d\d:\d\d:\d\d\.\d+) ")
_REQUEST = re.compile(
    r"^(?P<day>\S+) (?P<time>\S+) .* (?P<client>[\d.]+) "
    r'"(?P<method>[A-Z]+) /v2\.1(?P<path>[^ ?"]*)[^"]*" status: (?P<status>\d+) '
    r".* time: (?P<seconds>[\d.]+)$"
)
_IDENTIFIER = re.compile(r"/(req-)?[0-9a-f]{8}-[0-9a-f-]{27}")

_NOVA = layout.LOGS / "cloud/nova-api.log"

CONTROLLERS = frozenset(layout.address(name, "api") for name in layout.CONTROLLERS)
"""From where novaha asks Nova."""


@dataclass(frozen=True, slots=True)
class Fencing:
    """One fencing by Pacemaker's own stamps, seconds of time.time(); 0 for what is not there yet.

    asked: the cluster asked for it. off: the power device had done its work. flagged: ours had,
    too. ended: the whole operation succeeded. passed: the brake had let the host go, where there
    is one.
    """

    asked: float = 0.0
    off: float = 0.0
    flagged: float = 0.0
    ended: float = 0.0
    passed: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request to Nova. at: when it was answered. kind: method and path without identifiers."""

    at: float
    client: str
    kind: str
    status: int
    seconds: float


def stamp(line: str, year: int) -> float | None:
    """When a line of Pacemaker's log was written, to the millisecond; None if it says not."""
    found = _STAMP.match(line)
    if found is None:
        return None
    return datetime.strptime(f"{year} {found[1]}", "%Y %b %d %H:%M:%S.%f").timestamp()


_OURS = {"fence-nova": "flagged", "nova-brake": "passed"}
"""Devices of ours; every other one is a power device."""


def fencing(lines: Iterable[str], node: str, since: float) -> Fencing:
    """The first fencing of `node` since then that succeeded, or is under way.

    lines: of the logs of all controllers, in any order.
    """
    year = datetime.fromtimestamp(since).year
    moments: dict[str, list[float]] = {}
    for line in lines:
        if f"targeting {node} " not in line:
            continue
        at = stamp(line, year)
        if at is not None and at >= since:
            for name in _kinds(line, node):
                moments.setdefault(name, []).append(at)
    first = {name: min(found) for name, found in moments.items()}
    return Fencing(**first)


def _kinds(line: str, node: str) -> Iterator[str]:
    if re.search(rf"Requesting peer fencing \((reboot|off)\) targeting {node} ", line):
        yield "asked"
    action = re.search(rf"Action 'off' targeting {node} using (\S+) on behalf .*: complete", line)
    if action is not None:
        yield _OURS.get(action[1], "off")
    if re.search(rf"Operation '(reboot|off)' targeting {node} by .*: OK", line):
        yield "ended"


def starts(lines: Iterable[str], resource: str, since: float) -> list[float]:
    """When the cluster began to start `resource`, since then."""
    year = datetime.fromtimestamp(since).year
    text = f"execution of start operation for {resource} on "
    begun = (stamp(line, year) for line in lines if text in line)
    return sorted(at for at in begun if at is not None and at >= since)


def requests(lines: Iterable[str], since: float) -> list[Request]:
    """The requests that Nova's API answered since then."""
    found = []
    for line in lines:
        match = _REQUEST.match(line)
        if match is None:
            continue
        at = datetime.fromisoformat(f"{match['day']} {match['time']}").timestamp()
        if at >= since:
            kind = f"{match['method']} {_IDENTIFIER.sub('/ID', match['path'])}"
            status, seconds = int(match["status"]), float(match["seconds"])
            found.append(Request(at, match["client"], kind, status, seconds))
    return found


def kinds(found: Iterable[Request], begin: float, end: float) -> dict[str, int]:
    """How many of novaha's requests were answered in between, by kind, most frequent first."""
    counted = Counter(r.kind for r in found if r.client in CONTROLLERS and begin <= r.at <= end)
    return dict(counted.most_common())


def journal(lines: Iterable[str], since: float) -> list[dict[str, Any]]:
    """novaha's journal since then in order of time; `at` is the time in seconds."""
    entries = []
    for line in lines:
        if line.startswith("{"):
            entry = json.loads(line)
            entry["at"] = datetime.fromisoformat(entry["time"]).timestamp()
            if entry["at"] >= since:
                entries.append(entry)
    return sorted(entries, key=lambda entry: float(entry["at"]))


class Logs:
    """What the lab's logs say from now on."""

    def __init__(self) -> None:
        self._sizes = {path: _size(path) for path in layout.LOGS.glob("*/*/*") if path.is_file()}
        self._sizes |= {_NOVA: _size(_NOVA)}

    def pacemaker(self) -> list[str]:
        """The lines of all controllers' Pacemaker."""
        return self._of_controllers("pacemaker/pacemaker.log")

    def journal(self) -> list[str]:
        """The lines of all controllers' journals."""
        return self._of_controllers("novaha/journal.jsonl")

    def nova(self) -> list[str]:
        """The lines of Nova's API."""
        return self._lines(_NOVA)

    def _of_controllers(self, name: str) -> list[str]:
        return [line for c in layout.CONTROLLERS for line in self._lines(layout.LOGS / c / name)]

    def _lines(self, path: Path) -> list[str]:
        try:
            with path.open("rb") as file:
                file.seek(self._sizes.get(path, 0))
                return file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
