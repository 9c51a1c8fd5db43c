"""Tries mutants: the tests are collected once, and each mutant is tried in a fork of that process.

A mutant of a function is put in the place of its code object. One of what runs on import needs the
package to be imported anew: it is tried in a process of its own, see `plugin`.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from tests.mutation.mutants import ROOT, Mutant

SLOW = 1.5
"""Seconds of processor time: a test that needs more is not run for each mutant."""

MEMORY = 4 << 30
"""Bytes that a mutant may take."""


@dataclass(frozen=True)
class Test:
    """One test as it ran on the code as it is. lines: by file, those that it executed."""

    id: str
    cost: float
    lines: Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class Verdict:
    """killer: the test that failed or did not end. tests: how many there were to try."""

    mutant: Mutant
    killed: bool
    killer: str = ""
    tests: int = 0


def run(paths: Sequence[str], mutants: Iterable[Mutant], tell: Callable[[Verdict], None]) -> None:
    """Try mutants with the tests in `paths`; `tell` gets each verdict.

    Raises RuntimeError when a test fails on the code as it is.
    """
    with tempfile.TemporaryDirectory(prefix="novaha-mutation-") as scratch:
        trial = _Trial(list(mutants), tell, Path(scratch))
        code = pytest.main([*_OPTIONS, f"--basetemp={scratch}/pytest", *paths], plugins=[trial])
    if code or trial.failed:
        raise RuntimeError(trial.failed or f"pytest ended with {code!r}")


_OPTIONS = [
    "-q",
    "-s",
    "-x",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:timeout",
    "-p",
    "no:xdist",
    "-W",
    "ignore",
]


class _Trial:
    def __init__(
        self, mutants: list[Mutant], tell: Callable[[Verdict], None], scratch: Path
    ) -> None:
        self._mutants = mutants
        self._tell = tell
        self._scratch = scratch
        self.failed = ""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        quick = settings(
            settings.default, derandomize=True, phases=[Phase.explicit, Phase.generate]
        )
        settings.register_profile("mutation", quick, database=None)
        settings.load_profile("mutation")
        items = {item.nodeid: item for item in session.items}
        tests = self._measured(list(items.values()))
        if self.failed:
            return True
        tests = sorted((t for t in tests if t.cost < SLOW), key=lambda t: t.cost)
        gc.collect()
        gc.freeze()
        for mutant in self._mutants:
            chosen = [t for t in tests if _concerns(t, mutant)]
            chosen.sort(key=lambda test: mutant.path not in test.lines)
            if not chosen:
                self._tell(Verdict(mutant, killed=False))
            elif _replaceable(mutant):
                self._tell(self._forked(mutant, chosen, items))
            else:
                self._tell(self._apart(mutant, chosen))
        return True

    def _measured(self, items: list[pytest.Item]) -> list[Test]:
        """The tests with what they cost and execute, from a process of its own."""
        report = self._scratch / "tests.json"
        if (child := os.fork()) == 0:
            _silence()
            report.write_text(json.dumps(list(_measure(items))))
            os._exit(0)
        os.waitpid(child, 0)
        tests = []
        for found in json.loads(report.read_text()):
            if found["failed"]:
                self.failed = f"{found['id']} fails on the code as it is"
            lines = {path: frozenset(numbers) for path, numbers in found["lines"].items()}
            tests.append(Test(found["id"], found["cost"], lines))
        return tests

    def _forked(
        self, mutant: Mutant, tests: list[Test], items: Mapping[str, pytest.Item]
    ) -> Verdict:
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            _silence()
            _bound(tests)
            _replace(mutant)
            for test, following in zip(tests, [*tests[1:], None], strict=True):
                os.write(writer, f"{test.id}\n".encode())
                after = items[following.id] if following else None
                if _fails(items[test.id], after):
                    os._exit(1)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as begun:
            ran = begun.read().splitlines()
        status = os.waitpid(child, 0)[1]
        _end_group(child)
        return Verdict(mutant, status != 0, ran[-1] if ran and status else "", len(tests))

    def _apart(self, mutant: Mutant, tests: list[Test]) -> Verdict:
        source = self._scratch / "mutant.py"
        source.write_text(mutant.source)
        names = self._scratch / "tests"
        names.write_text("\n".join(test.id for test in tests))
        environment = {
            **os.environ,
            "NOVAHA_MUTANT": f"{mutant.dotted}={source}",
            "NOVAHA_MUTANT_TESTS": str(names),
        }
        files = sorted({test.id.partition("::")[0] for test in tests})
        argv = [sys.executable, "-m", "pytest", *_OPTIONS, "-p", "tests.mutation.plugin"]
        limit = functools.partial(_bound, tests, own=60)
        done = subprocess.Popen(
            [*argv, f"--basetemp={self._scratch}/apart", *files],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=limit,
        )
        code = done.wait()
        _end_group(done.pid)
        return Verdict(mutant, code != 0, "(import)" if code else "", len(tests))


def _measure(items: list[pytest.Item]) -> Iterable[dict[str, Any]]:
    watch = coverage.Coverage(data_file=None, include=[f"{ROOT}/novaha/*"], config_file=False)
    watch.set_option("run:core", "ctrace")
    watch.start()
    results = []
    for item, following in zip(items, [*items[1:], None], strict=True):
        watch.switch_context(item.nodeid)
        before = time.process_time()
        failed = _fails(item, following)
        results.append((item.nodeid, time.process_time() - before, failed))
    watch.stop()
    data = watch.get_data()
    lines: dict[str, dict[str, list[int]]] = {}
    for path in data.measured_files():
        name = str(Path(path).relative_to(ROOT))
        for number, contexts in data.contexts_by_lineno(path).items():
            for context in contexts:
                lines.setdefault(context, {}).setdefault(name, []).append(number)
    for name, cost, failed in results:
        yield {"id": name, "cost": cost, "failed": failed, "lines": lines.get(name, {})}


def _concerns(test: Test, mutant: Mutant) -> bool:
    """Whether the test executes what is changed. What runs on import may concern any test."""
    executed = test.lines.get(mutant.path, frozenset())
    return not mutant.function or any(number in executed for number in mutant.lines)


def _fails(item: pytest.Item, following: pytest.Item | None) -> bool:
    reports = runtestprotocol(item, nextitem=following, log=False)
    return any(report.failed for report in reports)


def _silence() -> None:
    os.setpgid(0, 0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _bound(tests: Iterable[Test], own: float = 5) -> None:
    """End this process when it takes much longer than the tests do on the code as it is."""
    if own > 5:
        os.setpgid(0, 0)
    limit = int(own + 3 * sum(test.cost for test in tests))
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(60 + 20 * limit)


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _replaceable(mutant: Mutant) -> bool:
    if not mutant.function:
        return False
    old, new = _function(mutant).__code__, _code(mutant)
    return len(old.co_freevars) == len(new.co_freevars)


def _replace(mutant: Mutant) -> None:
    _function(mutant).__code__ = _code(mutant)


def _function(mutant: Mutant) -> FunctionType:
    found: Any = importlib.import_module(mutant.dotted)
    for name in mutant.function.split("."):
        found = vars(found)[name]
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    assert isinstance(found, FunctionType), mutant.function
    return found


def _code(mutant: Mutant) -> CodeType:
    code = compile(mutant.source, str(ROOT / mutant.path), "exec", dont_inherit=True)
    left = [code]
    while left:
        found = left.pop()
        if found.co_qualname == mutant.function:
            return found
        left.extend(c for c in found.co_consts if isinstance(c, CodeType))
    raise AssertionError(mutant.function)
