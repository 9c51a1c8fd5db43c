"""When the other controllers are told, and that it costs nobody anything."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from novaha.core.errors import ClusterToolError
from novaha.evacuator import digest, status
from novaha.evacuator.publish import AGAIN, EVERY, Publisher
from tests.unit.core.situations import FENCED
from tests.unit.evacuator.test_digest import own, report


class Board:
    """The attribute managers."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.calls = 0
        self.fails = False

    def read(self) -> dict[str, str]:
        return self.values

    def tell(self, node: str, value: str, timeout: float) -> None:
        self._call(timeout)
        self.values[node] = value

    def withdraw(self, node: str, timeout: float) -> None:
        self._call(timeout)
        self.values.pop(node, None)

    def _call(self, timeout: float) -> None:
        assert 0 < timeout <= EVERY
        self.calls += 1
        if self.fails:
            raise ClusterToolError(["attrd_updater"], 1, "no connection")


class Scene:
    def __init__(self) -> None:
        self.board = Board()
        self.snapshot: dict[str, Any] = own()
        self.seconds = 1000.0
        self.publisher = Publisher(
            self.board,
            "controller-2",
            lambda: self.snapshot,
            ("hunter22",),
            lambda: self.seconds,
            lambda: FENCED + timedelta(seconds=self.seconds),
        )

    def turn(self) -> None:
        self.seconds += EVERY
        self.publisher.publish()

    @property
    def told(self) -> dict[str, Any] | None:
        return digest.newest(self.board.values.values(), FENCED + timedelta(seconds=self.seconds))


def test_what_changes_is_told_and_what_does_not_is_told_again_before_it_is_old() -> None:
    scene = Scene()
    scene.snapshot = own(report(detail="preparing"))
    scene.turn()
    assert scene.told is not None
    assert scene.told["hosts"][0]["detail"] == "preparing"
    scene.turn()
    assert scene.board.calls == 1
    scene.snapshot = own(report(detail="recovering"))
    scene.turn()
    assert scene.board.calls == 2
    for _ in range(30):
        scene.turn()
        assert scene.told is not None
    assert scene.board.calls == 2 + 300 // AGAIN


def test_what_only_counts_seconds_is_no_change() -> None:
    scene = Scene()
    for age in range(5):
        health = status.Health(1, "c", "u", age, "", age, "away", age, ())
        scene.snapshot = status.own(health, (), ())
        scene.turn()
    assert scene.board.calls == 1


def test_a_cluster_in_order_is_told_nothing() -> None:
    scene = Scene()
    for _ in range(100):
        scene.turn()
    assert scene.board.calls == 0


def test_what_one_that_was_killed_has_left_here_is_taken_away() -> None:
    scene = Scene()
    scene.board.values = {"controller-1": "of another", "controller-2": "left"}
    scene.turn()
    assert scene.board.values == {"controller-1": "of another"}


def test_it_is_as_old_as_the_last_turn() -> None:
    """One whose turn hangs goes on telling the same: that is not what is so now."""
    scene = Scene()
    scene.snapshot = own(report())
    scene.snapshot["evacuator"]["turn_age"] = 100.0
    scene.turn()
    assert scene.told is not None
    known = FENCED + timedelta(seconds=scene.seconds - 100)
    assert scene.told["at"] == f"{known:%Y-%m-%dT%H:%M:%SZ}"
    scene.snapshot["evacuator"]["turn_age"] = 1000.0
    scene.seconds += AGAIN
    scene.turn()
    assert scene.told is None


def test_what_is_over_is_taken_away() -> None:
    scene = Scene()
    scene.snapshot = own(report())
    scene.turn()
    scene.snapshot = own()
    scene.turn()
    assert scene.board.values == {}


def test_without_an_attribute_manager_it_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.board.fails = True
    scene.snapshot = own(report())
    for _ in range(5):
        scene.turn()
    assert caplog.text.count("the other controllers cannot be told") == 1
    scene.board.fails = False
    scene.turn()
    assert scene.told is not None


def test_it_shows_no_secret() -> None:
    scene = Scene()
    scene.snapshot = own(report(detail="with hunter22"))
    scene.turn()
    assert scene.told is not None
    assert "hunter22" not in str(scene.told)


def test_at_the_end_it_is_taken_away_and_told_no_more() -> None:
    scene = Scene()
    scene.snapshot = own(report())
    scene.turn()
    scene.publisher.end(1.0)
    assert scene.board.values == {}
    scene.snapshot = own(report(detail="more"))
    scene.turn()
    assert scene.board.values == {}


def test_an_attribute_manager_that_hangs_does_not_keep_the_end() -> None:
    scene = Scene()
    goes_on = threading.Event()
    began = threading.Event()

    def hang(node: str, value: str, timeout: float) -> None:
        began.set()
        goes_on.wait()

    scene.board.tell = hang  # type: ignore[method-assign]
    scene.snapshot = own(report())
    thread = threading.Thread(target=scene.turn)
    thread.start()
    assert began.wait(30)
    before = time.monotonic()
    scene.publisher.end(0.02)
    assert time.monotonic() - before < 20
    goes_on.set()
    thread.join()


def test_its_thread_survives_what_goes_wrong(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene()
    stopping, turns = threading.Event(), []

    def wrong() -> dict[str, Any]:
        turns.append(1)
        if len(turns) == 2:
            stopping.set()
        raise RuntimeError("a bug")

    monkeypatch.setattr("novaha.evacuator.publish.EVERY", 0.001)
    Publisher(scene.board, "c", wrong).run(stopping)
    assert len(turns) == 2
    assert "a bug" in caplog.text
