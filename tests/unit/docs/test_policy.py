"""The examples of the policy's page: each is right, and does what the page says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from novaha.conf import policy
from novaha.core.groups import Place
from novaha.core.policy.match import Key
from novaha.core.policy.rules import Decision, Treatment
from tests.unit.core.policy.subjects import subject
from tests.unit.docs.pages import DOCS, blocks, first_column

PAGE = (DOCS / "guide/policy.md").read_text()
EXAMPLES = {b.mark or "first": b.text for b in blocks(PAGE) if b.language == "yaml"}

EVACUATE, LEAVE, STOPPED, NOTIFY = Treatment
TEST, ELSEWHERE = Place("test"), Place("az2")
LOCAL = {"local_disk": True}


def test_all_examples_are_found() -> None:
    assert set(EXAMPLES) == {"first", "pets-and-cattle", "per-zone", "opt-in", "opt-out", "order"}


@pytest.mark.parametrize(
    ("example", "changes", "wanted"),
    [
        ("first", {"project": "3f0a8c1d2b7e4a65ae2d4f5a90c3d1f7"}, LEAVE),
        ("first", {"flavor": "batch.large"}, STOPPED),
        ("first", {"flavor": "batch.large", "place": Place("az3")}, EVACUATE),
        ("first", {"flavor": "batch.large", "tags": ("keep-running",)}, EVACUATE),
        ("first", LOCAL, EVACUATE),
        ("pets-and-cattle", {"extra_specs": {"class": "pet"}}, EVACUATE),
        ("pets-and-cattle", {"extra_specs": {"class": "pet"}, **LOCAL}, LEAVE),
        ("pets-and-cattle", LOCAL, EVACUATE),
        ("per-zone", LOCAL, EVACUATE),
        ("per-zone", {**LOCAL, "place": ELSEWHERE}, LEAVE),
        ("per-zone", {"place": ELSEWHERE}, EVACUATE),
        ("per-zone", {"place": TEST}, NOTIFY),
        ("opt-in", {}, LEAVE),
        ("opt-in", {"extra_specs": {"evacuable": "true"}}, EVACUATE),
        ("opt-out", {}, EVACUATE),
        ("opt-out", {"metadata": {"HA_Enabled": "False"}}, LEAVE),
        ("opt-out", {"metadata": {"HA_Enabled": "True"}}, EVACUATE),
    ],
)
def test_each_example(
    example: str, changes: dict[str, Any], wanted: Treatment, tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(EXAMPLES[example])
    rules = policy.load(str(file))
    assert policy.never_matching(rules) == []
    found = rules.decide(subject(**changes))
    assert isinstance(found, Decision)
    assert found.treatment is wanted


def test_the_example_of_an_order(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(EXAMPLES["order"])
    rules = policy.load(str(file))
    found = rules.decide(subject(tags=("db",)))
    assert isinstance(found, Decision)
    assert (found.group, found.priority) == ("database", 90)
    assert rules.groups["web"].after == ("database",)


def test_the_page_has_every_key_action_and_preset() -> None:
    """A key that is added to the schema is explained."""
    told = " ".join(first_column(PAGE)) + PAGE
    definitions = policy.schema()["definitions"]
    assert set(definitions["match"]["properties"]) == {str(key) for key in Key}
    for name in (*Key, *definitions["action"]["enum"], *policy.schema()["properties"]):
        assert f"`{name}" in told or f"{name}:" in told, name
    for name in definitions["rule"]["properties"]["preset"]["enum"]:
        assert f"`preset: {name}`" in PAGE
