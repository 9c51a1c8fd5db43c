"""What decides of Nova's answers, where that is more than a name."""

from __future__ import annotations

import pytest

from novaha.core.model import Migration, newest


def row(number: int, instance: str = "a", status: str = "done") -> Migration:
    return Migration(number, instance, "compute-1", "compute-2", status)


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        ([], {}),
        ([row(1)], {"a": row(1)}),
        ([row(1), row(2)], {"a": row(2)}),
        ([row(2), row(1)], {"a": row(2)}),
        ([row(1), row(3), row(2), row(2, "b")], {"a": row(3), "b": row(2, "b")}),
        # Listed twice in one answer, as a page that changed meanwhile may: the first one counts.
        ([row(2), row(2, status="accepted")], {"a": row(2)}),
        ([row(2, status="accepted"), row(2)], {"a": row(2, status="accepted")}),
    ],
)
def test_law_2_the_last_evacuation_of_each_instance(
    rows: list[Migration], last: dict[str, Migration]
) -> None:
    assert newest(rows) == last
