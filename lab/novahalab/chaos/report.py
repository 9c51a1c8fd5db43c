"""The verdict of a run: a table for people, JSON for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from novahalab.chaos import laws
from novahalab.chaos.history import History
from novahalab.chaos.laws import Breach
from novahalab.progress import console

LAWS = {
    1: "never before the fence",
    2: "one evacuation at a time, no guest on two hosts",
    3: "a fenced host is never forgotten",
    4: "nothing starts too early",
    5: "settled means settled",
    6: "only what is ours",
    7: "fencing needs nobody",
    8: "no action blocks the cluster",
    9: "no secret shown",
    10: "no host is powered off because of others",
}
_SHOWN = 5
_EVIDENCE = 40


def verdict(history: History, breaches: list[Breach]) -> dict[str, Any]:
    """The run as plain data; ``held`` is the whole verdict."""
    lost = [m for m in history.missing if m.startswith("instance ")]
    deaths = laws.fencings_of_deaths(history)
    return {
        "held": not breaches and not history.missing,
        "laws": {
            str(number): {
                "law": name,
                "held": not any(b.law == number for b in breaches),
                "breaches": [asdict(b) for b in breaches if b.law == number],
            }
            for number, name in LAWS.items()
        },
        "instances": len(history.wishes),
        "instances_lost": lost,
        "did_not_come_back": [m for m in history.missing if m not in lost],
        "evacuations": len(history.evacuations),
        "fencings": [
            {"node": node, "died": died - history.began, "seconds": fenced and fenced - died}
            for node, died, fenced in deaths
        ],
        "happenings": [asdict(h) for h in history.happenings],
        "looks": history.looks,
        "notes": history.notes,
        "seconds": history.ended - history.began,
    }


def show(history: History, breaches: list[Breach]) -> None:
    """Print the verdict, and for each breach what is needed to understand it."""
    for breach in breaches[: _SHOWN * 3]:
        console.print(
            f"\n[bold red]law {breach.law} broken[/] at {breach.at - history.began:.1f} s: "
            + escape(breach.what)
        )
        for line in breach.evidence[-_EVIDENCE:]:
            console.print("    " + escape(line), soft_wrap=True)
    table = Table("law", "", "verdict", "", title="Verdict", title_justify="left")
    for number, name in LAWS.items():
        mine = [b for b in breaches if b.law == number]
        word = f"[bold red]broken, {len(mine)} times[/]" if mine else "[green]held[/]"
        table.add_row(str(number), name, word, escape(mine[0].what) if mine else "")
    lost = [m for m in history.missing if m.startswith("instance ")]
    late = [m for m in history.missing if m not in lost]
    for name, bad in (("no instance lost", lost), ("all came back", late)):
        word = f"[bold red]no: {len(bad)}[/]" if bad else "[green]yes[/]"
        table.add_row("", name, word, escape("; ".join(bad[:_SHOWN])))
    console.print(table)
    _show_numbers(history)


def _show_numbers(history: History) -> None:
    took = [f - d for _, d, f in laws.fencings_of_deaths(history) if f is not None]
    unfenced = sum(1 for _, _, f in laws.fencings_of_deaths(history) if f is None)
    slowest = f", the slowest {max(took):.0f} s after its death" if took else ""
    kinds = Counter(h.kind for h in history.happenings)
    console.print("faults: " + ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())))
    console.print(
        f"deaths of compute nodes: {len(took) + unfenced}, fenced {len(took)}{slowest}; "
        f"evacuations: {len(history.evacuations)}; instances: {len(history.wishes)}"
    )
    console.print("looks: " + ", ".join(f"{name} {n}" for name, n in history.looks.items()))
    for note in history.notes:
        console.print(f"[yellow]note[/]  {escape(note)}")
