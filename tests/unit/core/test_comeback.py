"""How a recovered host comes back, as tables: what was read -> kept out, and why."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from novaha.core import comeback
from novaha.core.recovery import RecoveryState
from novaha.core.view import HostView
from tests.unit.core.situations import FENCED, POLICY, SERVICE, record, view

FLAPPING = replace(POLICY, flap_fencings=3, flap_window=600.0)
LOOKED_AT = replace(POLICY, flap_fencings=0, return_disabled=True)
OURS = replace(SERVICE, up=True, forced_down=False, disabled_reason="novaha: fenced, recovery x")
KEPT = replace(OURS, disabled_reason="novaha: kept out, fenced 3 times")
ENABLED = replace(OURS, enabled=True, disabled_reason="")
FORCED = replace(ENABLED, forced_down=True)
BY_OPERATOR = replace(OURS, disabled_reason="maintenance")
WITHOUT_REASON = replace(OURS, disabled_reason="")
NOBODY = frozenset[str]()
THRICE = (-300, -100, 0)


def back(*fenced: float, marks: frozenset[str] = frozenset({"forced"}), **known: Any) -> HostView:
    """A recovered host. fenced: seconds after its last flag."""
    over = record(state=RecoveryState.RECOVERED, marks=marks)
    times = tuple(FENCED + timedelta(seconds=seconds) for seconds in fenced)
    return view(**{"record": over, "service": OURS, "fencings": times, **known})


COUNTED = (
    "novaha: kept out, fenced 3 times within 600 s: "
    "2025-12-31T23:55:00Z 2025-12-31T23:58:20Z 2026-01-01T00:00:00Z"
)
TO_BE_LOOKED_AT = "novaha: kept out, to be looked at by an operator ([evacuator] return = disabled)"


@pytest.mark.parametrize(
    ("seen", "policy", "why"),
    [
        (back(*THRICE), FLAPPING, COUNTED),
        (back(*THRICE[1:]), FLAPPING, ""),
        (back(*THRICE), replace(FLAPPING, flap_fencings=4), ""),
        (back(*THRICE), replace(FLAPPING, flap_fencings=0), ""),
        (back(0), replace(FLAPPING, flap_fencings=1, flap_window=7.5), "novaha: kept out, fenced once within 7.5 s: 2026-01-01T00:00:00Z"),
        (back(*range(-100, 1, 20)), FLAPPING, "novaha: kept out, fenced 6 times within 600 s: 2025-12-31T23:58:40Z 2025-12-31T23:59:00Z 2025-12-31T23:59:20Z 2025-12-31T23:59:40Z 2026-01-01T00:00:00Z"),
        (back(), LOOKED_AT, TO_BE_LOOKED_AT),
        (back(*THRICE), replace(FLAPPING, return_disabled=True), COUNTED),
        (back(0), replace(FLAPPING, return_disabled=True), TO_BE_LOOKED_AT),
        (back(*THRICE, service=None), FLAPPING, ""),
        (back(service=BY_OPERATOR), LOOKED_AT, ""),
        (back(service=ENABLED), LOOKED_AT, ""),
        (back(service=FORCED), LOOKED_AT, TO_BE_LOOKED_AT),
        (back(service=FORCED, marks=NOBODY), LOOKED_AT, ""),
        (back(service=ENABLED, marks=NOBODY), LOOKED_AT, ""),
        (back(service=WITHOUT_REASON), LOOKED_AT, ""),
        (back(service=WITHOUT_REASON, marks=frozenset({"adopted"})), LOOKED_AT, TO_BE_LOOKED_AT),
        (back(service=BY_OPERATOR, marks=frozenset({"adopted"})), LOOKED_AT, ""),
        (back(service=KEPT), POLICY, KEPT.disabled_reason),
        (back(service=KEPT, marks=frozenset({"kept"})), LOOKED_AT, ""),
        (back(*THRICE, marks=frozenset({"kept"})), FLAPPING, COUNTED),
        (back(*THRICE, marks=frozenset({"admitted"})), replace(FLAPPING, return_disabled=True), ""),
        (back(service=KEPT, marks=frozenset({"admitted"})), LOOKED_AT, ""),
    ],
)  # fmt: skip
def test_law_6_which_host_is_kept_out_from_now_on(seen: HostView, policy: Any, why: str) -> None:
    assert comeback.keep_out_for(seen, policy) == why


@pytest.mark.parametrize(
    ("seen", "kept", "why"),
    [
        (back(service=KEPT), True, "fenced 3 times"),
        (back(service=replace(KEPT, disabled_reason="novaha: kept out")), True, ""),
        (back(service=KEPT, marks=frozenset({"admitted"})), False, "fenced 3 times"),
        (back(service=replace(KEPT, enabled=True)), False, "fenced 3 times"),
        (back(), False, OURS.disabled_reason),
        (back(service=None), False, ""),
        (
            back(service=replace(KEPT, disabled_reason="novaha: kept out, XEN died")),
            True,
            "XEN died",
        ),
    ],
)
def test_which_host_is_kept_out_and_why(seen: HostView, kept: bool, why: str) -> None:
    assert comeback.is_kept_out(seen) is kept
    assert comeback.why_kept_out(seen) == why


@pytest.mark.parametrize(
    ("after", "up_for", "stable"),
    [
        (0.0, None, True),
        (-1.0, None, True),
        (1.0, None, False),
        (60.0, 59.9, False),
        (60.0, 60.0, True),
        (0.5, 0.4, False),
    ],
)
def test_how_long_a_host_has_to_be_up(after: float, up_for: float | None, stable: bool) -> None:
    assert comeback.is_stable(back(up_for=up_for), replace(POLICY, return_after=after)) is stable


@pytest.mark.parametrize(
    ("fenced", "counted"),
    [
        ([], []),
        ([0], [0]),
        ([-600], [-600]),
        ([-601], []),
        ([50, -50], [-50, 50]),
        ([0, 0], [0]),
        ([0, 9.9], [0]),
        ([0, 10], [0, 10]),
        ([0, 6, 12], [0, 12]),
        ([-605, -599, 0], [-599, 0]),
        ([-700, -50, -100], [-100, -50]),
    ],
)
def test_what_counts_as_one_fencing(fenced: list[float], counted: list[float]) -> None:
    """From ten seconds apart: no host boots in between."""
    times = [FENCED + timedelta(seconds=seconds) for seconds in fenced]
    found = comeback.recent_fencings(times, FENCED, 600.0)
    assert [(at - FENCED).total_seconds() for at in found] == counted


def test_the_times_are_told_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        told = comeback.keep_out_for(back(*THRICE), FLAPPING)
    time.tzset()
    assert told == COUNTED
