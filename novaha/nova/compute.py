"""Nova through novaclient: what the evacuator reads and asks, at negotiated microversions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import novaclient
from keystoneauth1.session import Session
from novaclient import api_versions

from novaha.core.errors import (
    NotSentError,
    RefusedError,
    UnknownOutcomeError,
)
from novaha.core.faults import Fault
from novaha.core.groups import Place
from novaha.core.model import (
    FAILED,
    Action,
    ComputeService,
    EvacuationLog,
    Instance,
    Migration,
    newest,
)
from novaha.nova import placement, reader, regions
from novaha.nova.api import MOST_PAGES, Api, find
from novaha.nova.attempts import nothing_sent, reading
from novaha.nova.causes import fault
from novaha.nova.deadline import bound
from novaha.nova.failures import contained, translated
from novaha.nova.session import secrets_of

LOG = logging.getLogger(__name__)

_OLDEST = api_versions.APIVersion("2.53")
"""Services by UUID, force-down and disable in one resource: Nova 16 (Pike)."""

_NEWEST = api_versions.APIVersion("2.96")

_RUNS_AGAIN = api_versions.APIVersion("2.94")
"""The newest at which an evacuated instance comes back running: from 2.95 on it ends shut off."""

_PAGED = api_versions.APIVersion("2.59")
"""From which on migrations come in pages, and sorted."""

_PAGE = 50
"""Evacuations that are asked for at once, where no more were seen to matter."""

_ENDED = FAILED | {"completed", "done"}

_SAME_REQUEST = timedelta(seconds=10)
"""Between an action's start and the creation of its migration."""

_ACTIONS: dict[Action, dict[str, Any]] = {
    Action.STOP: {"os-stop": None},
    Action.PAUSE: {"pause": None},
    Action.SUSPEND: {"suspend": None},
    Action.RESET: {"os-resetState": {"state": "error"}},
    Action.CONFIRM_RESIZE: {"confirmResize": None},
    Action.HARD_REBOOT: {"reboot": {"type": "HARD"}},
}

_TAKEN_UP = "compute_rebuild_instance"
"""The destination's event in the log of an evacuation."""


