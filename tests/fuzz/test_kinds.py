"""Every kind of input has the outcome that it has to have: a sample here, all by `make fuzz`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fuzz import adapters, agents, clouds, commands, configuration, places
from tests.fuzz.kinds import SECRET, VALUE, Kind, Outcome, chosen, kind, wrong


def every_kind() -> Iterator[Kind]:
    yield from agents.agent_kinds()
    yield from agents.fence_kinds()
    yield from configuration.kinds()
    yield from commands.cib_kinds()
    yield from adapters.kinds()
    yield from places.kinds()
    yield from commands.line_kinds()
    yield from clouds.kinds()


EVERY = list(every_kind())


@pytest.mark.parametrize("one", chosen(EVERY), ids=str)
def test_kind(one: Kind, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    record_property("area", one.area)
    assert wrong(one, one.run(tmp_path)) == []


def test_there_are_enough_kinds_and_each_has_what_it_must_come_to() -> None:
    assert len(EVERY) > 1500
    assert all(one.ended for one in EVERY)
    assert sum(bool(one.says) for one in EVERY) > len(EVERY) / 2


def test_the_sample_has_every_table() -> None:
    tables = {(one.area, one.table) for one in EVERY}
    assert {(one.area, one.table) for one in chosen(EVERY)} == tables


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(1, "it failed"),
        Outcome(0, "something else"),
        Outcome(0, f"it failed with {SECRET}"),
        Outcome(0, "it failed\x1b[2J"),
        Outcome(0, "it failed\r"),
        Outcome(0, "it failed" + "x" * 5000),
        Outcome(0, "it failed\nTraceback (most recent call last):"),
        Outcome(0, "it failed: internal error, KeyError"),
        Outcome(VALUE, "it failed"),
    ],
)
def test_what_is_wrong_is_found(outcome: Outcome) -> None:
    one = kind("a", "b", "c", lambda place: outcome, 0, "it failed")
    assert wrong(one, outcome)
    assert not wrong(one, Outcome(0, "it failed, and why"))
