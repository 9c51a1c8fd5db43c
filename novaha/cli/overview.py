"""The text of `novaha status`: the verdict, what has to be done, hosts, instances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from novaha.cli.screen import aligned, cells, fits, sheet, shortened, span, wrapped
from novaha.cli.verdict import LATE, Verdict, age, judge
from novaha.core import text
from novaha.core.steps import FINAL, Progress
from novaha.core.text import word

Snapshot = Mapping[str, Any]

FEW = 10
"""Instances of one kind that are named; the rest is counted."""

MANY_HOSTS = 100
"""Healthy hosts that have a line each."""

_BAR = 10
_LEAST_DETAIL = 24
"""Columns beside a host's other cells that are worth to be used for its detail."""

_ORDER = (
    Progress.REFUSED,
    Progress.WAITING,
    Progress.PREPARING,
    Progress.MOVING,
    Progress.RESTORING,
    Progress.RELEASED,
    Progress.EXCLUDED,
    Progress.SETTLED,
)
_RANK = {str(progress): rank for rank, progress in enumerate(_ORDER)}


def overview(
    answer: Snapshot, width: int = 80, now: datetime | None = None, few: int = FEW
) -> list[str]:
    """All hosts in recovery, in lines of `width` columns. few: instances that are named at most."""
    now = now or datetime.now(UTC)
    verdict = judge(answer, now)
    lines = [*_verdict(verdict, width), *_tasks(verdict, width), *_sources(answer, width)]
    if answer["hosts"]:
        lines += ["", *_hosts(answer["hosts"], width, now)]
    if "healthy" in answer:
        lines += ["", *_healthy(answer["healthy"], width)]
    for host in answer["hosts"]:
        left = [i for i in host.get("instances", ()) if i["progress"] != Progress.SETTLED]
        if left:
            lines += ["", *_instances(host, left, width, few)]
    return lines


def of_host(
    answer: Snapshot, host: Snapshot, width: int = 80, now: datetime | None = None
) -> list[str]:
    """All about one host in recovery: each instance is named."""
    now = now or datetime.now(UTC)
    verdict = judge({**answer, "hosts": [host]}, now)
    node = text.line(host["node"])
    mine = [t for t in verdict.tasks if node in t.text or not answer["hosts"]]
    lines = wrapped(f"{node}: {host['state']}. {host['detail']}", width)
    lines += _tasks(Verdict(verdict.level, "", tuple(mine)), width)
    facts = [
        ("Name in Nova", host.get("host") or "not known yet"),
        ("nova-compute", "held: it is not started there" if host["held"] else "may run there"),
        ("Flagged", f"{host.get('fenced', '-')} ({span(age(host, now))} ago)"),
        ("Fence id", host.get("fence_id", "-")),
        ("Worked on by", host.get("owner") or "nobody"),
    ]
    lines += ["", *_facts(facts, width), *_sources(answer, width)]
    if instances := list(host.get("instances", ())):
        lines += ["", *_instances(host, instances, width, len(instances))]
    return lines


def of_instance(host: Snapshot, instance: Snapshot, width: int = 80) -> list[str]:
    """All about one instance of a host in recovery."""
    facts = [
        ("Instance", instance["id"]),
        ("Name", instance["name"] or "-"),
        ("Of host", f"{host['node']} ({host['state']})"),
        ("Progress", instance["progress"]),
        ("Where", instance["where"] or "-"),
        ("Why", instance["detail"] or "-"),
        ("Code", instance.get("code") or "-"),
    ]
    return _facts(facts, width)


def of_other(other: Snapshot, width: int = 80) -> list[str]:
    """All about a compute host that is in no recovery."""
    told = {
        "healthy": "connected to the cluster, and in no recovery: nothing to do",
        "held": "its power-off is held: see what `novaha status` has to be done about it",
        "lost": "Pacemaker has lost it, and it is not fenced yet: `crm_mon -1rf` shows why",
        "stopped": "stopped or in maintenance on purpose: it is neither fenced nor recovered",
        "off": "it was fenced and is not back, and nothing of it is left to be recovered",
    }
    return wrapped(f"{other['node']}: {other['state']}: {told[other['state']]}.", width)


def _facts(facts: Iterable[tuple[str, object]], width: int) -> list[str]:
    return sheet([(f"{name}:", said) for name, said in facts], width)


def _verdict(verdict: Verdict, width: int) -> list[str]:
    return wrapped(f"{verdict.level}: {verdict.summary}.", width)


def _tasks(verdict: Verdict, width: int) -> Iterator[str]:
    """What the operator must do, and under it the commands, each in a line of its own."""
    if verdict.tasks:
        yield ""
        yield "To do:"
    for task in verdict.tasks:
        yield from wrapped(task.text, width, "* ")
        yield from (f"    {command}" for command in task.commands)


def _sources(answer: Snapshot, width: int) -> list[str]:
    return ["", *(line for said in _said(answer) for line in wrapped(said, width))]


def _said(answer: Snapshot) -> Iterator[str]:
    """Where what is shown comes from, and how far it can be trusted."""
    evacuator = answer.get("evacuator")
    if evacuator is not None:
        nova = _nova(evacuator["nova"])
        yield f"Evacuator: pid {evacuator['pid']} on {evacuator['node']}. Nova: {nova}."
        if evacuator["problem"]:
            yield f"Problem: {evacuator['problem']}"
        return
    told, where = answer.get("told"), answer.get("evacuator_on", "")
    if told:
        yield _told(told, where)
    elif where:
        yield (
            f"Evacuator: runs on {where}; read from the CIB and Nova. To see what it waits for "
            f"and what needs you, run 'novaha status' on {where}."
        )
    else:
        yield "Evacuator: does not run on this node; read from the CIB and Nova."
    if answer["problem"]:
        less = "Nova does not answer here, fewer" if told else "No"
        yield f"{less} instances shown: {answer['problem']}"
    if told and told["problem"]:
        yield f"Problem: {told['problem']}"


