"""Events are an interface: their names and fields stay, whatever the classes are called."""

from __future__ import annotations

from dataclasses import fields

import pytest

from novaha.core import events
from novaha.core.model import Action

GOLDEN = {
    "attention": ("node", "code", "text"),
    "attention over": ("node", "code"),
    "brought back": ("node", "reason"),
    "claimed": ("node", "fence_id", "before"),
    "confirm resize": ("node", "instance", "message"),
    "confirmation refuted": ("node", "seen"),
    "disable": ("node", "host", "reason"),
    "doubted": ("node", "reason"),
    "enable": ("node", "host", "reason"),
    "events lost": ("count",),
    "fenced": ("node", "fence_id", "at"),
    "fencing failed": ("node", "message"),
    "fencing requested": ("node", "reason"),
    "flagged": ("node", "reason"),
    "forcedown": ("node", "host"),
    "hard reboot": ("node", "instance", "message"),
    "no longer held": ("node", "reason"),
    "operator": ("node", "action", "who", "reason", "details"),
    "pause": ("node", "instance", "message"),
    "paused": ("reason",),
    "recovered": ("node", "unmoved"),
    "recovery held": ("node", "reason"),
    "requested": ("node", "instance", "outcome", "message"),
    "reset to error": ("node", "instance", "message"),
    "restart": ("node",),
    "resumed": ("reason",),
    "returned": ("node",),
    "settled": ("node", "instance", "name", "to", "state"),
    "stop": ("node", "instance", "message"),
    "suspend": ("node", "instance", "message"),
    "unforce": ("node", "host"),
}
"""Never edit a line: programs read these. A new event, or a field at the end, is a new line."""


def test_names_and_fields_stay() -> None:
    assert {e.event: tuple(f.name for f in fields(e)) for e in events.ALL} == GOLDEN
    assert len(events.ALL) == len(GOLDEN), "two events with one name"


def test_every_event_is_listed() -> None:
    def below(event: type[events.Event]) -> set[type[events.Event]]:
        return {event}.union(*(below(e) for e in event.__subclasses__()))

    # A dataclass with slots is made twice; the first one is gone with the next collection.
    made = {e.event for e in below(events.Event) if hasattr(e, "event")}
    assert made == {e.event for e in events.ALL}


@pytest.mark.parametrize("action", Action)
def test_every_action_has_its_event(action: Action) -> None:
    told = events.ACTED[action]("compute-1", "vm", "")
    assert (told.event, told.data()) == (
        str(action),
        {"node": "compute-1", "instance": "vm", "message": ""},
    )


def test_what_is_none_is_not_told_and_what_is_empty_is() -> None:
    assert events.Enabled(None, "h", "left").data() == {"host": "h", "reason": "left"}
    assert events.Enabled("n", "h").data() == {"node": "n", "host": "h"}
    assert events.FencingRequested("n").data() == {"node": "n"}
    assert events.Claimed("n", "id", "").data() == {"node": "n", "fence_id": "id", "before": ""}


def test_data_is_as_json_has_it() -> None:
    assert events.Recovered("n", {"vm": "why"}).data() == {"node": "n", "unmoved": {"vm": "why"}}
    assert events.Lost(3).data() == {"count": 3}
