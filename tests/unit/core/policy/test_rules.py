"""The first rule that matches decides, and what was not read decides nothing."""

from __future__ import annotations

from typing import Any

import pytest

from novaha.core.policy.match import Condition, Key
from novaha.core.policy.presets import PRESETS
from novaha.core.policy.rules import Decision, Rule, Rules, Treatment, Undecided
from novaha.core.policy.traits import ImageTraits
from tests.unit.core.policy.subjects import subject

EVACUATE, LEAVE, STOPPED, NOTIFY = Treatment


def rule(name: str, treatment: Treatment, *match: Condition, **more: Any) -> Rule:
    return Rule(name, 1, match, treatment=treatment, **more)


def name(*patterns: str) -> Condition:
    return Condition(Key.NAME, patterns)


def image(*values: str | bool) -> Condition:
    return Condition(Key.IMAGE_PROPERTY, values, "evacuable")


def test_an_empty_policy_moves_all() -> None:
    assert Rules().decide(subject()) == Decision(EVACUATE)
    assert Rules(default=LEAVE).decide(subject()) == Decision(LEAVE)


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        (
            (rule("a", LEAVE, name("web-*")), rule("b", STOPPED, name("web-1"))),
            Decision(LEAVE, "a"),
        ),
        (
            (rule("a", LEAVE, name("db-*")), rule("b", STOPPED, name("web-1"))),
            Decision(STOPPED, "b"),
        ),
        ((rule("a", LEAVE, name("db-*")), rule("b", NOTIFY, name("x"))), Decision(EVACUATE)),
        ((rule("a", LEAVE, name("*"), unless=((name("web-*"),),)),), Decision(EVACUATE)),
        ((rule("a", LEAVE, name("*"), unless=((name("db-*"),),)),), Decision(LEAVE, "a")),
        ((rule("a", LEAVE, unless=((name("db-*"),), (name("web-1"),))),), Decision(EVACUATE)),
    ],
)
def test_first_match_wins(rules: tuple[Rule, ...], wanted: Decision) -> None:
    assert Rules(rules).decide(subject()) == wanted


def test_what_was_not_read_decides_nothing() -> None:
    """Peers made "all" or "none" of "some" when a look-up failed."""
    some = Rules((rule("tagged", EVACUATE, image(True)),), default=LEAVE)
    assert some.decide(subject(images=None)) == Undecided(("image_property",), "tagged")
    assert some.decide(subject()) == Decision(LEAVE)
    tagged = {"i1": ImageTraits({"evacuable": "True"})}
    assert some.decide(subject(images=tagged)) == Decision(EVACUATE, "tagged")


def test_what_comes_out_the_same_is_not_waited_for() -> None:
    rules = Rules((rule("a", EVACUATE, image(True)), rule("b", EVACUATE, name("web-1"))))
    assert rules.decide(subject(images=None)) == Decision(EVACUATE, "b")
    assert Rules((rule("a", EVACUATE, image(True)),)).decide(subject(images=None)).rule == ""


def test_a_rule_before_the_unread_one_decides() -> None:
    rules = Rules((rule("a", LEAVE, name("web-1")), rule("b", EVACUATE, image(True))))
    assert rules.decide(subject(images=None)) == Decision(LEAVE, "a")


def test_an_exception_that_was_not_read_is_waited_for() -> None:
    rules = Rules((rule("a", LEAVE, name("web-1"), unless=((image(True),),)),))
    assert rules.decide(subject(images=None)) == Undecided(("image_property",), "a")
    rules = Rules((rule("a", LEAVE, name("db-1"), unless=((image(True),),)),))
    assert rules.decide(subject(images=None)) == Decision(EVACUATE)


