"""How an evacuation goes, and what disturbs it."""

from __future__ import annotations

from tests.behaviour.harness import (
    HOSTS,
    SECOND,
    SOURCE,
    THIRD,
    Evacuation,
    NovaUnderTest,
    Seen,
)


def one(nova: NovaUnderTest, form: str = "active") -> str:
    """An instance on a host that is dead and forced down."""
    instance = nova.casualties([form], SOURCE)[form]
    assert nova.force_down(SOURCE, True) == 200
    return instance


def seen(nova: NovaUnderTest, instance: str) -> Seen:
    found = nova.seen(instance)
    assert found is not None
    return found


def newest(nova: NovaUnderTest, instance: str) -> Evacuation:
    return nova.evacuations(instance)[-1]


def settled(nova: NovaUnderTest, instance: str) -> bool:
    """Elsewhere and at rest."""
    now = seen(nova, instance)
    return now.host != SOURCE and now.task_state is None and now.vm_state != "error"


def spawning(nova: NovaUnderTest, instance: str) -> bool:
    return seen(nova, instance).task_state == "rebuild_spawning"


ORDER = [
    ("rebuilding", "source", "accepted"),
    ("rebuilding", "source", "pre-migrating"),
    ("rebuild_spawning", "source", "pre-migrating"),
    (None, "source", "pre-migrating"),
    (None, "source", "done"),
    (None, "elsewhere", "done"),
]


def test_the_order_of_a_normal_evacuation(nova: NovaUnderTest) -> None:
    instance = one(nova)
    nova.spawn_delay(2)
    assert nova.evacuate(instance) == 200
    story: list[tuple[str | None, str, str]] = []

    def watch() -> bool:
        # The migration last: it may be ahead of the instance that was read, never behind.
        now = seen(nova, instance)
        migration = newest(nova, instance)
        task = "rebuilding" if now.task_state == "rebuild_block_device_mapping" else now.task_state
        entry = (task, "source" if now.host == SOURCE else "elsewhere", migration.status)
        if entry not in story:
            story.append(entry)
        assert (migration.destination is None) == (migration.status == "accepted")
        return entry == ORDER[-1]

    nova.wait("it has arrived", watch)
    assert [entry for entry in ORDER if entry in story] == [e for e in story if e in ORDER]
    assert ORDER[2] in story
    strange = [e for e in story if e not in ORDER]
    # Two readings are not one: the migration may be one step ahead.
    assert all((task, where) in {o[:2] for o in ORDER} for task, where, _ in strange), story


def test_one_list_shows_what_was_just_accepted_on_any_host_newest_first(
    nova: NovaUnderTest,
) -> None:
    first, second = (nova.casualties(["active"], host)["active"] for host in (SOURCE, SECOND))
    assert nova.force_down(SOURCE, True) == nova.force_down(SECOND, True) == 200
    nova.spawn_delay(2)
    for number, instance in enumerate((first, second), 1):
        assert nova.evacuate(instance) == 200
        assert nova.evacuating_since(60)[:number] == [second, first][-number:]
    nova.wait("both have arrived", lambda: settled(nova, first) and settled(nova, second))
    assert nova.evacuating_since(60)[:2] == [second, first]


def test_the_list_of_changes_shows_at_once_what_an_evacuation_does(nova: NovaUnderTest) -> None:
    """Also what was deleted, which no other list shows."""
    made = nova.casualties(["active", "stopped", "paused"], SOURCE)
    moving, deleted, still = made["active"], made["stopped"], made["paused"]
    nova.force_down(SOURCE, True)
    nova.pass_time(8)
    assert not {moving, deleted, still} & nova.changed_since(4).keys()
    assert nova.evacuate(moving) == 200
    assert moving in nova.changed_since(4)
    nova.wait("it has arrived", lambda: settled(nova, moving))
    destination = seen(nova, moving).host
    assert nova.changed_since(10)[moving] == ("active", destination)
    nova.delete(deleted)
    nova.wait("it is deleted", lambda: nova.seen(deleted) is None)
    assert nova.changed_since(10)[deleted][0] == "deleted"


