"""Few lists for many hosts, which hide nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from novaha.core.errors import ComputeApiError
from novaha.core.model import Migration
from novaha.core.record import Record, first_record
from novaha.core.situation import Policy
from novaha.evacuator.lists import Listed, Lists, listed, look_up
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


def lists_of(nova: FakeNova) -> Lists:
    return Lists(nova, Inline(), lambda: nova.now)


def test_law_2_one_list_shows_each_host_the_same_as_its_own(nova: FakeNova) -> None:
    lists = lists_of(nova)
    for number in range(3):
        nova.calls.clear()
        told = lists.read(BY_NODE, records())
        asked = Counter(nova.calls)
        for host in HOSTS:
            found, alone = told(host), listed(nova, host)
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
    assert not lists.read(BY_NODE, records(), (), HOSTS[1:])(HOSTS[1]).aged  # never read before
    before = lists.read(BY_NODE, records())(HOSTS[1]).instances
    nova.calls.clear()
    nova.add_instance("new", HOSTS[1])
    nova.migrations.append(Migration(6, "new", HOSTS[1], None, "accepted", EPOCH))
    told = lists.read(BY_NODE, records(), (), HOSTS[1:])
    assert Counter(nova.calls) == {"instances_on": 1, "evacuations_since": 1}
    assert not told(HOSTS[0]).aged
    assert told(HOSTS[1]).aged
    assert told(HOSTS[1]).instances == before
    assert [m.id for m in told(HOSTS[1]).rows] == [4, 6]
    assert "new" in {i.id for i in lists.read(BY_NODE, records())(HOSTS[1]).instances}


def test_one_list_shows_what_has_changed_on_the_hosts_that_rest(nova: FakeNova) -> None:
    lists = lists_of(nova)

    def told() -> Callable[[str], Listed]:
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
            assert found(host).aged == (host != HOSTS[0])
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
    assert not lists.read(BY_NODE, records(), HOSTS, (), later)(HOSTS[1]).aged
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
    lists = Listed((), [], aged=True, changed={i.id: i for i in (deleted, moved)})
    nova.calls.clear()
    look_up(nova, here, lists, gone)
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
