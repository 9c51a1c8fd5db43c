"""A recovery as it stands in the events."""

from __future__ import annotations

import re
from datetime import timedelta

from novaha.operate import html
from novaha.operate.entries import Entry
from novaha.operate.recoveries import named, recoveries
from tests.unit.operate.servers import BEGAN


def at(seconds: float, event: str, node: str = "a", **data: object) -> Entry:
    time = BEGAN + timedelta(seconds=seconds)
    return Entry(f"w.{round(seconds * 1000)}", time, "c-1", event, {"node": node, **data})


def one(node: str = "a", fence_id: str = "f-1", start: float = 0.0) -> list[Entry]:
    """A whole recovery: one instance moved at once, one at the second try, one not."""
    told = [
        (0.1, "attention", {"code": "x", "text": "early"}),
        (1, "fenced", {"fence_id": fence_id, "at": "2026-01-02T03:04:05Z"}),
        (1.001, "claimed", {"fence_id": fence_id, "before": ""}),
        (1.5, "forcedown", {"host": node}),
        (2, "requested", {"instance": "i1", "outcome": "accepted", "message": ""}),
        (2.1, "requested", {"instance": "i2", "outcome": "not sent", "message": "busy"}),
        (4, "requested", {"instance": "i2", "outcome": "accepted", "message": ""}),
        (5, "settled", {"instance": "i1", "name": "one", "to": "b", "state": "ACTIVE"}),
        (6, "stop", {"instance": "i2", "message": ""}),
        (7, "settled", {"instance": "i2", "name": "<b>", "to": "c", "state": "SHUTOFF"}),
        (8, "recovered", {"unmoved": {"i3": "is PAUSED"}}),
        (9, "enable", {"host": node}),
        (9.5, "returned", {}),
    ]
    return [at(start + seconds, event, node, **data) for seconds, event, data in told]


def test_a_recovery_from_its_beginning_to_its_end() -> None:
    (found,) = recoveries(one())
    assert (found.node, found.fence_id, found.state) == ("a", "f-1", "returned")
    assert found.entries == one()
    assert found.began == BEGAN
    after = {name: (t - BEGAN).total_seconds() for name, t in found.phases.items()}
    assert list(after.items()) == [
        *(("fenced", 0), ("claimed", 1.001), ("forced down", 1.5), ("requested", 2)),
        *(("settled", 7), ("recovered", 8), ("returned", 9.5)),
    ]
    first, second, third = found.instances.values()
    assert (first.name, first.to, found.outage(first)) == ("one", "b", 5)
    assert (second.requests, second.actions) == (["not sent: busy", "accepted"], ["stop"])
    assert (second.state, found.outage(second)) == ("SHUTOFF", 7)
    assert (third.id, third.unmoved, found.outage(third)) == ("i3", "is PAUSED", None)
    assert html.summary(found) == (
        "returned; 2 instances are up elsewhere, the last one 7.0 s after the fencing; 1 were not "
        "moved."
    )


def test_two_of_one_host_and_one_of_another_are_apart() -> None:
    entries = sorted([*one(), *one("b", "f-2", 0.5), *one("a", "f-3", 100)], key=lambda e: e.time)
    found = recoveries(entries)
    assert [(r.node, r.fence_id, len(r.entries)) for r in found] == [
        *(("a", "f-1", 13), ("b", "f-2", 13), ("a", "f-3", 13)),
    ]
    assert named(found, "f-1") is found[0]
    assert named(found, "f-3") is found[2]
    assert named(found, "a") is found[2], "the last one of the host"
    assert named(found, "b") is found[1]
    assert named(found, "f") is None, "more than one begins like this"
    assert named(found, "c") is None


def test_another_evacuator_that_takes_over_goes_on_with_it() -> None:
    entries = [*one()[:6], at(3, "claimed", fence_id="f-1", before="c-1#x"), *one()[6:]]
    (found,) = recoveries(entries)
    assert found.entries == entries
    assert found.phases["claimed"] == entries[2].time, "the first one counts"


def test_a_host_that_dies_again_before_it_was_back() -> None:
    entries = [*one()[:9], *one("a", "f-2", 50)[1:]]
    first, second = recoveries(entries)
    assert (first.state, first.fence_id) == ("running", "f-1")
    assert (second.state, second.fence_id) == ("returned", "f-2")
    assert html.summary(first).endswith("1 are unfinished.")


def test_what_is_of_no_recovery() -> None:
    assert recoveries([]) == []
    assert recoveries([at(0, "requested", instance="i"), at(1, "paused", "", reason="x")]) == []


def test_the_page_shows_others_texts_and_obeys_nothing() -> None:
    (found,) = recoveries([*one()[:-1], at(9, "attention", text="</td><script>x</script>\x1b[2J")])
    page = html.page(found)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;" in page
    assert "\x1b" not in page
    assert not re.findall(r"(src|href)=|https?:", page)
    assert page.count("<tr>") == page.count("</tr>") == 3 + 6 + 3 + 13


def test_plain_data() -> None:
    (found,) = recoveries(one())
    plain = found.plain()
    assert plain["phases"]["returned"] == "2026-01-02T03:04:14.500Z"
    assert [i["outage"] for i in plain["instances"]] == [5.0, 7.0, None]
    assert len(plain["events"]) == 13
