"""Each key of a match: what it holds for, what it does not, and when that is not known."""

from __future__ import annotations

from typing import Any

import pytest

from novaha.core.groups import Aggregate, Place
from novaha.core.policy.match import Condition, Key, any_holds, covers, holds
from novaha.core.policy.traits import ImageTraits, Traits
from tests.unit.core.policy.subjects import subject

TWO = Place("az1", (Aggregate("rack-1", {"rack": "1"}), Aggregate("ssd", {"ssd": "yes"})))

CASES: tuple[tuple[Condition, dict[str, Any], bool | None], ...] = (
    (Condition(Key.HOST, ("compute-1",)), {}, True),
    (Condition(Key.HOST, ("compute-*",)), {"host": "storage-1"}, False),
    (Condition(Key.ZONE, ("az1", "az2")), {}, True),
    (Condition(Key.ZONE, ("az2",)), {}, False),
    (Condition(Key.ZONE, ("az1",)), {"place": None}, None),
    (Condition(Key.ZONE, ("az1",)), {"place": Place("")}, None),
    (Condition(Key.AGGREGATE, ("rack-?",)), {}, True),
    (Condition(Key.AGGREGATE, ("ssd",)), {"place": TWO}, True),
    (Condition(Key.AGGREGATE, ("ssd",)), {"place": Place("az1")}, False),
    (Condition(Key.AGGREGATE, ("ssd",)), {"place": None}, None),
    (Condition(Key.AGGREGATE_METADATA, (True,), "ssd"), {"place": TWO}, True),
    (Condition(Key.AGGREGATE_METADATA, (True,), "ssd"), {}, False),
    (Condition(Key.AGGREGATE_METADATA, ("1",), "rack"), {"place": None}, None),
    (Condition(Key.PROJECT, ("p1",)), {}, True),
    (Condition(Key.PROJECT, ("p2",)), {}, False),
    (Condition(Key.PROJECT, ("p1",)), {"project": None}, None),
    (Condition(Key.FLAVOR, ("m1.*",)), {}, True),
    (Condition(Key.FLAVOR, ("M1.*",)), {}, False),
    (Condition(Key.FLAVOR, ("m1.*",)), {"flavor": None}, None),
    (Condition(Key.FLAVOR_EXTRA_SPEC, ("shared",), "hw:cpu_policy"), {}, True),
    (Condition(Key.FLAVOR_EXTRA_SPEC, ("*",), "hw:numa_nodes"), {}, False),
    (Condition(Key.FLAVOR_EXTRA_SPEC, ("shared",), "*cpu*"), {}, True),
    (Condition(Key.FLAVOR_EXTRA_SPEC, (True,), "*cpu*"), {}, False),
    (Condition(Key.FLAVOR_EXTRA_SPEC, ("*",), "x"), {"extra_specs": None}, None),
    (Condition(Key.IMAGE, ("i1",)), {}, True),
    (Condition(Key.IMAGE, ("i1",)), {"image": ""}, False),
    (Condition(Key.IMAGE, ("i1",)), {"image": None}, None),
    (Condition(Key.IMAGE_PROPERTY, ("linux",), "os_type"), {}, True),
    (Condition(Key.IMAGE_PROPERTY, ("windows",), "os_type"), {}, False),
    (Condition(Key.IMAGE_PROPERTY, ("*",), "os_type"), {"image": ""}, False),
    (Condition(Key.IMAGE_PROPERTY, ("linux",), "os_type"), {"images": {}}, None),
    (Condition(Key.IMAGE_PROPERTY, ("linux",), "os_type"), {"images": None}, None),
    (Condition(Key.IMAGE_TAG, ("gold",)), {}, True),
    (Condition(Key.IMAGE_TAG, ("gold",)), {"images": {"i1": ImageTraits({})}}, False),
    (Condition(Key.IMAGE_TAG, ("gold",)), {"images": {"i2": ImageTraits({})}}, None),
    (Condition(Key.SERVER_TAG, ("web",)), {}, True),
    (Condition(Key.SERVER_TAG, ("web",)), {"tags": ()}, False),
    (Condition(Key.SERVER_TAG, ("web",)), {"tags": None}, None),
    (Condition(Key.SERVER_METADATA, (True,), "HA"), {"metadata": {"HA": "Yes"}}, True),
    (Condition(Key.SERVER_METADATA, (True,), "HA"), {"metadata": {"HA": "no"}}, False),
    (Condition(Key.SERVER_METADATA, (False,), "HA"), {"metadata": {"HA": "0"}}, True),
    (Condition(Key.SERVER_METADATA, (False,), "HA"), {"metadata": {"HA": "maybe"}}, False),
    (Condition(Key.SERVER_METADATA, (True,), "HA"), {"metadata": {"ha": "yes"}}, False),
    (Condition(Key.SERVER_METADATA, (True,), "HA"), {"metadata": None}, None),
    (Condition(Key.NAME, ("web-[0-9]",)), {}, True),
    (Condition(Key.NAME, ("web",)), {}, False),
    (Condition(Key.INSTANCE, ("u1",)), {}, True),
    (Condition(Key.BOOTS_FROM_VOLUME, (True,)), {"image": ""}, True),
    (Condition(Key.BOOTS_FROM_VOLUME, (True,)), {}, False),
    (Condition(Key.BOOTS_FROM_VOLUME, (False,)), {}, True),
    (Condition(Key.BOOTS_FROM_VOLUME, (False,)), {"image": None}, None),
)