def test_a_host_that_is_believed_up_is_not_left(nova: NovaUnderTest) -> None:
    instance = nova.casualties(["active"], SOURCE)["active"]
    assert nova.evacuate(instance) == 400
    assert nova.force_down(SOURCE, True) == 200
    assert nova.evacuate(instance) == 200


def test_no_valid_host_leaves_an_error_and_a_later_try_works(nova: NovaUnderTest) -> None:
    made = nova.casualties(["active", "stopped"], SOURCE)
    nova.force_down(SOURCE, True)
    nova.close(SECOND, THIRD)
    for instance in made.values():
        assert nova.evacuate(instance) == 200
    for instance in made.values():
        nova.wait("it failed", lambda i=instance: newest(nova, i).status == "error")
        nova.wait("it says so", lambda i=instance: seen(nova, i).vm_state == "error")
        assert seen(nova, instance).host == SOURCE
        assert seen(nova, instance).task_state is None
        assert "No valid host" in seen(nova, instance).fault
    # What it had been survives only here, and only until the next try begins.
    assert seen(nova, made["stopped"]).power_state == 4
    nova.close()
    for instance in made.values():
        assert nova.evacuate(instance) == 200
        nova.wait("it has arrived", lambda i=instance: settled(nova, i))
        assert seen(nova, instance).vm_state == "active", "also what had been shut off"


def test_the_destination_overwrites_the_power_state_before_it_boots(nova: NovaUnderTest) -> None:
    instance = one(nova, "error-stopped")
    assert seen(nova, instance).power_state == 4
    nova.spawn_delay(5)
    assert nova.evacuate(instance) == 200
    nova.wait("it spawns", lambda: spawning(nova, instance))
    assert seen(nova, instance).power_state == 0


def test_a_destination_that_dies_takes_the_evacuation_with_it(nova: NovaUnderTest) -> None:
    instance = one(nova)
    nova.close(THIRD)
    nova.spawn_delay(5)
    assert nova.evacuate(instance) == 200
    nova.wait("it spawns", lambda: spawning(nova, instance))
    nova.crash(SECOND)
    nova.force_down(SECOND, True)
    nova.spawn_delay(0)
    nova.pass_time(8)
    assert spawning(nova, instance)
    assert seen(nova, instance).host == SOURCE
    assert nova.evacuations(instance) == [Evacuation("pre-migrating", SECOND)]
    nova.start(SECOND)
    nova.pass_time(3)
    assert nova.evacuations(instance) == [Evacuation("pre-migrating", SECOND)]
    assert nova.guests(instance) == set()
    nova.close(SECOND)
    assert nova.evacuate(instance) == 200
    nova.wait("it has arrived", lambda: settled(nova, instance))
    assert nova.guests(instance) == {THIRD}
    # The source closes one record an instance a start: the newest.
    nova.start(SOURCE)
    nova.wait("one is closed", lambda: newest(nova, instance).status == "completed")
    assert [e.status for e in nova.evacuations(instance)] == ["pre-migrating", "completed"]
    nova.crash(SOURCE)
    nova.start(SOURCE)
    nova.wait(
        "both are closed",
        lambda: {e.status for e in nova.evacuations(instance)} == {"completed"},
    )


def test_a_second_request_is_not_refused(nova: NovaUnderTest) -> None:
    """So nobody but the evacuator keeps an instance from being started twice (law 2)."""
    instance = one(nova)
    nova.spawn_delay(3)
    assert nova.evacuate(instance) == 200
    nova.wait("it spawns", lambda: spawning(nova, instance))
    assert nova.evacuate(instance) == 200
    assert len(nova.evacuations(instance)) == 2


