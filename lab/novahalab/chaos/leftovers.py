"""What a run has left in files: journals, power switches, failures of our device, secrets."""

from __future__ import annotations

import json
import re
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from novahalab import layout
from novahalab.chaos.history import History

_DEVICE = re.compile(
    r"^(\w{3} +\d+ [\d:.]+) .*Action '(off|on|reboot)' targeting (\S+) using fence-nova"
    r" on behalf of .*: (.+)$"
)
_SUCCESS = ("complete", "Done")  # Pacemaker 2.1, Pacemaker 3
_TOKEN = re.compile(r"gAAAAA[A-Za-z0-9_=-]{60,}")
_PRODUCT_LOGS = ("*/novaha/*", "*/pacemaker/*.log")
_LARGEST = 200_000_000


def collect(history: History, secret: str, logs: Path = layout.LOGS) -> None:
    """Add to the history what only the files tell. May be called again: it starts over."""
    history.journal = sorted(journal(logs), key=lambda line: float(line["at"]))
    history.power = {path.parent.name: list(_power(path)) for path in logs.glob("*/power.log")}
    history.device_failures = [
        failure
        for path in sorted(logs.glob("controller-*/pacemaker/pacemaker.log"))
        for failure in device_failures(_lines(path), history.ended or time.time())
        if failure[0] >= history.began
    ]
    for found in secrets(secret, logs, layout.NODES):
        if found not in history.secrets:
            history.secrets.append(found)


def _lines(path: Path) -> Iterator[str]:
    with path.open(errors="replace") as file:
        yield from file


def journal(logs: Path) -> list[dict[str, Any]]:
    """What the evacuators of all controllers wrote down; ``at`` is seconds of time.time()."""
    lines = []
    for path in logs.glob("controller-*/novaha/journal.jsonl"):
        for text in _lines(path):
            try:
                line = json.loads(text)
            except ValueError:
                continue  # cut short by a power cut
            lines.append({**line, "at": datetime.fromisoformat(line["time"]).timestamp()})
    return lines


def _power(path: Path) -> Iterator[tuple[float, str]]:
    for line in _lines(path):
        moment, _, op = line.strip().partition(" power ")
        if op:
            yield datetime.fromisoformat(moment).timestamp(), "on" if op == "1" else "off"


def device_failures(lines: Iterator[str], now: float) -> Iterator[tuple[float, str]]:
    """The moments at which fence_compute's ``off`` did not succeed, by Pacemaker's log."""
    year = datetime.fromtimestamp(now).year
    for line in lines:
        match = _DEVICE.search(line)
        # "on" refuses by design while the host is held, and Pacemaker ignores that.
        if match and match[2] != "on" and not match[4].startswith(_SUCCESS):
            moment = datetime.strptime(f"{year} {match[1]}", "%Y %b %d %H:%M:%S.%f")
            yield moment.timestamp(), f"{match[2]} of {match[3]}: {match[4]}"


def secrets(secret: str, logs: Path, disks: Path) -> list[str]:
    """Where the password (or a token) is in the product's logs or in a file that all may read."""
    found = []
    for pattern in _PRODUCT_LOGS:
        for path in logs.glob(pattern):
            if path.is_file() and path.stat().st_size < _LARGEST:
                for line in _lines(path):
                    if secret in line or _TOKEN.search(line):
                        found.append(f"the log {path.relative_to(logs)}: {line[:60]}…")
                        break
    for path in disks.glob("*/disk/**/*"):
        try:
            mode = path.lstat().st_mode
            readable = stat.S_ISREG(mode) and mode & stat.S_IROTH
            if readable and path.stat().st_size < _LARGEST and secret.encode() in path.read_bytes():
                found.append(f"the world-readable file {path.relative_to(disks)}")
        except OSError:
            continue  # gone meanwhile
    return found
