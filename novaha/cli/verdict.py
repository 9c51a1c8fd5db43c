"""The snapshot in one word, and what an operator has to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Any

from novaha.core import text
from novaha.core.recovery import RecoveryState, holds
from novaha.core.steps import Progress
from novaha.core.text import word
from novaha.evacuator.client import HUNG_AFTER, SILENT_AFTER

LATE = 600
"""Seconds after which the evacuator should have told again: twice the pause between two."""

UNCLAIMED = timedelta(minutes=5)
"""In which an evacuator that runs has claimed a fenced host."""

_PAUSED = "fencing and new recoveries are paused"
_WORD = r"(?:\$?'(?:[^'\\]|\\.)*'|[^\s`;,()'])+"
_COMMAND = re.compile(
    r"`((?:novaha|pcs|crm_\w+|stonith_admin|openstack) [^`]+)`"
    rf"|(novaha (?:release|retry|recover|evidence|proceed) {_WORD})"
    rf"|(pcs stonith (?:confirm|fence) {_WORD})"
)


@unique
class Level(StrEnum):
    """What a snapshot comes to. The values are read by machines: they never change."""

    OK = "OK"
    """Nothing goes on, and nothing has to be done."""
    RECOVERING = "RECOVERING"
    """Hosts are being recovered, and nothing has to be done."""
    ATTENTION = "ATTENTION"
    """An operator has to do something, whatever else goes on."""


@dataclass(frozen=True, slots=True)
class Task:
    """What an operator has to do. commands: each one line, to be copied; there may be none."""

    text: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a snapshot comes to. summary: one sentence without its full stop."""

    level: Level
    summary: str
    tasks: tuple[Task, ...] = ()

    def data(self) -> dict[str, Any]:
        """For JSON: verdict, summary, todo."""
        return {
            "verdict": str(self.level),
            "summary": self.summary,
            "todo": [{"text": t.text, "commands": list(t.commands)} for t in self.tasks],
        }


def judge(snapshot: Mapping[str, Any], now: datetime) -> Verdict:
    """The verdict about a snapshot (novaha/evacuator/status.py), as `novaha status` has it.

    now: with a time zone.
    """
    tasks = tuple(_tasks(snapshot, now))
    going_on = any(holds(host["state"]) for host in snapshot["hosts"])
    without = Level.RECOVERING if going_on else Level.OK
    said = _summary(snapshot["hosts"])
    if snapshot.get("missing"):
        said = "novaha is not set up"
    if tasks:
        need = "1 thing needs" if len(tasks) == 1 else f"{len(tasks)} things need"
        said = f"{need} you; {said}"
    return Verdict(Level.ATTENTION if tasks else without, said, tasks)


def commands(sentence: str) -> tuple[str, ...]:
    """The commands that a sentence names with all that has to be typed, in its order."""
    found = (next(filter(None, match.groups())) for match in _COMMAND.finditer(sentence))
    return tuple(dict.fromkeys(command for command in found if "…" not in command))


def age(host: Mapping[str, Any], now: datetime) -> timedelta | None:
    """How long ago a host of the snapshot was flagged; None where that makes no sense."""
    try:
        then = datetime.fromisoformat(str(host["fenced"]))
        return max(timedelta(0), now - then.astimezone(UTC))
    except (KeyError, ValueError, OverflowError):
        return None


def _summary(hosts: Any) -> str:
    states = Counter(host["state"] for host in hosts)
    going_on = sum(count for state, count in states.items() if holds(state))
    total = sum(host.get("total", 0) for host in hosts if holds(host["state"]))
    done = sum(host.get("settled", 0) for host in hosts if holds(host["state"]))
    parts = []
    if going_on:
        parts.append(f"{_hosts(going_on)} in recovery")
        if total:
            parts.append(f"{done} of {total} instances done")
    if back := states[str(RecoveryState.RECOVERED)]:
        verb = "is" if back == 1 else "are"
        parts.append(f"{_hosts(back)} {verb} recovered and not back in service yet")
    if broken := states["unreadable"]:
        parts.append(f"{_hosts(broken)} with a record that makes no sense")
    return ", ".join(parts) or "no host is flagged, nothing to recover"


