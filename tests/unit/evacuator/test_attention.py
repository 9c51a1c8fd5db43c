"""What an operator is told of by the cluster's own status: only what does not go away by itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

from novaha.core.errors import ComputeApiError
from novaha.core.events import Attention, AttentionOver
from novaha.core.record import STATE
from novaha.evacuator.attention import Code, Need, Needs, Since
from novaha.evacuator.journal import Journal
from tests.fakes.cluster import Site
from tests.unit.evacuator.sites import recovered, site_with

ROOT = Path(__file__).resolve().parents[3]


def told(site: Site) -> tuple[str, ...]:
    assert site.loop is not None
    return site.loop.attention


def test_a_recovery_that_goes_well_is_nobodys_business() -> None:
    site = site_with()
    site.fence("compute-1")
    said: set[str] = set()
    site.run_until(lambda: bool(said.update(told(site)) or recovered(site)))
    assert said == set()


def test_a_fencing_that_proves_nothing() -> None:
    site = site_with()
    site.fencing.unproven["compute-1"] = "a level has no power device"
    site.fence("compute-1")
    site.pass_time(5)
    assert told(site) == ("compute-1 is not safe to evacuate: a level has no power device",)
    site.fencing.unproven.clear()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert told(site) == ()


def test_a_record_that_cannot_be_read_and_the_command_that_mends_it() -> None:
    site = site_with()
    site.fence("compute-1", confirmed=False)
    site.records.attributes["compute-1"][STATE] = "gibberish"
    assert site.loop is not None
    site.loop.turn()
    (text,) = told(site)
    assert "gibberish" in text
    assert "novaha retry compute-1" in text


def test_instances_that_find_no_place() -> None:
    site = site_with(running=2)
    for host in site.nova.hosts.values():
        host.room = 0
    site.fence("compute-1")
    site.pass_time(20)
    assert told(site) == ()  # it may be for a moment
    site.run_until(lambda: bool(told(site)))
    (text,) = told(site)
    assert text.startswith("2 instances of compute-1 find no place elsewhere")
    for host in site.nova.hosts.values():
        host.room = 1000
    site.run_until(lambda: recovered(site))
    assert told(site) == ()


def test_a_silent_nova_is_no_trouble_of_one_host() -> None:
    site = site_with()
    site.fence("compute-1")
    site.run_until(lambda: bool(site.nova.requests))
    site.nova.down = ComputeApiError("list", "connection refused")
    site.pass_time(30)
    assert told(site) == ()


def test_since() -> None:
    since = Since()
    assert since.seconds(5.0) == 0.0
    since.note(True, 10.0)
    since.note(True, 12.0)
    assert since.seconds(15.0) == 5.0
    since.note(False, 16.0)
    assert since.seconds(17.0) == 0.0


CODES = """
fencing-proves-nothing lived-since-fencing cannot-be-worked-on kept-out instances-unreadable
guests-may-run
key-refused no-rights no-image bad-volume service-away no-place
left-to-operator
"""


def test_the_codes_stay() -> None:
    assert [str(code) for code in Code] == CODES.split()
    interfaces = (ROOT / "docs/reference/interfaces.md").read_text()
    (row,) = re.findall(r"^\| `attention` \|.*", interfaces, re.M)
    assert set(CODES.split()) <= set(re.findall(r"`([a-z-]+)`", row))


def test_what_needs_an_operator_is_an_event_and_its_end_is_one(tmp_path: Path) -> None:
    site = site_with(journal=Journal(tmp_path / "journal"))
    site.fencing.unproven["compute-1"] = "a level has no power device"
    site.fence("compute-1")
    site.pass_time(300)
    site.fencing.unproven.clear()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.pass_time(120)
    lines = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    (begun,) = [line for line in lines if line["event"] == "attention"]
    (over,) = [line for line in lines if line["event"] == "attention over"]
    assert begun["text"] == "compute-1 is not safe to evacuate: a level has no power device"
    assert begun["code"] == over["code"] == "fencing-proves-nothing"
    assert begun["node"] == over["node"] == "compute-1"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


ROOM = Need("compute-1", Code.NO_PLACE, "1 instances")
MORE = Need("compute-1", Code.NO_PLACE, "2 instances")
OTHER = Need("compute-1", Code.NO_RIGHTS, "a right")
BEGUN = Attention("compute-1", "no-place", "1 instances")
OVER = AttentionOver("compute-1", "no-place")


def test_a_number_that_changes_is_no_news() -> None:
    needs = Needs(Clock())
    assert needs.follow([ROOM], "") == [BEGUN]
    assert needs.follow([MORE], "") == []
    assert needs.follow([MORE, OTHER], "") == [Attention("compute-1", "no-rights", "a right")]


def test_what_comes_and_goes_is_told_once() -> None:
    clock = Clock()
    needs = Needs(clock)
    told = []
    for _ in range(20):
        told += needs.follow([ROOM], "")
        clock.now += 30
        told += needs.follow([], "")
    clock.now += 29
    assert needs.follow([], "") == []
    clock.now += 1
    assert (told, needs.follow([], "")) == ([BEGUN], [OVER])
    assert needs.follow([], "") == []
    assert needs.follow([ROOM], "") == [BEGUN], "it is news again"


def test_while_nova_is_silent_nothing_is_known_to_be_over() -> None:
    clock = Clock()
    needs = Needs(clock)
    needs.follow([ROOM], "")
    clock.now += 600
    assert needs.follow([], "time-out") == []
    clock.now += 59
    assert needs.follow([], "") == []
    clock.now += 1
    assert needs.follow([], "") == [OVER]
