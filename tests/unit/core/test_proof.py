"""What proves that a host was down (law 1), and what is read of Nova before that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from novaha.core import reading
from novaha.core.proof import Proof, of_fencing
from novaha.core.recovery import RecoveryState
from novaha.core.schedule import GATHER
from tests.unit.core.situations import ALIVE, DEAD, FENCED, NOW, SERVICE, record, view

BEFORE, AFTER = FENCED - timedelta(seconds=1), FENCED + timedelta(seconds=1)


@dataclass(frozen=True)
class Told:
    """What Pacemaker tells of the dead host. device, by_hand: when it was fenced so."""

    device: datetime | None = None
    by_hand: datetime | None = None
    powerless: str = ""

    def confirmed_since(self, node: str, moment: datetime) -> bool:
        return node == DEAD and self.device is not None and self.device >= moment

    def confirmed_by_hand(self) -> dict[str, datetime]:
        return {} if self.by_hand is None else {DEAD: self.by_hand}

    def without_power_device(self, node: str) -> str:
        return self.powerless


@pytest.mark.parametrize(
    ("told", "devices", "proof"),
    [
        (Told(), True, Proof.NONE),
        (Told(device=FENCED), True, Proof.BY_DEVICE),
        (Told(device=AFTER), True, Proof.BY_DEVICE),
        (Told(device=BEFORE), True, Proof.NONE),
        (Told(device=AFTER), False, Proof.NONE),
        (Told(device=AFTER, powerless="no device"), True, Proof.NONE),
        (Told(by_hand=FENCED), True, Proof.BY_HAND),
        (Told(by_hand=BEFORE), True, Proof.NONE),
        (Told(by_hand=AFTER, powerless="no device"), False, Proof.BY_HAND),
        (Told(device=AFTER, by_hand=AFTER), True, Proof.BY_DEVICE),
        (Told(device=AFTER, by_hand=AFTER), False, Proof.BY_HAND),
    ],
)
def test_law_1_what_proves_that_a_host_was_down(told: Told, devices: bool, proof: Proof) -> None:
    found = of_fencing(DEAD, FENCED, told, told, devices=devices)
    assert found is proof
    assert bool(found) is (proof is not Proof.NONE)


def test_law_1_the_fencing_of_another_host_proves_nothing() -> None:
    told = Told(device=AFTER, by_hand=AFTER)
    assert of_fencing(ALIVE, FENCED, told, told) is Proof.NONE


UNTOLD = replace(SERVICE, forced_down=False)


@pytest.mark.parametrize(
    ("known", "matters", "may_wait"),
    [
        ({}, True, True),
        ({"record": record(before=None)}, True, False),
        ({"record": record(before=None), "service": UNTOLD}, True, False),
        ({"service": UNTOLD}, False, False),
        ({"service": None}, False, False),
        ({"mine": False}, False, False),
        ({"problem": "Nova is away"}, False, False),
        ({"doubt": "it lives"}, False, True),
        ({"record": record(state=RecoveryState.RECOVERED)}, False, False),
    ],
)
def test_what_is_listed_in_a_turn(known: dict[str, object], matters: bool, may_wait: bool) -> None:
    assert reading.matters(view(**known)) is matters
    assert reading.may_wait(view(**known)) is may_wait


FLAGGED = replace(record(state=RecoveryState.PENDING, before=None), node=ALIVE)


@pytest.mark.parametrize(
    ("records", "owned_at", "begun"),
    [
        ([record(), FLAGGED], NOW, True),
        ([record(), replace(record(before=None), node=ALIVE)], NOW, True),
        ([record()], NOW, False),
        ([FLAGGED], NOW, True),
        ([record(), FLAGGED], NOW - GATHER, False),
        ([], NOW, False),
    ],
)
def test_while_all_has_just_begun_nothing_is_listed_that_can_wait(
    records: list, owned_at: float, begun: bool
) -> None:
    since = {DEAD: owned_at, ALIVE: owned_at}
    assert reading.all_just_begun(records, since, NOW) is begun
