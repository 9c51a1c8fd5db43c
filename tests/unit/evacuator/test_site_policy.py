"""The site's policy while hosts die: what is moved, what stays, and what is waited for."""

from __future__ import annotations

import os
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from novaha import wiring
from novaha.core.errors import ConfigError, NotSentError
from novaha.core.groups import Aggregate, Place
from novaha.core.policy.traits import ImageTraits
from novaha.core.recovery import RecoveryState
from novaha.core.steps import InstanceReport
from novaha.evacuator.lookups import Lookups
from novaha.evacuator.site_policy import PolicyFile, SitePolicy
from tests.fakes.cluster import Inline, Site
from tests.unit.evacuator.sites import record, recovered, site_with

AWAY = NotSentError("read image i1", "Connection refused")


@dataclass
class Catalogue:
    """Zones, aggregates and images, as far as they answer. asked: every question."""

    zones: dict[str, Place] = field(default_factory=dict)
    images: dict[str, ImageTraits] = field(default_factory=dict)
    fails: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def places(self) -> dict[str, Place]:
        self.asked.append("places")
        return self._answer(self.zones)

    def image(self, image: str) -> ImageTraits:
        self.asked.append(image)
        return self._answer(self.images.get(image))

    def _answer(self, value: Any) -> Any:
        if self.fails is not None:
            raise self.fails
        return value


@dataclass
class Declared:
    """A site with a policy file."""

    site: Site
    file: Path
    catalogue: Catalogue

    def write(self, text: str) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"version: 1\n{text}\n")
        os.replace(fresh, self.file)

    def set(self, instance: str, **traits: Any) -> None:
        server = self.site.nova.instances[instance]
        changed = replace(server, traits=replace(server.traits, **traits))
        self.site.nova.instances[instance] = changed

    def report(self, instance: str) -> InstanceReport:
        assert self.site.loop is not None
        return next(i for r in self.site.loop.reports for i in r.instances if i.id == instance)

    @property
    def attention(self) -> str:
        assert self.site.loop is not None
        return "\n".join(self.site.loop.attention)

    def host(self, instance: str) -> str:
        return self.site.nova.instances[instance].host


@pytest.fixture
def declared(tmp_path: Path) -> Declared:
    site, catalogue, path = site_with(running=3), Catalogue(), tmp_path / "policy.yaml"
    file = PolicyFile(str(path), wiring.rules, required=False)
    clock = lambda: site.nova.now  # noqa: E731
    site.site_policy = SitePolicy(file, Lookups(catalogue, Inline(), clock), clock)
    site.start_evacuator()
    return Declared(site, path, catalogue)


def test_without_a_file_all_are_moved(declared: Declared) -> None:
    site = declared.site
    declared.set("run-0", local_disk=True, image="i1")
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert {host for host, _ in site.where().values()}.isdisjoint({"compute-1"})
    assert declared.catalogue.asked == []


def test_each_action(declared: Declared) -> None:
    declared.write(
        "rules:\n- {name: stay, match: {name: name-run-0}, action: leave}\n"
        "- {name: halt, match: {name: name-run-1}, action: stopped}"
    )
    site = declared.site
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert declared.host("run-0") == "compute-1"
    assert site.where()["run-1"][1] == "stopped"
    assert declared.host("run-1") != "compute-1"
    assert site.where()["run-2"][1] == "active"
    assert declared.host("run-2") != "compute-1"
    assert [i for _, i in site.nova.requests if i == "run-0"] == []


def test_what_stays_says_why_and_comes_back_with_its_host(declared: Declared) -> None:
    declared.write("rules: [{name: stay, match: {name: name-run-0}, action: leave}]")
    site = declared.site
    site.nova.spawn_delay = 30
    site.fence("compute-1")
    site.pass_time(10)
    assert declared.report("run-0").detail == "stays with its host, by rule 'stay' of the policy"
    assert str(declared.report("run-0").progress) == "excluded"
    site.run_until(lambda: recovered(site))
    site.boot("compute-1")
    site.run_until(lambda: site.records.read("compute-1") is None)
    assert site.where()["run-0"] == ("compute-1", "active")
    assert site.nova.guests["run-0"] == {"compute-1"}


def test_what_is_left_to_an_operator_is_told_as_long_as_there_is_a_record(
    declared: Declared,
) -> None:
    declared.write("default: notify\nrules: [{match: {name: name-run-0}, action: evacuate}]")
    site = declared.site
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    site.pass_time(10)
    assert "2 instances of compute-1 were not moved: the policy leaves them to you" in (
        declared.attention
    )
    site.boot("compute-1")
    site.run_until(lambda: site.records.read("compute-1") is None)
    site.pass_time(10)
    assert "leaves them to you" not in declared.attention


def test_local_disks_are_not_rebuilt_unasked(declared: Declared) -> None:
    declared.write("shared_storage: [{host: compute-9}]")
    site = declared.site
    declared.set("run-0", local_disk=True, image="i1")
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert declared.host("run-0") == "compute-1"
    assert declared.host("run-1") != "compute-1"


