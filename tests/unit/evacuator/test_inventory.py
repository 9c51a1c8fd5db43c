"""Few lists for many hosts, which hide nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from novaha.core.errors import ComputeApiError
from novaha.core.model import Instance, Migration
from novaha.core.record import Record, first_record
from novaha.core.situation import Policy
from novaha.evacuator.inventory import HostInventory, InventoryReader, look_up, read_inventory
from tests.fakes.cluster import Inline, Site
from tests.fakes.faults import UNAVAILABLE, Empty
from tests.fakes.nova import EPOCH, FakeNova
from tests.unit.evacuator.sites import recovered

HOSTS = [f"compute-{number}" for number in range(1, 5)]
BY_NODE = {host: host for host in HOSTS}
HOURS = timedelta(hours=20)
ROWS = [
    Migration(1, "long-ago", HOSTS[0], HOSTS[3], "completed", EPOCH - 2 * HOURS),
    Migration(2, "never-ended", HOSTS[0], HOSTS[3], "pre-migrating", EPOCH - HOURS),
    Migration(3, "a", HOSTS[0], HOSTS[3], "accepted", EPOCH),
    Migration(4, "b", HOSTS[1], None, "done", EPOCH),
    Migration(5, "of-one-that-lives", HOSTS[3], None, "completed", EPOCH),
]


@pytest.fixture
def nova() -> FakeNova:
    nova = FakeNova()
    nova.migrations[:] = ROWS
    for host in HOSTS:
        nova.add_host(host)
        nova.add_instance(f"on-{host}", host)
    return nova


def records() -> dict[str, Record]:
    return {host: first_record(host, "fence-1", EPOCH) for host in HOSTS}


def lists_of(nova: FakeNova) -> InventoryReader:
    return InventoryReader(nova, Inline(), lambda: nova.now)


def test_law_2_one_list_shows_each_host_the_same_as_its_own(nova: FakeNova) -> None:
    lists = lists_of(nova)
    for number in range(3):
        nova.calls.clear()
        told = lists.read(BY_NODE, records())
        asked = Counter(nova.calls)
        for host in HOSTS:
            found, alone = told(host), read_inventory(nova, host)
            assert found.instances == alone.instances
            assert sorted(found.rows, key=lambda m: m.id) == alone.rows
        nova.migrations[1] = replace(nova.migrations[1], status="failed")
        nova.migrations[3] = replace(nova.migrations[3], status="completed")
        nova.migrations.append(Migration(6 + number, "c", HOSTS[1], None, "accepted", EPOCH))
    assert asked == {"instances_on": 4, "evacuations_since": 1}


def test_law_2_the_evacuations_are_listed_after_all_instances(nova: FakeNova) -> None:
    """One that leaves its host in between shows in both lists, and not in neither."""
    lists = lists_of(nova)
    lists.read(BY_NODE, records())
    nova.calls.clear()
    lists.read(BY_NODE, records())
    assert nova.calls[-1] == "evacuations_since"


def test_law_2_a_short_list_is_believed_for_a_minute_only(nova: FakeNova) -> None:
    lists = lists_of(nova)
    nova.faults["evacuations_from"] = [Empty()]
    assert lists.read(BY_NODE, records())(HOSTS[0]).rows == []
    assert [m.id for m in lists.read(BY_NODE, records())(HOSTS[0]).rows] == [3]
    nova.advance(60)
    assert [m.id for m in lists.read(BY_NODE, records())(HOSTS[0]).rows] == [1, 2, 3]


def test_an_evacuation_that_never_ended_does_not_make_all_hosts_history_be_read(
    nova: FakeNova,
) -> None:
    lists = lists_of(nova)
    nova.migrations[1] = replace(nova.migrations[1], created=EPOCH - 2 * HOURS)
    for _ in range(2):
        nova.calls.clear()
        assert [m.id for m in lists.read(BY_NODE, records())(HOSTS[0]).rows] == [1, 2, 3]
    assert Counter(nova.calls) == {
        "instances_on": 4,
        "evacuations_from": 1,
        "evacuations_since": 1,
    }


def test_law_2_another_fencing_is_read_whole(nova: FakeNova) -> None:
    lists = lists_of(nova)
    lists.read(BY_NODE, records())
    nova.calls.clear()
    lists.read(BY_NODE, {**records(), HOSTS[0]: first_record(HOSTS[0], "fence-2", EPOCH)})
    assert nova.calls.count("evacuations_from") == 1


def test_law_2_what_need_not_be_read_now_is_called_aged(nova: FakeNova) -> None:
    lists = lists_of(nova)
    assert not lists.read(BY_NODE, records(), (), HOSTS[1:])(HOSTS[1]).is_stale  # never read before
    before = lists.read(BY_NODE, records())(HOSTS[1]).instances
    nova.calls.clear()
    nova.add_instance("new", HOSTS[1])
    nova.migrations.append(Migration(6, "new", HOSTS[1], None, "accepted", EPOCH))
    told = lists.read(BY_NODE, records(), (), HOSTS[1:])
    assert Counter(nova.calls) == {"instances_on": 1, "evacuations_since": 1}
    assert not told(HOSTS[0]).is_stale
    assert told(HOSTS[1]).is_stale
    assert told(HOSTS[1]).instances == before
    assert [m.id for m in told(HOSTS[1]).rows] == [4, 6]
    assert "new" in {i.id for i in lists.read(BY_NODE, records())(HOSTS[1]).instances}


def test_one_list_shows_what_has_changed_on_the_hosts_that_rest(nova: FakeNova) -> None:
    lists = lists_of(nova)

    def told() -> Callable[[str], HostInventory]:
        now = EPOCH + timedelta(seconds=nova.now)
        return lists.read(BY_NODE, records(), HOSTS[1:], (), now)

    told()
    for host in HOSTS:
        nova.add_instance(f"deleted-{host}", host)
        nova.add_instance(f"left-{host}", host)
        nova.add_instance(f"new-{host}", host)
        nova.set(f"new-{host}", task_state="rebuilding")
    for _ in range(3):
        nova.advance(7)
        nova.calls.clear()
        found = told()
        asked = Counter(nova.calls)
        for host in HOSTS:
            assert set(found(host).instances) == set(nova.instances_on(host))
            assert found(host).is_stale == (host != HOSTS[0])
            nova.remove(f"deleted-{host}")
            nova.set(f"left-{host}", host="compute-9")
            nova.set(f"on-{host}", vm_state="soft-delete")
        assert asked == {"instances_on": 1, "instances_changed": 1, "evacuations_since": 1}


def test_law_2_a_short_list_of_changes_is_believed_for_a_minute_only(nova: FakeNova) -> None:
    lists = lists_of(nova)
    for _ in range(2):
        lists.read(BY_NODE, records(), HOSTS, (), EPOCH)
    nova.remove(f"on-{HOSTS[1]}")
    nova.faults["instances_changed"] = [Empty()]
    later = EPOCH + timedelta(seconds=59)
    nova.advance(59)
    assert lists.read(BY_NODE, records(), HOSTS, (), later)(HOSTS[1]).instances
    nova.advance(1)
    assert not lists.read(BY_NODE, records(), HOSTS, (), later)(HOSTS[1]).is_stale
    assert not lists.read(BY_NODE, records(), HOSTS, (), later)(HOSTS[1]).instances


def test_law_5_changes_that_cannot_be_read_are_read_the_next_time(nova: FakeNova) -> None:
    lists = lists_of(nova)
    lists.read(BY_NODE, records(), HOSTS, (), EPOCH)
    nova.remove(f"on-{HOSTS[1]}")
    nova.advance(30)
    later = EPOCH + timedelta(seconds=30)
    nova.faults["instances_changed"] = [UNAVAILABLE]
    told = lists.read(BY_NODE, records(), HOSTS, (), later)
    with pytest.raises(ComputeApiError):
        told(HOSTS[1])
    assert not lists.read(BY_NODE, records(), HOSTS, (), later)(HOSTS[1]).instances


def test_law_5_what_is_deleted_elsewhere_is_asked_for_and_nothing_else_twice(
    nova: FakeNova,
) -> None:
    here = {f"on-{host}": i for host in HOSTS for i in nova.instances_on(host)}
    gone = dict(here)
    nova.remove(f"on-{HOSTS[0]}")
    deleted = replace(here[f"on-{HOSTS[0]}"], vm_state="deleted")
    moved = replace(here[f"on-{HOSTS[1]}"], host="compute-9")
    lists = HostInventory((), [], is_stale=True, changed={i.id: i for i in (deleted, moved)})
    nova.calls.clear()
    gone |= dict(look_up(nova, here, lists, gone))
    assert nova.calls == ["instance"]
    assert gone == here | {moved.id: moved, deleted.id: None}


def test_a_host_that_cannot_be_listed_does_not_hide_the_others(nova: FakeNova) -> None:
    lists = lists_of(nova)
    for _ in range(2):
        nova.faults["instances_on"] = [UNAVAILABLE]
        told = lists.read(BY_NODE, records())
        with pytest.raises(ComputeApiError):
            told(HOSTS[0])
        assert [i.id for i in told(HOSTS[1]).instances] == [f"on-{HOSTS[1]}"]


@pytest.mark.parametrize(
    ("name", "age", "shown"),
    [
        ("long ago: it does not change any more", timedelta(hours=1, seconds=1), "failed"),
        ("an hour before the fencing", timedelta(hours=1), "error"),
        ("half an hour before", timedelta(minutes=30), "error"),
        ("after the fencing", -timedelta(minutes=30), "error"),
    ],
)
def test_law_2_only_what_had_ended_an_hour_before_the_fencing_is_not_read_again(
    nova: FakeNova, name: str, age: timedelta, shown: str
) -> None:
    nova.migrations[:] = [Migration(9, "old", HOSTS[0], HOSTS[3], "failed", EPOCH - age)]
    lists = lists_of(nova)
    lists.read(BY_NODE, records())
    nova.migrations[0] = replace(nova.migrations[0], status="error")
    assert [m.status for m in lists.read(BY_NODE, records())(HOSTS[0]).rows] == [shown]


@pytest.mark.parametrize(
    ("age", "whole"), [(timedelta(days=1), 0), (timedelta(days=1, seconds=1), 1)]
)
def test_what_never_ended_and_began_a_day_before_is_read_with_its_host_alone(
    nova: FakeNova, age: timedelta, whole: int
) -> None:
    nova.migrations[:] = [Migration(9, "old", HOSTS[0], None, "accepted", EPOCH - age)]
    lists = lists_of(nova)
    lists.read(BY_NODE, records())
    nova.calls.clear()
    lists.read(BY_NODE, records())
    assert nova.calls.count("evacuations_from") == whole


def test_one_list_serves_two_hosts_and_one_host_has_its_own(nova: FakeNova) -> None:
    for count, expected in ((1, "evacuations_from"), (2, "evacuations_since")):
        lists, wanted = lists_of(nova), {host: host for host in HOSTS[:count]}
        lists.read(wanted, records())
        nova.calls.clear()
        lists.read(wanted, records())
        assert Counter(nova.calls) == {"instances_on": count, expected: 1}


def test_what_was_read_a_moment_ago_is_known(nova: FakeNova) -> None:
    lists, of_host = lists_of(nova), records()[HOSTS[0]]
    assert lists.recent(of_host) is None
    found = lists.read(BY_NODE, records())(HOSTS[0])
    nova.advance(2.9)
    assert lists.recent(of_host) == found
    assert lists.recent(first_record(HOSTS[0], "fence-2", EPOCH)) is None
    nova.advance(0.1)
    assert lists.recent(of_host) is None


def test_changes_are_read_since_the_reading_before(nova: FakeNova) -> None:
    asked: list[datetime] = []
    whole_list = nova.instances_changed
    nova.instances_changed = lambda since: asked.append(since) or whole_list(since)
    lists = lists_of(nova)
    for second in (0, 5, 10):
        told = lists.read(BY_NODE, records(), HOSTS[1:], (), EPOCH + timedelta(seconds=second))
        for host in HOSTS:
            told(host)
    assert told(HOSTS[0]).changed == {}
    # Ten seconds more, by which clocks may differ.
    assert asked == [EPOCH - timedelta(seconds=10), EPOCH - timedelta(seconds=5)]


def test_a_change_that_cannot_be_read_leaves_what_was_known_with_its_problem(
    nova: FakeNova,
) -> None:
    lists = lists_of(nova)
    lists.read(BY_NODE, records(), HOSTS, (), EPOCH)
    (known,) = nova.instances_on(HOSTS[1])
    broken = Instance(known.id, "", "", "", problem="no host")
    nova.instances_changed = lambda since: [broken]
    told = lists.read(BY_NODE, records(), HOSTS, (), EPOCH)
    assert told(HOSTS[1]).instances == (replace(known, problem="no host"),)
    assert told(HOSTS[1]).changed == {known.id: broken}


class Asked:
    """Answers look_up, and notes what it was asked."""

    def __init__(self, *changed: Instance) -> None:
        self.changed = changed
        self.asked: list[object] = []

    def instances_changed(self, since: datetime) -> tuple[Instance, ...]:
        self.asked.append(since)
        return self.changed

    def instance(self, name: str) -> Instance:
        self.asked.append(name)
        return elsewhere(name)


def elsewhere(name: str, **changes: Any) -> Instance:
    return replace(Instance(name, name, HOSTS[3], "active"), **changes)


def arrived(*names: str, status: str = "done") -> list[Migration]:
    return [
        Migration(n, name, HOSTS[0], HOSTS[3], status, EPOCH, EPOCH + timedelta(seconds=20 + n))
        for n, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("name", "gone", "lists", "changed", "asked"),
    [
        ("two that came up", "ab", HostInventory((), arrived("a", "b")), "ab", ["a", "b"]),
        ("three", "abc", HostInventory((), arrived("a", "b", "c")), "abc", [EPOCH + timedelta(seconds=10)]),
        ("three, one is not shown", "abc", HostInventory((), arrived("a", "b", "c")), "ab", [EPOCH + timedelta(seconds=10), "c"]),
        ("three that have not come up", "abc", HostInventory((), arrived("a", "b", "c", status="accepted")), "abc", ["a", "b", "c"]),
        ("of three, two came up", "abx", HostInventory((), arrived("a", "b")), "abx", ["a", "b", "x"]),
        ("what rests is shown by its changes", "ab", HostInventory((), [], True, {n: elsewhere(n) for n in "abz"}), "", []),
        ("a change that cannot be read", "ab", HostInventory((), [], True, {"a": elsewhere("a", problem="x")}), "", ["a", "b"]),
        ("one that is going away", "ab", HostInventory((), [], True, {"a": elsewhere("a", vm_state="soft-delete")}), "", ["a", "b"]),
    ],
)  # fmt: skip
def test_law_5_how_it_is_found_out_what_became_of_those_that_left(
    name: str, gone: str, lists: HostInventory, changed: str, asked: list[object]
) -> None:
    nova = Asked(*(elsewhere(n) for n in changed))
    moved = dict(look_up(nova, list(gone), lists, {}))
    assert sorted(nova.asked, key=str) == sorted(asked, key=str)
    assert moved == {n: elsewhere(n) for n in gone}


@pytest.mark.parametrize("changes", [{"vm_state": "deleted"}, {"problem": "x"}])
def test_law_5_what_the_list_of_changes_does_not_tell_for_sure_is_asked_for(
    changes: dict[str, str],
) -> None:
    nova = Asked(elsewhere("a", **changes), elsewhere("b"), elsewhere("c"))
    moved = dict(look_up(nova, "abc", HostInventory((), arrived("a", "b", "c")), {}))
    assert nova.asked == [EPOCH + timedelta(seconds=10), "a"]
    assert moved["a"] == elsewhere("a")


@pytest.mark.parametrize(("in_flight", "requests"), [(400, 1.0), (10, 2.0)])
def test_a_rack_costs_little_more_than_its_evacuates(in_flight: int, requests: float) -> None:
    """Requests for each instance beyond its evacuate; many turns where few may be under way."""
    site = Site(hosts=24, policy=Policy(max_in_flight=in_flight))
    hosts = [f"compute-{number}" for number in range(1, 21)]
    instances = [site.nova.add_instance(f"{h}-{n}", h) for h in hosts for n in range(20)]
    site.pass_time(6)
    site.nova.calls.clear()
    for host in hosts:
        site.fence(host)
    site.run_until(lambda: all(recovered(site, host) for host in hosts))
    calls = Counter(site.nova.calls)
    calls.pop("conductor_is_up")  # comes with the services
    assert calls.pop("evacuate") == len(instances)
    assert calls.total() <= requests * len(instances), calls
