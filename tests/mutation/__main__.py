"""`python -m tests.mutation [MODULE…]`: changes the code in small ways, and sees if a test fails.

MODULE: paths such as novaha/core/planner.py; all of novaha/core and novaha/evacuator by default.

Prints each mutant that no test kills, that the type checker does not refuse and that
`survivors.txt` does not justify; then the score of each module. The exit code is 1 when one is
printed, or when less than 95 % are killed. See README.md.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.mutation.mutants import ROOT, mutants
from tests.mutation.trial import Verdict, run
from tests.mutation.typed import refused

MARK = 0.95

CORE, EVACUATOR = "tests/unit/core", "tests/unit/evacuator"

DIRECT = {
    "novaha/evacuator/ledger/evacuations.py": [f"{EVACUATOR}/test_ledger.py"],
    "novaha/evacuator/inventory.py": [f"{EVACUATOR}/test_inventory.py"],
    "novaha/evacuator/destinations.py": [f"{EVACUATOR}/test_destinations.py"],
    "novaha/evacuator/isolation.py": [f"{EVACUATOR}/test_isolation.py"],
    "novaha/evacuator/names.py": [f"{EVACUATOR}/test_names.py"],
    "novaha/evacuator/following.py": [f"{EVACUATOR}/test_following.py"],
    "novaha/evacuator/doubts.py": [f"{EVACUATOR}/test_doubts.py"],
    "novaha/evacuator/throttle.py": [f"{EVACUATOR}/test_throttle.py"],
    "novaha/evacuator/prefetch.py": [
        f"{EVACUATOR}/test_prefetch.py",
        f"{EVACUATOR}/test_wakeup.py",
    ],
    "novaha/evacuator/wakeup.py": [f"{EVACUATOR}/test_wakeup.py"],
    "novaha/evacuator/act.py": [f"{EVACUATOR}/test_actor.py"],
    "novaha/evacuator/attention.py": [
        f"{EVACUATOR}/test_needs.py",
        f"{EVACUATOR}/test_attention.py",
    ],
    "novaha/evacuator/older_flags.py": [
        f"{EVACUATOR}/test_adoption.py",
        f"{EVACUATOR}/test_older_flags.py",
    ],
    "novaha/evacuator/confirmed_by_hand.py": [
        f"{EVACUATOR}/test_confirmed_by_hand.py",
        f"{EVACUATOR}/test_by_hand.py",
    ],
    "novaha/evacuator/loop.py": [f"{EVACUATOR}/test_turn.py"],
    "novaha/evacuator/missing.py": [f"{EVACUATOR}/test_missing.py"],
    "novaha/evacuator/returning.py": [f"{EVACUATOR}/test_returning.py"],
    "novaha/evacuator/site.py": [f"{EVACUATOR}/test_site.py"],
    "novaha/evacuator/held.py": [f"{EVACUATOR}/test_held.py"],
}
"""Modules with tests of their own: these judge them. All others, those of their package."""

LIST = Path(__file__).with_name("survivors.txt")


def main() -> int:
    arguments = _arguments()
    part, parts = (int(number) for number in arguments.part.split("/"))
    again = set(read(Path(arguments.again))) if arguments.again else None
    justified = read(LIST)
    verdicts: list[Verdict] = []

    def tell(verdict: Verdict) -> None:
        verdicts.append(verdict)
        if len(verdicts) % 50 == 0:
            survived = sum(not known.killed for known in verdicts)
            print(f"{len(verdicts)} tried, {survived} survived", file=sys.stderr, flush=True)

    modules = arguments.modules or [*_modules("core"), *_modules("evacuator")]
    judges = [(arguments.tests, modules)] if arguments.tests else _by_tests(modules)
    for tests, paths in judges:
        found = [m for path in paths for m in mutants(path)]
        found = [m for m in found if m.function.startswith(arguments.function)]
        found = [m for m in found if again is None or m.key in again]
        if arguments.quick:
            found = [m for m in found if m.function]
        found.sort(key=lambda m: not m.function)  # those that take longer come last
        if found := found[part::parts]:
            run(tests, found, tell)
    alive = [v.mutant for v in verdicts if not v.killed and v.mutant.key not in justified]
    typed = refused(alive) if alive else set()
    print()  # ends the line that pytest has left
    for mutant in alive:
        if mutant.key not in typed:
            print(f"{mutant.key}\n")
    return report(verdicts, typed, justified)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--part", default="0/1", help="I/N: only every N-th mutant, from the I-th")
    parser.add_argument("--quick", action="store_true", help="not of what runs on import")
    parser.add_argument("--function", default="", help="only mutants of this one")
    parser.add_argument("--tests", nargs="+", metavar="FILE", help="judged by these tests alone")
    parser.add_argument("--again", metavar="FILE", help="only those that an earlier run printed")
    return parser.parse_args()


def _modules(package: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "novaha" / package).glob("*.py"))


def _by_tests(paths: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Modules that the same tests judge, with these tests before them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        package = CORE if path.startswith("novaha/core/") else EVACUATOR
        found.setdefault(tuple(DIRECT.get(path, [package])), []).append(path)
    for tests, modules in found.items():
        yield list(tests), modules


def read(path: Path) -> dict[str, str]:
    """Blocks of three lines that name a mutant, and of more that tell why it may survive."""
    found = {}
    for block in path.read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        found["\n".join(lines[:3])] = " ".join(lines[3:])
    return found


def report(verdicts: list[Verdict], typed: set[str], justified: Mapping[str, str]) -> int:
    """Print the scores; the exit code."""
    columns = {name: Counter[str]() for name in ("mutants", "tests", "types", "justified", "alive")}
    for verdict in verdicts:
        columns["mutants"][verdict.mutant.path] += 1
        columns[_fate(verdict, typed, justified)][verdict.mutant.path] += 1
    modules = sorted(columns["mutants"])
    print(
        f"{'':34}{'mutants':>9}{'tests':>9}{'types':>9}{'justified':>11}{'alive':>7}{'killed':>9}"
    )
    for name in [*modules, "in all"]:
        counts = {c: n[name] if name in modules else n.total() for c, n in columns.items()}
        score = (counts["tests"] + counts["types"]) / max(1, counts["mutants"])
        print(
            f"{name:34}{counts['mutants']:9}{counts['tests']:9}{counts['types']:9}"
            f"{counts['justified']:11}{counts['alive']:7}{score:9.1%}"
        )
    killed = columns["tests"].total() + columns["types"].total()
    return int(columns["alive"].total() > 0 or killed < MARK * columns["mutants"].total())


def _fate(verdict: Verdict, typed: set[str], justified: Mapping[str, str]) -> str:
    if verdict.killed:
        return "tests"
    if verdict.mutant.key in typed:
        return "types"
    return "justified" if verdict.mutant.key in justified else "alive"


if __name__ == "__main__":
    sys.exit(main())
