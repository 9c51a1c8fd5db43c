"""A host dies with an instance in every state on it: where each of them ends.

One death for all of them. What a state becomes is what novaha.core.model says, not what Nova
does by itself, which is in tests/behaviour.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from novahalab import layout
from novahalab.cloud import settings
from novahalab.cloud.client import ApiError, Client
from novahalab.watcher import Watcher

from tests.lab.conftest import one_generation
from tests.lab.forms import Forms
from tests.lab.site import Site

pytestmark = [pytest.mark.lab, one_generation]

DEAD, SECOND, THIRD = "compute-1", "compute-2", "compute-3"

MOVED = {
    "active": "ACTIVE",
    "stopped": "SHUTOFF",
    "paused": "PAUSED",
    "suspended": "SUSPENDED",
    "rescued": "SHUTOFF",
    "shelved": "SHUTOFF",
    "error": "ACTIVE",
    "error-stopped": "SHUTOFF",
    "resized": "ACTIVE",
    "resizing": "ACTIVE",
    "rebuilding": "ACTIVE",
    "migrating": "ACTIVE",
    "rebooting": "ACTIVE",
    "rebooting-hard": "ACTIVE",
    "powering-off": "SHUTOFF",
    "password": "ACTIVE",
    "locked": "ACTIVE",
    "locked-paused": "PAUSED",
    "locked-by-admin": "ACTIVE",
}
"""Brought up elsewhere, in the nearest state to the one that it had."""

LEFT = {"building": "BUILDING", "deleting": "being deleted"}
"""Left where it was, and what the reason that is told has in it."""

ELSEWHERE = {
    "running": (),
    "off": (("os-stop", {}),),
    "pausing-place": (("pause", {}),),
    "broken": (("os-resetState", {"state": "error"}),),
}
"""On a host that lives: none of novaha's business."""


@dataclass
class Told:
    """What novaha said of one instance while it worked on the host."""

    progress: set[str] = field(default_factory=set)
    detail: str = ""


@dataclass
class Story:
    """One death of a host, from before to after.

    made: instances by form. bystanders: those that are none of novaha's business, as they were.
    told: by instance. journal: what was written down. watcher: who ran where, all the time.
    receiver: where the one was going that was being migrated live.
    """

    site: Site
    made: dict[str, str]
    bystanders: dict[str, tuple[object, ...]]
    told: dict[str, Told]
    journal: list[dict[str, Any]]
    watcher: Watcher
    receiver: str

    def seen(self, form: str) -> dict[str, Any]:
        return detail(self.site, self.made[form])

    @property
    def unmoved(self) -> dict[str, str]:
        """What the journal names as not moved, with the reason."""
        (line,) = (entry for entry in self.journal if entry["event"] == "recovered")
        return dict(line["unmoved"])


@pytest.fixture(scope="module")
def story(lab: Site) -> Iterator[Story]:
    lab.restore()
    watcher = Watcher(layout.GUESTS)
    watcher.start()
    try:
        yield _told(lab, watcher)
    except BaseException:
        print(lab.describe())
        raise
    finally:
        watcher.stop()
        lab.spawn_delay(0)


def _told(site: Site, watcher: Watcher) -> Story:
    forms = Forms(site, DEAD)
    made = forms.made(
        [*MOVED, *LEFT, "resized-away", "shelved-offloaded", "deleted", "soft-deleted"]
    )
    others = _bystanders(site, forms)
    others["resized-away"] = made["resized-away"]
    others["shelved-offloaded"] = made["shelved-offloaded"]
    _soft_delete(site, forms, made["soft-deleted"])
    (migration,) = site.nova.migrations(
        instance_uuid=made["migrating"], migration_type="live-migration"
    )
    # It does not answer any more a moment before its host is dead: what is asked now is lost.
    for pid in site.compute_processes(DEAD):
        site.on(DEAD, "kill", f"-{signal.SIGSTOP.value}", pid)
    forms.asked(made)
    before = {name: _as_seen(site, instance) for name, instance in others.items()}
    begun = len(site.journal())
    site.spawn_delay(20)
    site.lab("crash", DEAD)
    forms.freed()
    site.wait("it is being moved", lambda: forms.task(made["deleted"]) == "rebuild_spawning")
    site.nova.servers_delete([made["deleted"]])
    site.spawn_delay(0)
    told: dict[str, Told] = {}
    site.wait("the recovery is over", lambda: _over(site, told, begun), 400)
    site.wait("the host is back", site.whole, 400)
    # Behind everything that still waited in the bus for the host.
    (new,) = site.nova.servers_create(1, host=DEAD, name_prefix="new")
    assert new.host == DEAD
    return Story(
        site,
        made,
        {others[name]: seen for name, seen in before.items()},
        told,
        site.journal()[begun:],
        watcher,
        str(migration["dest_compute"]),
    )


def _bystanders(site: Site, forms: Forms) -> dict[str, str]:
    names = list(ELSEWHERE)
    made = site.nova.servers_create(len(names), host=SECOND, name_prefix="bystander")
    ids = {name: server.id for name, server in zip(names, made, strict=True)}
    for name, instance in ids.items():
        for action, arguments in ELSEWHERE[name]:
            site.nova.action(instance, action, **arguments)
        forms.wait(f"{name} is ready", lambda i=instance: forms.task(i) is None)
    return ids