def _hosts(count: int) -> str:
    return f"{count} host{'' if count == 1 else 's'}"


def _tasks(snapshot: Mapping[str, Any], now: datetime) -> Iterator[Task]:
    missing = snapshot.get("missing", ())
    if missing:
        yield Task(
            f"novaha does not protect this cluster: it has no {', no '.join(missing)}. When a "
            "host dies, nothing is recovered. To set novaha up:",
            ("novaha setup",),
        )
    else:
        yield from _of_evacuator(snapshot)
    sentences = list(_sentences(snapshot))
    for sentence in sentences:
        yield Task(sentence, commands(sentence))
    for host in snapshot["hosts"]:
        yield from _of_host(host, sentences, now)


def _sentences(snapshot: Mapping[str, Any]) -> Iterator[str]:
    evacuator = snapshot.get("evacuator") or snapshot.get("told") or {}
    said = (*snapshot.get("notices", ()), *evacuator.get("attention", ()))
    yield from dict.fromkeys(text.line(one, longest=2000) for one in said)


def _of_evacuator(snapshot: Mapping[str, Any]) -> Iterator[Task]:
    """The process that does the recoveries, and the Nova that it needs for them."""
    own, told = snapshot.get("evacuator"), snapshot.get("told")
    if own:
        if own["turn_age"] > HUNG_AFTER:
            yield Task(
                f"the evacuator on {own['node']} hangs: its loop has not turned for "
                f"{own['turn_age']:.0f} s; Pacemaker restarts it",
                ("crm_mon -1rf",),
            )
        elif own["problem"] and own["failing_for"] > SILENT_AFTER:
            yield _stuck(own["node"], own["problem"])
        if own["nova"]["silent_for"] > SILENT_AFTER:
            yield _silent(own["nova"]["problem"])
        return
    runs_on = snapshot.get("evacuator_on")
    if runs_on == "":
        yield Task(
            "Pacemaker shows the evacuator on no node: a host that dies is not recovered",
            ("crm_mon -1rf", "novaha doctor --only cluster"),
        )
    if told and told["node"] == runs_on:
        if told["age"] > LATE:
            yield Task(
                f"the evacuator on {runs_on} has told nothing for {told['age']} s, it may hang; "
                f"look there:",
                ("novaha status", "novaha doctor"),
            )
        if told["problem"]:
            yield _stuck(told["node"], told["problem"])
        if told["nova"]["ok"] is False:
            yield _silent(told["nova"]["problem"])


def _stuck(node: str, problem: str) -> Task:
    return Task(f"the evacuator on {node} gets nowhere: {problem}", ("novaha doctor",))


def _silent(problem: str) -> Task:
    return Task(
        f"Nova does not answer, recoveries wait for it: {problem}", ("novaha doctor --only cloud",)
    )


def _of_host(host: Mapping[str, Any], said: list[str], now: datetime) -> Iterator[Task]:
    node, state = str(host["node"]), host["state"]
    if state == "unreadable" and not any(host["detail"] in sentence for sentence in said):
        yield Task(
            f"{node} is held, its record makes no sense: {host['detail']}; to have it written "
            "anew and the host recovered:",
            (f"novaha retry {word(node)}",),
        )
    since = age(host, now)
    paused = any(sentence.startswith(_PAUSED) for sentence in said)
    if state == RecoveryState.PENDING and since and since > UNCLAIMED and not paused:
        yield Task(
            f"{node} was fenced {since.total_seconds() / 60:.0f} minutes ago, and its recovery "
            f"has not begun: {host['detail'] or 'no evacuator has claimed it'}",
            ("novaha doctor",),
        )
    if refused := host.get("counts", {}).get(str(Progress.REFUSED), 0):
        name = word(node)
        yield Task(
            f"{refused} instance{'' if refused == 1 else 's'} of {node} cannot be recovered: see "
            "why, remove the cause, and have them tried again",
            (f"novaha status {name}", f"novaha retry {name}"),
        )
