"""Instances of the lab's Nova in every form in which the death of their host can meet them.

The forms are those of tests.fakes.servers, and a few that only the real one has.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from novahalab import layout
from novahalab.cloud import settings
from novahalab.cloud.client import ApiError, Client

from tests.lab.site import Site

Request = tuple[str, dict[str, object]]

_HELD = 3600
"""Seconds: longer than anything here lasts."""

_SETTLED: Mapping[str, Sequence[Request]] = {
    "stopped": [("os-stop", {})],
    "paused": [("pause", {})],
    "suspended": [("suspend", {})],
    "rescued": [("rescue", {})],
    "shelved": [("shelve", {})],
    "shelved-offloaded": [("shelve", {}), ("shelveOffload", {})],
    "locked": [("lock", {})],
    "locked-paused": [("pause", {}), ("lock", {})],
    "locked-by-admin": [("lock", {})],
    "error": [("os-resetState", {"state": "error"})],
    "error-stopped": [("os-stop", {}), ("os-resetState", {"state": "error"})],
}
"""What brings a running instance into a form in which it stays."""

_BUSY: Mapping[str, tuple[str, dict[str, object], str]] = {
    "rebuilding": ("rebuild", {}, "rebuild_spawning"),
    "resizing": ("resize", {}, "resize_migrating"),
    "migrating": ("os-migrateLive", {"host": None, "block_migration": "auto"}, "migrating"),
}
"""What its host is in the midst of doing with an instance, and the task that shows it."""

_PENDING: Mapping[str, Request] = {
    "powering-off": ("os-stop", {}),
    "rebooting": ("reboot", {"type": "SOFT"}),
    "rebooting-hard": ("reboot", {"type": "HARD"}),
}
"""What a nova-compute that does not answer any more never gets to do."""

_MADE_OTHERWISE = frozenset({"building", "resized", "locked-by-admin"})


class Forms:
    """Makes them on one host; the other ones are where instances come from and go to."""

    def __init__(self, site: Site, host: str) -> None:
        self._site = site
        self._nova = site.nova
        self._host = host
        self._others = [name for name in site.computes if name != host]

    def made(self, forms: Iterable[str]) -> dict[str, str]:
        """An instance in each of these forms on the host, which lives; ids by form."""
        forms = list(forms)
        names = [form for form in forms if form not in _MADE_OTHERWISE]
        made = dict(zip(names, self._booted(len(names), self._host), strict=True))
        if "locked-by-admin" in forms:
            made["locked-by-admin"] = self._of_another_project()
        if "resized" in forms:
            (made["resized"],) = self._booted(1, self._others[0])
            self._resize(made["resized"], self._host)
        if "resized-away" in forms:
            self._resize(made["resized-away"], self._others[0])
        for step in range(2):
            asked = {form: _SETTLED.get(form, ())[step : step + 1] for form in made}
            for form, requests in asked.items():
                for action, arguments in requests:
                    self._nova.action(made[form], action, **arguments)
            for form in filter(asked.get, asked):
                self.wait(f"{form} is ready", lambda i=made[form]: self.task(i) is None)
        if "building" in forms or _BUSY.keys() & set(forms):
            for knob in self._knobs():
                knob.write_text(str(_HELD))
            self._make_busy(forms, made)
        for form, instance in made.items():
            body = {"server": {"name": form}}
            self._nova.compute("PUT", f"/servers/{instance}", body)
        return made

    def asked(self, made: Mapping[str, str]) -> None:
        """Ask for what stays pending; the host's nova-compute must not answer any more."""
        for form, instance in made.items():
            if form in _PENDING:
                action, arguments = _PENDING[form]
                self._nova.action(instance, action, **arguments)
            elif form == "deleting":
                self._nova.compute("DELETE", f"/servers/{instance}")
            elif form == "password":
                # Nova's API waits for the answer of the dead one, so this one does not wait.
                body = {"changePassword": {"adminPass": "other"}}
                with contextlib.suppress(ApiError):
                    Client(timeout=2).compute("POST", f"/servers/{instance}/action", body)
                assert self.task(instance) == "updating_password"

    def freed(self) -> None:
        """Guests of the host start and leave as quickly as they can again."""
        for knob in self._knobs():
            knob.unlink(missing_ok=True)

    def task(self, instance: str) -> str | None:
        """What Nova is doing with an instance."""
        return self._nova.server(instance).task_state

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Until `condition` holds. Raises AssertionError if it never does."""
        end = time.monotonic() + 180
        while not condition():
            assert time.monotonic() < end, f"not within 180 s: {what}"
            time.sleep(0.05)

    # Inside

    def _knobs(self) -> list[Path]:
        return [layout.GUESTS / f"{self._host}.{name}_delay" for name in ("spawn", "move")]

    def _booted(self, count: int, host: str) -> list[str]:
        made = self._nova.servers_create(count, host=host, name_prefix="form") if count else []
        return [server.id for server in made]

    def _make_busy(self, forms: Iterable[str], made: dict[str, str]) -> None:
        """What its host began and does not get done before it dies; held until `freed`."""
        for form in forms:
            if form == "building":
                body = self._body("building", host=self._host)
                made[form] = str(self._nova.compute("POST", "/servers", body)["server"]["id"])
                self.wait("it builds", lambda: self.task(made["building"]) == "spawning")
            elif form in _BUSY:
                action, arguments, task = _BUSY[form]
                own = {
                    "rebuild": {"imageRef": self._image()},
                    "resize": {"flavorRef": self._flavor(1)},
                }
                self._nova.action(made[form], action, **arguments, **own.get(action, {}))
                self.wait(f"{form} is held", lambda i=made[form], t=task: self.task(i) == t)
        if "migrating" in forms:
            self.wait("it moves", lambda: self._live_migration(made["migrating"]) == "running")

    def _live_migration(self, instance: str) -> str:
        rows = self._nova.migrations(instance_uuid=instance, migration_type="live-migration")
        return str(rows[-1]["status"]) if rows else ""

    def _resize(self, instance: str, destination: str) -> None:
        """Resize an instance to one host; nobody confirms it."""
        source = self._nova.server(instance).host
        closed = [h for h in self._site.computes if h not in (source, destination)]
        with self._site.closed(*closed):
            self._nova.action(instance, "resize", flavorRef=self._flavor(1))
            self.wait(
                "it is resized", lambda: self._nova.server(instance).status == "VERIFY_RESIZE"
            )
        assert self._nova.server(instance).host == destination, "it was resized to another host"

    def _of_another_project(self) -> str:
        """An instance whose owner is not the administrator; on the host, as no other has room."""
        tenant = Client("demo", settings.SERVICE_PASSWORD, "demo")
        with self._site.closed(*self._others):
            body = self._body("locked-by-admin")
            made = str(tenant.compute("POST", "/servers", body)["server"]["id"])
            self.wait("it runs", lambda: self._nova.server(made).status == "ACTIVE")
        return made

    def _body(self, name: str, **more: object) -> dict[str, Any]:
        return {
            "server": {
                "name": name,
                "imageRef": self._image(),
                "flavorRef": self._flavor(0),
                "networks": "none",
                **more,
            }
        }

    def _image(self) -> str:
        images = self._nova.call("GET", "glance", "/v2/images?name=tiny")["images"]
        return str(images[0]["id"])

    def _flavor(self, size: int) -> str:
        flavors = self._nova.compute("GET", "/flavors")["flavors"]
        return str(sorted(flavors, key=lambda f: f["name"] != "m1.nano")[size]["id"])