class Nova:
    """One Nova, by a session of keystoneauth1. Fulfils novaha.core.ports.Compute.

    May be used by several threads at once.
    """

    def __init__(self, session: Session, *, interface: str, region_name: str | None) -> None:
        bound(session)
        self._session = session
        self._options: dict[str, Any] = {
            "endpoint_type": interface,
            "region_name": region_name,
        }
        self._negotiating = threading.Lock()
        self._reader: Any = None
        self._mover: Any = None
        self._conductor_up: bool | None = None
        self._page = _PAGE

    def version(self) -> str:
        """The version of Nova's API at which it is read, "2.96" for example."""
        with self._ready("negotiate the version of Nova's API"):
            return str(self._reader.version.get_string())

    def find(self) -> None:
        """Sign in, see which region's Nova is meant, and negotiate; nothing where that is done.

        Raises RegionError where it is not clear, else what every request raises.
        """
        with self._ready("find Nova"):
            pass

    def services(self) -> list[ComputeService]:
        """All nova-compute services. The conductors come with the same answer."""
        what = "list the compute services"
        with self._ready(what):
            body = reading(lambda: self._reader.get(what, "/os-services"))
            found, self._conductor_up = reader.services(what, body)
        return found

    def places(self) -> dict[str, Place]:
        """The availability zone and the aggregates of each host that has a nova-compute."""
        what = "list the host aggregates"
        with self._ready(what):
            services = reading(lambda: self._reader.get(what, "/os-services"))
            aggregates = reading(lambda: self._reader.get(what, "/os-aggregates"))
            return reader.places(what, services, aggregates)

    def bare_metal_hosts(self) -> frozenset[str]:
        """The hosts of Ironic's nova-computes, as far as they have any node."""
        what, path = "list the hypervisors", "/os-hypervisors/detail"
        with self._ready(what):
            # From 2.88 on Nova asks each of these hosts for its uptime, and waits for the dead.
            lister = Api(self._session, _OLDEST, self._options, self._url)
            rows = reading(lambda: lister.pages(what, path, "hypervisors", "id", {}))
        return reader.bare_metal(rows)

    def hosts_of_providers(self) -> dict[str, str]:
        """The host by the id that its hypervisor has in Placement, too."""
        what, path = "list the hypervisors", "/os-hypervisors/detail"
        with self._ready(what):
            lister = Api(self._session, _OLDEST, self._options, self._url)  # see above
            return placement.hosts(
                reading(lambda: lister.pages(what, path, "hypervisors", "id", {}))
            )

    def server_groups(self) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
        """The members of each group that keeps them apart; those of all that keep them together."""
        what, found = "list the server groups", list[reader.Row]()
        with self._ready(what):
            for _ in range(MOST_PAGES):  # by offset; Nova does not say which page is the last
                search = {"all_projects": "True", "offset": str(len(found))}
                body = reading(partial(self._reader.get, what, "/os-server-groups", search))
                if not (page := reader.rows(what, body, "server_groups")):
                    break
                found += page
        return placement.apart(found), placement.together(found)

    def instances_on(self, host: str) -> list[Instance]:
        """The instances of all projects that Nova has on `host`."""
        what = f"list the instances on {host}"
        with self._ready(what):
            return reader.instances(what, self._servers(what, {"host": host}), host)

    def all_instances(self) -> list[Instance]:
        """The instances of all projects, wherever they are."""
        what = "list all instances"
        with self._ready(what):
            return reader.instances(what, self._servers(what, {}))

    def instances_changed(self, since: datetime) -> list[Instance]:
        """The instances of all projects that changed at `since` or later, deleted ones too."""
        text = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        what = f"list the instances that changed since {text}"
        with self._ready(what):
            return reader.instances(what, self._servers(what, {"changes-since": text}))

    def instance(self, instance: str) -> Instance | None:
        """One instance, None when Nova has it no more."""
        what = f"read instance {instance}"
        try:
            with self._ready(what):
                body = reading(lambda: self._reader.get(what, f"/servers/{instance}"))
                found = reader.instance(what, reader.one(what, body, "server"))
        except RefusedError as error:
            if error.code == 404:
                return None
            raise
        if found.id != instance:
            raise UnknownOutcomeError(what, "Nova answers with another instance")
        return found

    def evacuations_from(self, host: str) -> list[Migration]:
        """Every evacuation away from `host`.

        Asked without `changes-since`: rows just accepted fall out of that (docs/facts).
        """
        what = f"list the evacuations from {host}"
        with self._ready(what):
            return self._migrations(what, host, "evacuation")

    def evacuations_since(self, moment: datetime) -> list[Migration]:
        """Every evacuation of all hosts that was accepted at `moment` or later.

        Nova lists the newest first, page by page, from 2.59 on; an older one lists all at once.
        By `changes-since`, see `evacuations_from`, it would not show those just accepted.
        """
        what = f"list the evacuations since {moment:%Y-%m-%dT%H:%M:%SZ}"
        with self._ready(what):
            search = {"migration_type": "evacuation"}
            if self._reader.version >= _PAGED:
                search["limit"] = str(self._page)

            def older(page: list[reader.Row]) -> bool:
                begun = reader.moment(page[-1].get("created_at")) if page else None
                return begun is not None and begun < moment

            pages = reading(
                lambda: self._reader.pages(
                    what, "/os-migrations", "migrations", "uuid", search, enough=older
                )
            )
            rows = reader.migrations(what, pages)
        found = [m for m in rows if m.created is None or m.created >= moment]
        self._page = max(_PAGE, len(found) + len(found) // 2)
        return found

    def live_migrations_from(self, host: str) -> list[Migration]:
        """The newest live migration of each instance away from `host`, if that has not ended."""
        what = f"list the live migrations from {host}"
        with self._ready(what):
            rows = newest(self._migrations(what, host, "live-migration"))
        return [row for row in rows.values() if row.status not in _ENDED]

    def conductor_is_up(self) -> bool:
        """Whether Nova had a conductor that was up when `services` was last asked."""
        if self._conductor_up is None:
            self.services()
        return bool(self._conductor_up)

    def evacuation_fault(self, instance: str, since: datetime | None) -> Fault | None:
        """Why the evacuation that was accepted at `since` failed at its destination, None when
        Nova's log of actions has that not, or does not show it."""
        if since is None:
            return None
        what = f"read the actions of {instance}"
        with self._ready(what):
            near = [
                (abs(begun - since), action)
                for action in self._actions(what, instance)
                if action.get("action") == "evacuate"
                and (begun := reader.moment(action.get("start_time")))
            ]
            distance, action = min(near, key=lambda found: found[0], default=(None, {}))
            if distance is None or distance > _SAME_REQUEST:
                return None
            events = self._events(what, instance, action)
        for event in events:
            if event.get("event") == _TAKEN_UP and event.get("result") == "Error":
                lines = str(event.get("traceback") or "").strip().splitlines()
                text = str(event.get("details") or (lines[-1] if lines else ""))
                return fault(text) if text else None
        return None

    def _actions(self, what: str, instance: str) -> list[reader.Row]:
        path = f"/servers/{instance}/os-instance-actions"
        return reader.rows(what, reading(lambda: self._reader.get(what, path)), "instanceActions")

    def _events(self, what: str, instance: str, action: reader.Row) -> list[reader.Row]:
        path = f"/servers/{instance}/os-instance-actions/{action.get('request_id')}"
        body = reading(lambda: self._reader.get(what, path))
        full = reader.one(what, body, "instanceAction")
        return reader.rows(what, full, "events") if full.get("events") is not None else []

    def evacuation_log(self, instance: str, since: datetime | None) -> EvacuationLog:
        """What the instance's log of actions tells of its newest evacuation.

        It is over when one of its events ended in an error, or when the destination's event has
        an end; or when what is under way is a plain rebuild, which stays on the host and died
        with it.
        """
        what = f"read the actions of {instance}"
        with self._ready(what):
            actions = self._actions(what, instance)
            rebuilds = [a for a in actions if a.get("action") in ("evacuate", "rebuild")]
            last = max(rebuilds, key=lambda a: str(a.get("start_time")), default=None)
            if last is None:
                return EvacuationLog()
            if last.get("action") == "rebuild":
                return EvacuationLog(over=since is None)
            begun = reader.moment(last.get("start_time"))
            if since is None or begun is None or abs(begun - since) > _SAME_REQUEST:
                return EvacuationLog()
            events = self._events(what, instance, last)
        taken: Any = next((e for e in events if e.get("event") == _TAKEN_UP), {})
        failed = any(event.get("result") == "Error" for event in events)
        sent = any(e.get("event") == "rebuild_server" and e.get("result") for e in events)
        host = taken.get("host")
        return EvacuationLog(
            over=failed or bool(taken.get("finish_time")),
            destination=host if isinstance(host, str) and host else None,
            queued=sent and not failed and not taken,
            untaken=not events,
        )

    def last_deleted(self) -> str:
        """The id of the instance that was deleted last, "" if Nova remembers none."""
        what = "look for deleted instances"
        search = {"all_tenants": "1", "deleted": "True", "limit": "1"}
        search |= {"sort_key": "updated_at", "sort_dir": "desc"}
        with self._ready(what):
            body = reading(lambda: self._reader.get(what, "/servers", search))
            found = reader.rows(what, body, "servers")
        return str(found[0].get("id") or "") if found else ""

    def act(self, instance: str, action: Action) -> None:
        """Ask Nova for `action`; returns when Nova has accepted."""
        what = f"{action} {instance}"
        with self._ready(what):
            self._reader.post(what, f"/servers/{instance}/action", _ACTIONS[action])

    def evacuate(self, instance: str, target: str | None = None) -> None:
        """Ask Nova to bring `instance` up on another host; returns when Nova has accepted.

        target: the only host to be used; the scheduler still checks it.
        """
        what = f"evacuate {instance}"
        with self._ready(what):
            # A token and an endpoint first: their absence then cannot be taken for a lost answer.
            with nothing_sent():
                self._mover.client.get_endpoint()
                self._session.get_token()
            body = {"evacuate": {"host": target} if target else {}}
            self._mover.post(what, f"/servers/{instance}/action", body)

    def set_forced_down(self, service: ComputeService, forced_down: bool) -> None:
        """Tell Nova whether the service is down for certain; returns once Nova says so."""
        what = f"set forced_down of {service.host} to {forced_down}"
        answer = self._update(what, service, {"forced_down": forced_down})
        if answer.get("forced_down") is not forced_down:
            raise UnknownOutcomeError(what, "Nova's answer does not say that it is so")

    def disable(self, service: ComputeService, reason: str) -> None:
        """Keep Nova from scheduling to the service's host."""
        body = {"status": "disabled", "disabled_reason": reason}
        self._update(f"disable {service.host}", service, body)

    def enable(self, service: ComputeService) -> None:
        """Let Nova schedule to the service's host."""
        self._update(f"enable {service.host}", service, {"status": "enabled"})

    def _update(
        self, what: str, service: ComputeService, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if service.problem or not service.id:
            raise NotSentError(what, service.problem or "Nova does not tell its id")
        with self._ready(what):
            shown = self._reader.put(what, f"/os-services/{service.id}", body)
            return reader.one(what, shown, "service")

    def _servers(self, what: str, search: Mapping[str, str]) -> list[reader.Row]:
        query = {"all_tenants": "1", **search}
        return reading(lambda: self._reader.pages(what, "/servers/detail", "servers", "id", query))

    def _migrations(self, what: str, host: str, kind: str) -> list[Migration]:
        search = {"source_compute": host, "migration_type": kind}
        rows = reading(
            lambda: self._reader.pages(what, "/os-migrations", "migrations", "uuid", search)
        )
        return reader.migrations(what, rows, host)

    @contextmanager
    def _ready(self, what: str) -> Iterator[None]:
        """Negotiate once, and translate what goes wrong."""
        with contained(what, lambda: secrets_of(self._session)):
            with self._negotiating:
                if self._reader is None:
                    self._negotiate()
            yield

    def _negotiate(self) -> None:
        with nothing_sent(), translated("negotiate the version of Nova's API"):
            # One that is added later must not make it another one.
            region = regions.chosen(
                self._session, self._options["endpoint_type"], self._options["region_name"]
            )
            self._options["region_name"] = region
            offered, url = find(self._session, self._options)
        self._url = url
        version = min(offered, novaclient.API_MAX_VERSION, _NEWEST)
        if version < _OLDEST:
            raise NotSentError(
                "negotiate the version of Nova's API",
                f"{version.get_string()} is the newest in common, novaha needs "
                f"{_OLDEST.get_string()} (Nova 16, novaclient 10)",
            )
        mover = min(version, _RUNS_AGAIN)
        LOG.info(
            "Nova offers up to %s; reading at %s, evacuating at %s",
            offered.get_string(),
            version.get_string(),
            mover.get_string(),
        )
        self._mover = Api(self._session, mover, self._options, url)
        self._reader = Api(self._session, version, self._options, url)
