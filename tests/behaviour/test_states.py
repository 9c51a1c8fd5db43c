"""What an evacuate request is answered, and where it ends, by the state of the instance."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.behaviour.harness import SOURCE, THIRD, NovaUnderTest, Seen

MOVES = {
    "active": "active",
    "locked": "active",
    "error": "active",
    "stopped": "stopped",
    "error-stopped": "active",
    "powering-off": "active",
    "rebooting": "active",
    "rebooting-hard": "active",
    "password": "active",
    "migrating": "active",
    "resizing": "active",
    "rebuilding": "active",
}
"""Evacuated as they are, and how they come out: what was pending is forgotten."""

RESET = ["paused", "suspended", "rescued", "shelved", "resized"]
"""Refused with 409, and evacuated after a reset to error: they come out active."""

FORMS = [*MOVES, *RESET, "building", "shelved-offloaded"]


@pytest.fixture(scope="module")
def casualties(shared_nova: NovaUnderTest) -> Mapping[str, str]:
    made = shared_nova.casualties([*FORMS, "deleting"], SOURCE)
    assert shared_nova.force_down(SOURCE, True) == 200
    return made


def arrived(nova: NovaUnderTest, instance: str) -> Seen:
    """The instance, once it is on another host and at rest."""

    def there() -> bool:
        seen = nova.seen(instance)
        return seen is not None and seen.host != SOURCE and seen.task_state is None

    nova.wait(f"{instance} is elsewhere", there)
    seen = nova.seen(instance)
    assert seen is not None
    return seen


@pytest.mark.parametrize("form", MOVES)
def test_evacuated_as_it_is(
    shared_nova: NovaUnderTest, casualties: Mapping[str, str], form: str
) -> None:
    instance = casualties[form]
    assert shared_nova.evacuate(instance) == 200
    seen = arrived(shared_nova, instance)
    assert seen.vm_state == MOVES[form]
    assert shared_nova.guests(instance) == ({seen.host} if seen.vm_state == "active" else set())
    assert shared_nova.evacuate(instance) == 400, "its new host is in use"


@pytest.mark.parametrize("form", RESET)
def test_refused_until_it_is_reset_to_error(
    shared_nova: NovaUnderTest, casualties: Mapping[str, str], form: str
) -> None:
    instance = casualties[form]
    assert shared_nova.evacuate(instance) == 409
    assert shared_nova.act(instance, "reset to error") == 200
    # Not to the second host: the copy of the resize is there, and it would fail.
    assert shared_nova.evacuate(instance, target=THIRD) == 200
    seen = arrived(shared_nova, instance)
    assert seen.vm_state == "active"
    assert shared_nova.guests(instance) == {seen.host}


def test_one_that_never_ran_is_refused_for_good(
    shared_nova: NovaUnderTest, casualties: Mapping[str, str]
) -> None:
    instance = casualties["building"]
    assert shared_nova.evacuate(instance) == 409
    assert shared_nova.act(instance, "reset to error") == 200
    assert shared_nova.evacuate(instance) == 409


def test_one_without_a_host_has_nothing_to_leave(
    shared_nova: NovaUnderTest, casualties: Mapping[str, str]
) -> None:
    assert shared_nova.evacuate(casualties["shelved-offloaded"]) == 400


def test_one_whose_deletion_is_pending_is_evacuated_like_any_other(
    shared_nova: NovaUnderTest, casualties: Mapping[str, str]
) -> None:
    instance = casualties["deleting"]
    seen = shared_nova.seen(instance)
    assert seen is not None
    assert seen.task_state == "deleting"
    assert shared_nova.evacuate(instance) == 200
    assert arrived(shared_nova, instance).vm_state == "active"


def test_a_deleted_one_is_not_found(nova: NovaUnderTest) -> None:
    instance = nova.casualties(["active"], SOURCE)["active"]
    nova.force_down(SOURCE, True)
    nova.delete(instance)
    assert nova.evacuate(instance) == 404
    assert nova.seen(instance) is None


def test_from_2_95_on_it_ends_shut_off_unless_it_was_in_error(nova: NovaUnderTest) -> None:
    made = nova.casualties(["active", "error"], SOURCE)
    nova.force_down(SOURCE, True)
    ends = {"active": "stopped", "error": "active"}
    for form, instance in made.items():
        assert nova.evacuate(instance, "2.96") == 200
        assert arrived(nova, instance).vm_state == ends[form]


def test_the_source_of_a_resize_confirms_it_though_the_destination_is_dead(
    nova: NovaUnderTest,
) -> None:
    instance = nova.casualties(["resized"], SOURCE)["resized"]
    nova.force_down(SOURCE, True)
    assert nova.act(instance, "confirm resize") == 200

    def confirmed() -> bool:
        seen = nova.seen(instance)
        return seen is not None and (seen.vm_state, seen.task_state) == ("active", None)

    nova.wait("the resize is confirmed", confirmed)
    assert nova.evacuate(instance) == 200
    seen = arrived(nova, instance)
    assert seen.vm_state == "active"
    assert nova.guests(instance) == {seen.host}


@pytest.mark.parametrize(("action", "state"), [("pause", "paused"), ("suspend", "suspended")])
def test_an_evacuated_one_can_be_given_its_state_back(
    nova: NovaUnderTest, action: str, state: str
) -> None:
    instance = nova.casualties([state], SOURCE)[state]
    nova.force_down(SOURCE, True)
    nova.act(instance, "reset to error")
    assert nova.evacuate(instance) == 200
    arrived(nova, instance)
    assert nova.act(instance, action) == 200
    nova.wait(f"it is {state}", lambda: arrived(nova, instance).vm_state == state)


def test_what_is_asked_of_a_dead_host_stays_pending(nova: NovaUnderTest) -> None:
    made = nova.casualties(["active", "error"], SOURCE)
    for instance in made.values():
        assert nova.act(instance, "stop") == 200
    nova.pass_time(3)
    for instance in made.values():
        seen = nova.seen(instance)
        assert seen is not None
        assert seen.task_state == "powering-off"