def test_a_look_up_that_fails_is_asked_again_and_is_neither_all_nor_none(
    declared: Declared,
) -> None:
    declared.write("default: leave\nrules: [{preset: evacuable}]")
    for instance in ("run-0", "run-1"):
        declared.set(instance, image="i1")
    declared.write("default: leave\nlocal_disks: evacuate\nrules: [{preset: evacuable}]")
    declared.catalogue.images["i1"] = ImageTraits({"evacuable": "true"})
    declared.catalogue.fails = AWAY
    site = declared.site
    site.fence("compute-1")
    site.pass_time(20)
    assert site.nova.requests == []
    assert record(site).state is RecoveryState.RUNNING
    assert declared.report("run-0").detail == (
        "the policy goes by what is not read yet: image_property, image_tag"
    )
    assert "image i1: Connection refused" in declared.attention
    declared.catalogue.fails = None
    site.run_until(lambda: recovered(site))
    assert declared.host("run-0") != "compute-1"
    assert declared.host("run-1") != "compute-1"
    assert declared.host("run-2") == "compute-1"
    assert "Connection refused" not in declared.attention


def test_what_does_not_depend_on_it_is_not_waited_for(declared: Declared) -> None:
    declared.write(
        "local_disks: evacuate\ndefault: leave\nrules:\n"
        "- {match: {name: name-run-1}, action: evacuate}\n- preset: evacuable"
    )
    declared.set("run-0", image="i1")
    declared.catalogue.fails = AWAY
    site = declared.site
    site.fence("compute-1")
    site.run_until(lambda: declared.host("run-1") != "compute-1")
    assert [i for _, i in site.nova.requests] == ["run-1"]


class Silent(Inline):
    """A pool whose work never ends."""

    def submit(self, fn: Any, /, *args: object, **kwargs: object) -> Future:
        return Future()