@pytest.mark.parametrize(("condition", "changes", "wanted"), CASES)
def test_each_key(condition: Condition, changes: dict[str, Any], wanted: bool | None) -> None:
    assert condition.holds(subject(**changes)) is wanted


def test_every_key_is_tried_and_every_unknown_too() -> None:
    assert {condition.key for condition, _, _ in CASES} == set(Key)
    nothing = subject(traits=Traits(), place=None, images=None)
    known = {Key.HOST, Key.NAME, Key.INSTANCE}
    for key in set(Key) - known:
        assert Condition(key, ("*", True, False)).holds(nothing) is None, key


YES = Condition(Key.NAME, ("web-1",))
NO = Condition(Key.NAME, ("db-1",))
UNKNOWN = Condition(Key.PROJECT, ("p1",))


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ((), True),
        ((YES,), True),
        ((YES, NO), False),
        ((YES, UNKNOWN), None),
        ((UNKNOWN, NO), False),
        ((NO, UNKNOWN), False),
    ],
)
def test_all_conditions_hold(match: tuple[Condition, ...], wanted: bool | None) -> None:
    assert holds(match, subject(project=None)) is wanted


@pytest.mark.parametrize(
    ("matches", "wanted"),
    [
        ((), False),
        (((NO,), (YES,)), True),
        (((UNKNOWN,), (YES,)), True),
        (((UNKNOWN,), (NO,)), None),
        (((NO,),), False),
    ],
)
def test_any_match_holds(matches: tuple[tuple[Condition, ...], ...], wanted: bool | None) -> None:
    assert any_holds(matches, subject(project=None)) is wanted


@pytest.mark.parametrize(
    ("wide", "narrow", "wanted"),
    [
        ((), (YES,), True),
        ((YES,), (), False),
        ((YES,), (YES,), True),
        ((YES,), (YES, UNKNOWN), True),
        ((YES, UNKNOWN), (YES,), False),
        ((Condition(Key.NAME, ("web-*",)),), (YES,), True),
        ((Condition(Key.NAME, ("*",)),), (Condition(Key.NAME, ("w*",)),), True),
        ((Condition(Key.NAME, ("web-*",)),), (Condition(Key.NAME, ("web-1*",)),), False),
        ((Condition(Key.NAME, ("a", "b")),), (Condition(Key.NAME, ("a",)),), True),
        ((Condition(Key.NAME, ("a",)),), (Condition(Key.NAME, ("a", "b")),), False),
        ((Condition(Key.ZONE, ("a",)),), (Condition(Key.NAME, ("a",)),), False),
        (
            (Condition(Key.IMAGE_PROPERTY, (True,), "x"),),
            (Condition(Key.IMAGE_PROPERTY, ("yes",), "x"),),
            True,
        ),
        (
            (Condition(Key.IMAGE_PROPERTY, (True,), "x"),),
            (Condition(Key.IMAGE_PROPERTY, (True,), "y"),),
            False,
        ),
    ],
)
def test_what_a_match_covers(
    wide: tuple[Condition, ...], narrow: tuple[Condition, ...], wanted: bool
) -> None:
    assert covers(wide, narrow) is wanted