def _nova(nova: Snapshot) -> str:
    if nova["ok"] is None:
        return "not asked yet"
    return "answers" if nova["ok"] else f"does not answer: {nova['problem']}"


def _told(told: Snapshot, runs_on: str) -> str:
    """What is said of the one who told it. runs_on: where Pacemaker has the evacuator now."""
    where, at, nova = told["node"], told["at"], _nova(told["nova"])
    if where != runs_on:
        now = f"runs on {runs_on}" if runs_on else "Pacemaker shows it on no node"
        return (
            f"Evacuator: {now}. What is shown is what the one on {where} told at {at}, "
            f"{told['age']} s ago: it may be over."
        )
    if told["age"] > LATE:
        return (
            f"Evacuator: runs on {where}, but has told nothing for {told['age']} s. What is shown "
            f"was so at {at}, and may be over: run 'novaha status' on {where}."
        )
    line = f"Evacuator: runs on {where}, what it told at {at} is shown. Nova: {nova}."
    if told["left_out"]:
        line += f" There is more to see on {where}: run 'novaha status' there."
    return line


def _hosts(hosts: Sequence[Snapshot], width: int, now: datetime) -> list[str]:
    """A line a host, as rich as the width allows, and its detail beside or below that."""
    rows = [(*map(text.line, _row(host, now)),) for host in hosts]
    table = [("HOST", "STATE", "AGE", "PROGRESS", "", "OWNER"), *rows]
    for columns in ((0, 1, 2, 3, 4, 5), (0, 1, 2, 4, 5), (0, 1, 2, 4), (0, 1, 2)):
        named = [("PROGRESS" if 3 not in columns and i == 4 else c) for i, c in enumerate(table[0])]
        lines = aligned([[row[i] for i in columns] for row in (named, *rows)])
        if fits(lines, width):
            break
    else:
        lines = [shortened(line, width) for line in lines]
    room = max(map(cells, lines)) + 2
    shown = [lines[0]]
    for host, line in zip(hosts, lines[1:], strict=True):
        detail = text.line(host["detail"])
        if detail and room + cells(detail) <= width:
            shown.append(line.ljust(room + len(line) - cells(line)) + detail)
        else:
            shown += [line, *(wrapped(detail, width, "    ") if detail else [])]
    return shown


def _row(host: Snapshot, now: datetime) -> tuple[str, ...]:
    bar, done = _progress(host)
    owner = host.get("owner") or "-"
    return (host["node"], host["state"], span(age(host, now)), bar, done, owner)


def _progress(host: Snapshot) -> tuple[str, str]:
    total = host.get("total", 0)
    if not total:
        return "", "-"
    filled = _BAR * host["settled"] // total
    return f"[{'#' * filled}{'.' * (_BAR - filled)}]", f"{host['settled']} of {total}"


def _healthy(hosts: Sequence[Snapshot], width: int) -> list[str]:
    if not hosts:
        return ["Other compute hosts: none."]
    states = Counter(host["state"] for host in hosts)
    counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    rows = [(text.line(host["node"]), text.line(host["state"])) for host in hosts]
    lines = aligned([("HOST", "STATE"), *rows[:MANY_HOSTS]])
    more = len(rows) - MANY_HOSTS
    rest = [f"... and {more} more: novaha status --all -f value"] if more > 0 else []
    return [
        *wrapped(f"Other compute hosts: {counted}.", width),
        *(shortened(line, width) for line in lines),
        *rest,
    ]


def _counts(host: Snapshot) -> str:
    """How many instances there are of each progress, the worst first."""
    counts = host.get("counts", {})
    ranked = sorted(counts, key=lambda progress: _RANK.get(progress, 0))
    return ", ".join(f"{counts[p]} {p}" for p in ranked) or "none"


def _instances(
    host: Snapshot, instances: Sequence[Snapshot], width: int, few: int
) -> Iterator[str]:
    """The instances, those with the same reason under it."""
    node = text.line(host["node"])
    yield from wrapped(f"Instances of {node}: {_counts(host)}.", width)
    left_out = 0

    def kind(i: Snapshot) -> tuple[int, str, str]:
        return _RANK.get(i["progress"], 0), text.line(i["progress"]), text.line(i["detail"])

    for (_, progress, detail), group in groupby(sorted(instances, key=kind), kind):
        alike = list(group)
        count = f" ({len(alike)})" if len(alike) > 1 else ""
        yield from wrapped(f"{progress}{count}{': ' + detail if detail else ''}", width, "  ")
        ids = max(cells(text.line(i["id"])) for i in alike)
        for instance in alike[:few]:
            yield shortened(f"    {_one(instance, ids, progress)}", width)
        left_out += len(alike[few:])
    if left_out:
        yield from wrapped(f"... and {left_out} more: novaha status {word(node)}", width, "  ")


def _one(instance: Snapshot, ids: int, progress: str) -> str:
    """Id, name, and where it is or goes to."""
    where = text.line(instance["where"])
    at = ("on " if progress in FINAL else "to ") + where if where else ""
    name = text.line(instance["name"]) or "-"
    return "  ".join(filter(None, (text.line(instance["id"]).ljust(ids), at, name)))