def test_a_service_that_hangs_keeps_no_turn_waiting_for_long(
    declared: Declared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("novaha.evacuator.lookups._PATIENCE", 0.01)
    site = declared.site
    file = PolicyFile(str(declared.file), wiring.rules, required=False)
    site.site_policy = SitePolicy(
        file, Lookups(declared.catalogue, Silent(), lambda: site.nova.now)
    )
    site.start_evacuator()
    declared.write(
        "rules:\n- {match: {name: name-run-0}, action: leave}\n"
        "- {match: {aggregate: x, name: name-run-1}, action: leave}"
    )
    site.fence("compute-1")
    site.run_until(lambda: declared.host("run-2") != "compute-1")
    assert [i for _, i in site.nova.requests] == ["run-2"]
    assert declared.report("run-1").detail.endswith("not read yet: aggregate")


def test_each_image_is_asked_for_once_and_places_once(declared: Declared) -> None:
    declared.write(
        "local_disks: evacuate\nrules: [{match: {image_tag: silver, aggregate: x}, action: leave}]"
    )
    for instance in ("run-0", "run-1", "run-2"):
        declared.set(instance, image="i1")
    declared.catalogue.images["i1"] = ImageTraits({})
    declared.catalogue.zones["compute-1"] = Place("az1", (Aggregate("x"),))
    site = declared.site
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert sorted(declared.catalogue.asked) == ["i1", "places"]


def test_places_are_at_hand_before_a_host_dies(declared: Declared) -> None:
    declared.write("rules: [{match: {zone: az9}, action: leave}]")
    declared.catalogue.zones["compute-1"] = Place("az1")
    declared.site.pass_time(10)
    assert declared.catalogue.asked == ["places"]


def test_a_new_file_counts_at_once_and_a_broken_one_never(declared: Declared) -> None:
    declared.write("default: leave")
    site = declared.site
    site.pass_time(10)
    declared.write("default: laeve")
    site.pass_time(10)
    assert "the policy cannot be used, the one before stays: " in declared.attention
    assert f"{declared.file}:2:10: one of these belongs here" in declared.attention
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert site.nova.requests == []
    declared.write("default: evacuate")
    site.boot("compute-1")
    site.run_until(lambda: site.records.read("compute-1") is None)
    assert declared.attention == ""
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert {host for host, _ in site.where().values()}.isdisjoint({"compute-1"})


def test_a_file_that_is_taken_away_leaves_its_policy(declared: Declared) -> None:
    declared.write("default: leave")
    site = declared.site
    site.pass_time(10)
    declared.file.unlink()
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert site.nova.requests == []
    assert f"{declared.file} does not exist" in declared.attention


def test_a_broken_file_at_the_start_decides_nothing(declared: Declared) -> None:
    declared.write("default: laeve")
    site = declared.site
    site.fence("compute-1")
    site.pass_time(30)
    assert site.nova.requests == []
    assert record(site).state is RecoveryState.RUNNING
    assert "no instance is moved before it is right" in declared.attention
    declared.write("default: evacuate")
    site.run_until(lambda: recovered(site))
    assert {host for host, _ in site.where().values()}.isdisjoint({"compute-1"})


def test_a_file_that_has_to_be_there(tmp_path: Path) -> None:
    file = PolicyFile(str(tmp_path / "none"), wiring.rules, required=True)
    file.look()
    assert file.rules is not None
    assert "does not exist" in file.rules.unusable


def test_a_file_is_read_again_when_it_may_be(tmp_path: Path) -> None:
    path, answers = tmp_path / "policy.yaml", [ConfigError("not now")]

    def load(name: str) -> Any:
        if answers:
            raise answers.pop()
        return wiring.rules(name)

    path.write_text("version: 1\n")
    file = PolicyFile(str(path), load, required=False)
    file.look()
    assert file.problem == "not now"
    file.look()
    assert file.problem == ""


def test_an_instance_that_may_run_elsewhere_is_not_left(declared: Declared) -> None:
    """Left here, it would start here, too, when its host is back (law 2)."""
    site = declared.site
    site.nova.receivers["run-0"] = "compute-2"
    site.nova.instances["run-0"] = replace(site.nova.instances["run-0"], task_state="migrating")
    declared.write("default: leave")
    site.fence("compute-1")
    site.run_until(lambda: recovered(site))
    assert declared.host("run-0") == "compute-2"
    assert declared.host("run-1") == "compute-1"


def test_another_evacuator_decides_the_same(declared: Declared) -> None:
    declared.write("rules: [{match: {name: name-run-1}, action: stopped}]")
    site = declared.site
    site.nova.spawn_delay = 10
    site.fence("compute-1")
    site.pass_time(6)
    site.start_evacuator()
    site.run_until(lambda: recovered(site))
    assert site.where()["run-1"][1] == "stopped"
    assert site.where()["run-0"][1] == "active"


def order(site: Site) -> list[str]:
    """The instances in the order in which they were asked for."""
    return [instance for _, instance in site.nova.requests]


def test_priority_is_over_all_hosts_that_have_died(declared: Declared) -> None:
    site = declared.site
    for name in ("late", "soon"):
        site.nova.add_instance(name, "compute-2")
    site.nova.add_instance("off", "compute-1", "stopped")
    declared.write(
        "rules:\n- {match: {name: name-soon}, action: evacuate, priority: 90}\n"
        "- {match: {name: name-off}, action: evacuate, priority: 60}\n"
        "- {match: {name: name-run-0}, action: evacuate, priority: 10}"
    )
    site.fence("compute-1")
    site.fence("compute-2")
    site.run_until(lambda: recovered(site) and recovered(site, "compute-2"))
    asked = order(site)
    assert asked[:2] == ["soon", "off"]
    assert asked[-1] == "run-0"


GROUPS = (
    "rules:\n- {match: {name: name-run-0}, action: evacuate, group: db}\n"
    "- {match: {name: name-run-1}, action: evacuate, group: app}\n"
    "groups:\n  db: {active_for: 20, timeout: 200}\n  app: {after: [db]}\n"
)


def test_a_group_waits_until_the_one_before_it_is_ready(declared: Declared) -> None:
    declared.write(GROUPS)
    site = declared.site
    site.fence("compute-1")
    site.run_until(lambda: declared.host("run-0") != "compute-1")
    up = site.nova.now
    site.pass_time(15)
    assert sorted(order(site)) == ["run-0", "run-2"], "what is in no group does not wait"
    assert declared.report("run-1").detail == "comes after what is not ready yet: db"
    site.run_until(lambda: recovered(site))
    asked = {instance: when for when, instance in site.nova.requests}
    assert up + 20 <= asked["run-1"] <= up + 30
    assert len(order(site)) == 3


def test_a_group_waits_for_one_on_another_host(declared: Declared) -> None:
    """Its own host is over long before."""
    declared.write(GROUPS)
    site = declared.site
    site.nova.add_instance("other", "compute-2")
    site.nova.instances["run-0"] = replace(site.nova.instances["run-0"], host="compute-2")
    site.nova.guests["run-0"] = {"compute-2"}
    site.fence("compute-1")
    site.fence("compute-2")
    site.run_until(lambda: recovered(site, "compute-2"))
    over = site.nova.now
    site.run_until(lambda: recovered(site))
    asked = {instance: when for when, instance in site.nova.requests}
    assert asked["run-1"] > asked["run-0"] + 20
    assert asked["run-1"] > over


def test_after_the_time_out_the_next_goes_on(declared: Declared) -> None:
    declared.write(GROUPS)
    site = declared.site
    site.nova.spawn_delay = 400
    site.fence("compute-1")
    began = site.nova.now
    site.run_until(lambda: "run-1" in order(site))
    assert began + 200 <= site.nova.now <= began + 215


def test_nobody_waits_for_what_does_not_come(declared: Declared) -> None:
    declared.write(GROUPS)
    site = declared.site
    site.nova.instances["run-0"] = replace(site.nova.instances["run-0"], vm_state="building")
    site.fence("compute-1")
    site.run_until(lambda: recovered(site), 60)
    assert declared.host("run-1") != "compute-1"