class TestLocalDisks:
    """An evacuation rebuilds them from the image: that is decided before anything is asked."""

    def test_they_stay_by_default(self) -> None:
        found = Rules().decide(subject(local_disk=True))
        assert found == Decision(LEAVE, keeps_disks=True)
        assert not found.moves

    def test_the_policy_or_a_rule_lets_them_go(self) -> None:
        assert Rules(lose_local_disks=True).decide(subject(local_disk=True)) == Decision(EVACUATE)
        lose = rule("cattle", EVACUATE, name("*"), lose_local_disks=True)
        assert Rules((lose,)).decide(subject(local_disk=True)) == Decision(EVACUATE, "cattle")
        keep = rule("pets", STOPPED, name("*"), lose_local_disks=False)
        found = Rules((keep,), lose_local_disks=True).decide(subject(local_disk=True))
        assert found == Decision(LEAVE, "pets", keeps_disks=True)

    @pytest.mark.parametrize(
        ("zone", "wanted"), [("az1", Decision(EVACUATE)), ("az2", Decision(LEAVE, "", True))]
    )
    def test_storage_that_is_proven_to_be_shared(self, zone: str, wanted: Decision) -> None:
        shared = ((Condition(Key.ZONE, (zone,)),),)
        assert Rules(shared=shared).decide(subject(local_disk=True)) == wanted

    def test_shared_everywhere(self) -> None:
        assert Rules(shared=((),)).decide(subject(local_disk=True)) == Decision(EVACUATE)
        assert Rules(shared=((),)).decide(subject(local_disk=None)) == Decision(EVACUATE)

    def test_what_is_not_known_is_waited_for(self) -> None:
        assert Rules().decide(subject(local_disk=None)) == Undecided(("disks of the flavor",))
        shared = ((Condition(Key.ZONE, ("az1",)),),)
        found = Rules(shared=shared).decide(subject(local_disk=True, place=None))
        assert found == Undecided(("zone",))

    def test_of_an_instance_that_stays_nothing_has_to_be_known(self) -> None:
        assert Rules(default=LEAVE).decide(subject(local_disk=None)) == Decision(LEAVE)


def test_a_decision_is_made_anew_when_anything_has_changed() -> None:
    rules = Rules((rule("a", LEAVE, name("web-*")), rule("b", LEAVE, image(True))))
    assert rules.decide(subject()).rule == "a"
    assert rules.decide(subject(name="db-1")) == Decision(EVACUATE)
    tagged = {"i1": ImageTraits({"evacuable": "yes"})}
    assert rules.decide(subject(name="db-1", images=tagged)).rule == "b"
    assert rules.decide(subject(name="db-1", images={})) == Undecided(("image_property",), "b")
    assert rules.decide(subject(name="db-1")) == Decision(EVACUATE)


def test_what_a_policy_goes_by_is_known() -> None:
    rules = Rules(
        (rule("a", LEAVE, name("x"), unless=((image(True),),)),),
        shared=((Condition(Key.ZONE, ("az1",)),),),
    )
    assert rules.keys == {Key.NAME, Key.IMAGE_PROPERTY, Key.ZONE}


def preset(kind: str) -> Rules:
    return Rules(
        tuple(Rule(part, 1, match, unless) for part, match, unless in PRESETS[kind]), default=LEAVE
    )


SPEC, PROPERTY = "extra_specs", "images"


@pytest.mark.parametrize(
    ("kind", "changes", "moves"),
    [
        ("evacuable", {}, False),
        ("evacuable", {"extra_specs": {"evacuable": "True"}}, True),
        ("evacuable", {"extra_specs": {"evacuable": " true "}}, True),
        ("evacuable", {"extra_specs": {"evacuable": "false"}}, False),
        ("evacuable", {"extra_specs": {"trait:CUSTOM_evacuable": "true"}}, False),
        ("evacuable", {"images": {"i1": ImageTraits({"evacuable": "true"})}}, True),
        ("evacuable", {"images": {"i1": ImageTraits({}, ("evacuable",))}}, True),
        ("evacuable", {"images": {"i1": ImageTraits({}, ("not-evacuable",))}}, False),
        ("evacuable", {"image": "", "images": {}}, False),
        ("instanceha", {}, False),
        ("instanceha", {"extra_specs": {"evacuable": "true"}}, True),
        ("instanceha", {"extra_specs": {"trait:CUSTOM_evacuable": "true"}}, True),
        (
            "instanceha",
            {"extra_specs": {"evacuable": "false", "trait:evacuable": "true"}},
            False,
        ),
        ("instanceha", {"images": {"i1": ImageTraits({}, ("x-evacuable",))}}, True),
        ("HA_Enabled", {"metadata": {"HA_Enabled": "True"}}, True),
        ("HA_Enabled", {"metadata": {"HA_Enabled": "no"}}, False),
        ("HA_Enabled", {}, False),
    ],
)
def test_how_other_products_select(kind: str, changes: dict[str, Any], moves: bool) -> None:
    found = preset(kind).decide(subject(**changes))
    assert isinstance(found, Decision)
    assert found.moves is moves


def test_a_failed_look_up_of_a_preset_is_neither_all_nor_none() -> None:
    assert isinstance(preset("evacuable").decide(subject(images=None)), Undecided)
    found = preset("evacuable").decide(subject(images=None, extra_specs={"evacuable": "true"}))
    assert found == Decision(EVACUATE, "flavor")