def test_a_source_that_returns_too_early_writes_completed_and_then_it_is_done(
    nova: NovaUnderTest,
) -> None:
    instance = one(nova)
    nova.spawn_delay(25)
    assert nova.evacuate(instance) == 200
    nova.wait("it spawns", lambda: spawning(nova, instance))
    nova.start(SOURCE)
    nova.wait("it is 'completed'", lambda: newest(nova, instance).status == "completed")
    assert spawning(nova, instance), "make the spawn delay longer"
    nova.wait("it has arrived", lambda: settled(nova, instance))
    assert newest(nova, instance).status == "done"
    assert nova.force_down(SOURCE, False) == 400


def test_un_forcing_needs_a_start_of_the_source_first(nova: NovaUnderTest) -> None:
    instance = one(nova)
    assert nova.evacuate(instance) == 200
    nova.wait("it has arrived", lambda: settled(nova, instance))
    assert nova.force_down(SOURCE, False) == 400
    nova.start(SOURCE)
    nova.wait("it is closed", lambda: newest(nova, instance).status == "completed")
    assert nova.force_down(SOURCE, False) == 200
    nova.wait("the source is up", lambda: nova.up(SOURCE))


def test_un_forcing_is_allowed_while_an_evacuation_goes_on(nova: NovaUnderTest) -> None:
    instance = one(nova)
    nova.spawn_delay(6)
    assert nova.evacuate(instance) == 200
    nova.wait("it spawns", lambda: spawning(nova, instance))
    assert nova.force_down(SOURCE, False) == 200


def test_a_target_is_kept_to(nova: NovaUnderTest) -> None:
    instance = one(nova)
    assert nova.evacuate(instance, target=SOURCE) == 400
    assert nova.evacuate(instance, target="compute-99") == 404
    assert nova.evacuate(instance, target=THIRD) == 200
    nova.wait("it has arrived", lambda: settled(nova, instance))
    assert seen(nova, instance).host == THIRD


def test_a_target_that_is_closed_finds_no_valid_host(nova: NovaUnderTest) -> None:
    instance = one(nova)
    nova.close(THIRD)
    assert nova.evacuate(instance, target=THIRD) == 200
    nova.wait("it failed", lambda: newest(nova, instance).status == "error")
    assert seen(nova, instance).vm_state == "error"
    assert nova.guests(instance) == set()


def test_with_every_host_forced_down_it_is_accepted_and_finds_no_place(
    nova: NovaUnderTest,
) -> None:
    instance = one(nova)
    for host in HOSTS:
        assert nova.force_down(host, True) == 200
    assert nova.evacuate(instance, "2.96") == 400
    assert nova.evacuate(instance) == 200
    nova.wait("it failed", lambda: newest(nova, instance).status == "error")


def test_an_evacuation_that_is_disturbed_leaves_its_guest_behind(nova: NovaUnderTest) -> None:
    """And nothing keeps Nova from starting a second one on another host."""
    instance = one(nova)
    nova.spawn_delay(5)
    assert nova.evacuate(instance, target=SECOND) == 200
    nova.wait("it spawns", lambda: spawning(nova, instance))
    assert nova.act(instance, "reset to error") == 200
    nova.wait("it has failed", lambda: newest(nova, instance) == Evacuation("failed", SECOND))
    nova.spawn_delay(0)
    assert nova.guests(instance) == {SECOND}
    left = seen(nova, instance)
    assert (left.host, left.vm_state, left.task_state) == (SOURCE, "error", None)
    assert "Conflict updating" in nova.fault(instance)

    assert nova.evacuate(instance, target=SECOND) == 200
    nova.wait("it has failed again", lambda: len(nova.evacuations(instance)) == 2)
    nova.wait("it has failed again", lambda: newest(nova, instance).status == "failed")
    assert "already exists" in nova.fault(instance)
    assert newest(nova, instance).destination == SECOND
    assert nova.guests(instance) == {SECOND}

    assert nova.evacuate(instance, target=THIRD) == 200
    nova.wait("it runs there, too", lambda: settled(nova, instance))
    assert nova.guests(instance) == {SECOND, THIRD}