def _soft_delete(site: Site, forms: Forms, instance: str) -> None:
    """Deleted, and to be restored for as long as Nova does not reclaim it."""
    with site.nova_api_with("reclaim_instance_interval = 3600"):
        site.nova.compute("DELETE", f"/servers/{instance}")
        forms.wait(
            "it is deleted softly",
            lambda: detail(site, instance)["OS-EXT-STS:vm_state"] == "soft-delete",
        )


def _over(site: Site, told: dict[str, Told], begun: int) -> bool:
    for host in site.status()["hosts"]:
        for instance in host.get("instances", ()):
            of_it = told.setdefault(instance["id"], Told())
            of_it.progress.add(instance["progress"])
            of_it.detail = instance["detail"]
    return any(line["event"] == "recovered" for line in site.journal()[begun:])


def detail(site: Site, instance: str) -> dict[str, Any]:
    found: dict[str, Any] = site.nova.compute("GET", f"/servers/{instance}")["server"]
    return found


def _as_seen(site: Site, instance: str) -> tuple[object, ...]:
    """All that a recovery could change of an instance."""
    seen = detail(site, instance)
    keys = ("status", "locked", "OS-EXT-STS:task_state", "OS-EXT-SRV-ATTR:host")
    return (*(seen[key] for key in keys), running(instance))


def running(instance: str) -> list[str]:
    """The hosts on which its guest runs."""
    found = layout.GUESTS.glob(f"*/{instance}")
    return sorted(p.parent.name for p in found if p.read_text().startswith("RUNNING"))


@pytest.mark.parametrize("form", MOVED)
def test_law_5_it_comes_up_elsewhere_nearest_to_what_it_was(story: Story, form: str) -> None:
    seen = story.seen(form)
    host = seen["OS-EXT-SRV-ATTR:host"]
    assert (seen["status"], seen["OS-EXT-STS:task_state"]) == (MOVED[form], None)
    assert host in (SECOND, THIRD)
    assert running(story.made[form]) == ([host] if MOVED[form] == "ACTIVE" else [])
    assert story.site.evacuations([story.made[form]]).total() == 1
    assert story.made[form] not in story.unmoved
    assert story.made[form] in story.told, "novaha status never showed it"


@pytest.mark.parametrize("form", LEFT)
def test_law_5_what_is_left_is_named_with_the_reason(story: Story, form: str) -> None:
    instance = story.made[form]
    assert LEFT[form] in story.unmoved[instance]
    assert story.told[instance].progress & {"refused", "excluded"}
    assert story.site.evacuations([instance]).total() == 0
    assert running(instance) == []


def test_law_5_nothing_else_is_named(story: Story) -> None:
    assert story.unmoved.keys() == {story.made[form] for form in LEFT}


def test_what_had_not_been_built_is_in_error_once_its_host_is_back(story: Story) -> None:
    seen = story.seen("building")
    assert (seen["status"], seen["OS-EXT-SRV-ATTR:host"]) == ("ERROR", DEAD)


@pytest.mark.parametrize("form", ["deleting", "deleted"])
def test_what_its_owner_deletes_stays_deleted(story: Story, form: str) -> None:
    with pytest.raises(ApiError) as refused:
        story.seen(form)
    assert refused.value.status == 404


def test_what_was_deleted_softly_can_still_be_restored(story: Story) -> None:
    instance = story.made["soft-deleted"]
    assert story.site.evacuations([instance]).total() == 0
    assert story.seen("soft-deleted")["status"] == "SOFT_DELETED"
    story.site.nova.action(instance, "restore")
    story.site.wait("it runs again", lambda: story.seen("soft-deleted")["status"] == "ACTIVE")
    assert running(instance) == [DEAD]


def test_law_2_one_that_was_moving_comes_up_where_it_may_have_arrived(story: Story) -> None:
    assert story.seen("migrating")["OS-EXT-SRV-ATTR:host"] == story.receiver


def test_law_6_what_lived_elsewhere_is_as_it_was(story: Story) -> None:
    now = {instance: _as_seen(story.site, instance) for instance in story.bystanders}
    assert now == story.bystanders
    assert not story.bystanders.keys() & story.told.keys()
    assert story.site.evacuations(story.bystanders).total() == 0
    touched = {entry.get("instance") for entry in story.journal}
    assert not touched & story.bystanders.keys()


def test_a_resize_whose_source_died_can_be_confirmed_when_that_is_back(story: Story) -> None:
    story.site.nova.action(story.made["resized-away"], "confirmResize")
    story.site.wait("it is confirmed", lambda: story.seen("resized-away")["status"] == "ACTIVE")
    assert running(story.made["resized-away"]) == [SECOND]


@pytest.mark.parametrize("form", ["locked", "locked-paused", "locked-by-admin"])
def test_law_6_a_lock_stays(story: Story, form: str) -> None:
    assert story.seen(form)["locked"] is True
    assert story.seen("active")["locked"] is False


def test_law_6_the_lock_of_an_administrator_stays_his(story: Story) -> None:
    tenant = Client("demo", settings.SERVICE_PASSWORD, "demo")
    with pytest.raises(ApiError) as refused:
        tenant.compute("POST", f"/servers/{story.made['locked-by-admin']}/action", {"unlock": None})
    assert refused.value.status == 403


def test_law_2_no_guest_ran_twice(story: Story) -> None:
    story.watcher.look()
    assert story.watcher.twice == []
    assert story.watcher.runs.keys() >= {story.made[f] for f in MOVED if MOVED[f] == "ACTIVE"}
