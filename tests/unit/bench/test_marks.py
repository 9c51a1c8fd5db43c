"""What the marks on the lab make of what they have seen: times are judged beside others."""

from __future__ import annotations

import pytest
from novahabench import marks
from novahabench.lab_bare import moments
from novahabench.lab_failures import ALERT, BARE, OLDER, POLL
from novahabench.lab_logs import Fencing
from novahabench.lab_site import Story
from novahabench.mark import Case
from novahabench.marks import lab_react, lab_second, lab_service
from novahabench.stats import ratio, reached


@pytest.mark.parametrize(
    ("alert", "poll", "kept"),
    [
        (0.25, 4.0, [True, True]),
        (0.27, 4.0, [False, True]),
        (0.25, 5.19, [True, True]),
        (0.25, 5.21, [True, False]),
    ],
)
def test_mark_1_is_judged_beside_the_bare_script(
    alert: float, poll: float, kept: list[bool]
) -> None:
    took = {ALERT: (alert,), POLL: (poll,), BARE: (0.2,), OLDER: (5.0,)}
    assert [reached(case) for case in lab_react.cases(took)] == kept


@pytest.mark.parametrize("slower", [1.0, 3.0])
def test_mark_1_is_the_same_on_a_slower_machine(slower: float) -> None:
    took = {ALERT: 0.25 * slower, POLL: 4.0, BARE: 0.2 * slower, OLDER: 5.0}
    case, _ = lab_react.cases({kind: (seconds,) for kind, seconds in took.items()})
    assert ratio(case, BARE) == pytest.approx(1.25)
    assert reached(case)


def story(reaction: float, running: float, *, bare: bool = False) -> Story:
    """A death at 100, fenced at 103 and flagged just before."""
    accepted = 103 + reaction
    entries = [] if bare else [("claimed", accepted - 0.1), ("forcedown", accepted - 0.05)]
    entries += [("requested", accepted), ("requested", accepted + 0.4)]
    return Story(
        ("compute-1",),
        2,
        100.0,
        {"compute-1": Fencing(102.5, 102.6, 102.7, 103.0)},
        running=running,
        entries=[
            {"event": event, "at": at, "node": "compute-1", "outcome": "accepted"}
            for event, at in entries
        ],
    )


def service(reaction: float, running: float) -> dict[str, Case]:
    stories = {
        ALERT: [story(reaction, running)],
        BARE: [story(0.2, 104.5, bare=True)],
        OLDER: [story(5.0, 110.0, bare=True)],
    }
    return {case.name: case for case in lab_service.cases(stories)}


def test_mark_7_is_judged_beside_the_bare_script_and_the_parts_are_shown() -> None:
    found = service(0.3, 104.6)
    whole = found[lab_service.WHOLE]
    assert whole.product == pytest.approx((4.6,))
    assert whole.beside[BARE] == pytest.approx((4.5,))
    assert reached(whole)
    assert not reached(service(0.3, 106.0)[lab_service.WHOLE])
    parts = [case for name, case in found.items() if name[0].isdigit()]
    assert [case.name[0] for case in parts] == list("123456789")
    assert sum(case.product[0] for case in parts) == pytest.approx(whole.product[0])


def test_mark_7_the_flag_and_the_reaction_are_a_share_of_the_whole() -> None:
    name = "of that, the flag and the reaction"
    share = service(0.3, 104.6)[name]
    assert share.product == pytest.approx((0.4,))
    assert reached(share)
    assert not reached(service(0.9, 104.6)[name])


def test_mark_5_is_judged_beside_the_same_death_alone() -> None:
    assert reached(lab_second.held((3.0,), (3.8,), (30.0,), 30))
    assert not reached(lab_second.held((3.0,), (4.0,), (30.0,), 30))
    assert reached(lab_second.tried((3.0,), {"15s": (12.0,), "3s": (7.0,)}))
    assert not reached(lab_second.tried((3.0,), {"15s": (12.0,), "3s": (8.0,)}))


def test_no_goal_of_a_mark_on_the_lab_is_in_seconds() -> None:
    took = {ALERT: (0.2,), POLL: (4.0,), BARE: (0.2,), OLDER: (5.0,)}
    cases = [*lab_react.cases(took), *service(0.3, 104.6).values()]
    cases.append(lab_second.held((3.0,), (3.8,), (30.0,), 30))
    assert all(case.goal.of for case in cases if case.goal is not None)
    assert all(" s each" not in mark.mark for mark in marks.find().values())


def test_what_the_bare_script_says() -> None:
    assert moments("") == []
    assert moments("ready\n") == []
    assert moments("ready\n1764493200.25\n1764493200.5\n") == [1764493200.25, 1764493200.5]
    assert moments("ready\n1764493200.25\nPOST /servers/x: 409 no\n") == [1764493200.25]
