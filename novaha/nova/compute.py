"""Nova through novaclient: what the evacuator reads and asks, at negotiated microversions."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode

import novaclient
import tenacity
from keystoneauth1.session import Session
from novaclient import api_versions, client

from novaha.core.errors import (
    NotSentError,
    RefusedError,
    UnknownOutcomeError,
)
from novaha.core.model import (
    FAILED,
    Action,
    ComputeService,
    EvacuationLog,
    Instance,
    Migration,
    newest,
)
from novaha.nova import regions
from novaha.nova.failures import translated

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

_TAKEN_UP = "compute_rebuild_instance"
"""The destination's event in the log of an evacuation."""

_QUICK = 5.0
"""Seconds: a read that failed within them is tried again at once, a slower one next turn."""

T = TypeVar("T")


class Nova:
    """One Nova, by a session of keystoneauth1. Fulfils novaha.core.ports.Compute.

    May be used by several threads at once.
    """

    def __init__(self, session: Session, *, interface: str, region_name: str | None) -> None:
        self._session = session
        self._options = {
            "session": session,
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
            return str(self._reader.api_version.get_string())

    def find(self) -> None:
        """Sign in, see which region's Nova is meant, and negotiate; nothing where that is done.

        Raises RegionError where it is not clear, else what every request raises.
        """
        with self._ready("find Nova"):
            pass

    def services(self) -> list[ComputeService]:
        """All nova-compute services. The conductors come with the same answer."""
        with self._ready("list the compute services"):
            found = _read(lambda: self._reader.services.list())
        self._conductor_up = any(s.binary == "nova-conductor" and s.state == "up" for s in found)
        return [_service(s) for s in found if s.binary == "nova-compute"]

    def instances_on(self, host: str) -> list[Instance]:
        """The instances of all projects that Nova has on `host`."""
        with self._ready(f"list the instances on {host}"):
            return self._instances(host=host)

    def instances_changed(self, since: datetime) -> list[Instance]:
        """The instances of all projects that changed at `since` or later, deleted ones too."""
        text = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._ready(f"list the instances that changed since {text}"):
            return self._instances(**{"changes-since": text})

    def instance(self, instance: str) -> Instance | None:
        """One instance, None when Nova has it no more."""
        try:
            with self._ready(f"read instance {instance}"):
                return _instance(_read(lambda: self._reader.servers.get(instance)))
        except RefusedError as error:
            if error.code == 404:
                return None
            raise

    def evacuations_from(self, host: str) -> list[Migration]:
        """Every evacuation away from `host`.

        Asked without `changes-since`: rows just accepted fall out of that (docs/facts).
        """
        with self._ready(f"list the evacuations from {host}"):
            return self._migrations(host, "evacuation")

    def evacuations_since(self, moment: datetime) -> list[Migration]:
        """Every evacuation of all hosts that was accepted at `moment` or later.

        Nova lists the newest first, page by page, from 2.59 on; an older one lists all at once.
        By `changes-since`, see `evacuations_from`, it would not show those just accepted.
        """
        with self._ready(f"list the evacuations since {moment:%Y-%m-%dT%H:%M:%SZ}"):
            search = {"migration_type": "evacuation"}
            if self._reader.api_version >= _PAGED:
                search["limit"] = str(self._page)

            def older(page: list[dict[str, Any]]) -> bool:
                begun = _time(page[-1]["created_at"]) if page else None
                return begun is not None and begun < moment

            rows = self._pages("/os-migrations", "migrations", "uuid", search, enough=older)
            found = [m for m in self._rows(rows) if m.created is None or m.created >= moment]
        self._page = max(_PAGE, len(found) + len(found) // 2)
        return found

    def live_migrations_from(self, host: str) -> list[Migration]:
        """The newest live migration of each instance away from `host`, if that has not ended."""
        with self._ready(f"list the live migrations from {host}"):
            rows = newest(self._migrations(host, "live-migration"))
        return [row for row in rows.values() if row.status not in _ENDED]

    def conductor_is_up(self) -> bool:
        """Whether Nova had a conductor that was up when `services` was last asked."""
        if self._conductor_up is None:
            self.services()
        return bool(self._conductor_up)

    def evacuation_fault(self, instance: str, since: datetime | None) -> str:
        """Why the evacuation that was accepted at `since` failed at its destination, "" when
        Nova's log of actions has that not, or does not show it."""
        if since is None:
            return ""
        with self._ready(f"read the actions of {instance}"):
            actions = _read(lambda: self._reader.instance_action.list(instance))
            near = [
                (abs(begun - since), action)
                for action in actions
                if action.action == "evacuate" and (begun := _time(action.start_time))
            ]
            distance, action = min(near, key=lambda found: found[0], default=(None, None))
            if distance is None or distance > _SAME_REQUEST:
                return ""
            events = self._events(instance, action)
        for event in events:
            if event.get("event") == _TAKEN_UP and event.get("result") == "Error":
                lines = str(event.get("traceback") or "").strip().splitlines()
                return str(event.get("details") or (lines[-1] if lines else ""))
        return ""

    def _events(self, instance: str, action: Any) -> list[dict[str, Any]]:
        full = _read(lambda: self._reader.instance_action.get(instance, action.request_id))
        return getattr(full, "events", None) or []

    def evacuation_log(self, instance: str, since: datetime | None) -> EvacuationLog:
        """What the instance's log of actions tells of its newest evacuation.

        It is over when one of its events ended in an error, or when the destination's event has
        an end; or when what is under way is a plain rebuild, which stays on the host and died
        with it.
        """
        with self._ready(f"read the actions of {instance}"):
            actions = _read(lambda: self._reader.instance_action.list(instance))
            rebuilds = [a for a in actions if a.action in ("evacuate", "rebuild")]
            last = max(rebuilds, key=lambda a: str(a.start_time), default=None)
            if last is None:
                return EvacuationLog()
            if last.action == "rebuild":
                return EvacuationLog(over=since is None)
            begun = _time(last.start_time)
            if since is None or begun is None or abs(begun - since) > _SAME_REQUEST:
                return EvacuationLog()
            events = self._events(instance, last)
        taken: Any = next((e for e in events if e.get("event") == _TAKEN_UP), {})
        failed = any(event.get("result") == "Error" for event in events)
        sent = any(e.get("event") == "rebuild_server" and e.get("result") for e in events)
        return EvacuationLog(
            over=failed or bool(taken.get("finish_time")),
            destination=taken.get("host"),
            queued=sent and not failed and not taken,
            untaken=not events,
        )

    def last_deleted(self) -> str:
        """The id of the instance that was deleted last, "" if Nova remembers none."""
        with self._ready("look for deleted instances"):
            found = _read(
                lambda: self._reader.servers.list(
                    detailed=False,
                    search_opts={"all_tenants": 1, "deleted": True},
                    limit=1,
                    sort_keys=["updated_at"],
                    sort_dirs=["desc"],
                )
            )
        return str(found[0].id) if found else ""

    def act(self, instance: str, action: Action) -> None:
        """Ask Nova for `action`; returns when Nova has accepted."""
        with self._ready(f"{action} {instance}"):
            servers = self._reader.servers
            match action:
                case Action.STOP:
                    servers.stop(instance)
                case Action.PAUSE:
                    servers.pause(instance)
                case Action.SUSPEND:
                    servers.suspend(instance)
                case Action.RESET:
                    servers.reset_state(instance, "error")
                case Action.CONFIRM_RESIZE:
                    servers.confirm_resize(instance)
                case Action.HARD_REBOOT:
                    servers.reboot(instance, "HARD")

    def evacuate(self, instance: str, target: str | None = None) -> None:
        """Ask Nova to bring `instance` up on another host; returns when Nova has accepted.

        target: the only host to be used; the scheduler still checks it.
        """
        with self._ready(f"evacuate {instance}"):
            # A token and an endpoint first: their absence then cannot be taken for a lost answer.
            with _nothing_sent():
                self._mover.client.get_endpoint()
                self._session.get_token()
            self._mover.servers.evacuate(instance, **({"host": target} if target else {}))

    def set_forced_down(self, service: ComputeService, forced_down: bool) -> None:
        """Tell Nova whether the service is down for certain; returns once Nova says so."""
        what = f"set forced_down of {service.host} to {forced_down}"
        with self._ready(what):
            answer = self._reader.services.force_down(service.id, forced_down)
        if getattr(answer, "forced_down", None) is not forced_down:
            raise UnknownOutcomeError(what, "Nova's answer does not say that it is so")

    def disable(self, service: ComputeService, reason: str) -> None:
        """Keep Nova from scheduling to the service's host."""
        with self._ready(f"disable {service.host}"):
            self._reader.services.disable_log_reason(service.id, reason)

    def enable(self, service: ComputeService) -> None:
        """Let Nova schedule to the service's host."""
        with self._ready(f"enable {service.host}"):
            self._reader.services.enable(service.id)

    def _instances(self, **search: str) -> list[Instance]:
        resource = self._reader.servers.resource_class
        rows = self._pages("/servers/detail", "servers", "id", {"all_tenants": "1", **search})
        return [_instance(resource(self._reader.servers, row, loaded=True)) for row in rows]

    def _migrations(self, host: str, kind: str) -> list[Migration]:
        search = {"source_compute": host, "migration_type": kind}
        return self._rows(self._pages("/os-migrations", "migrations", "uuid", search))

    def _rows(self, rows: list[dict[str, Any]]) -> list[Migration]:
        resource = self._reader.migrations.resource_class
        return [_migration(resource(self._reader.migrations, row, loaded=True)) for row in rows]

    def _pages(
        self,
        path: str,
        key: str,
        marker: str,
        search: dict[str, str],
        enough: Callable[[list[dict[str, Any]]], bool] = lambda page: False,
    ) -> list[dict[str, Any]]:
        """Every page of a list, up to the first that is `enough`.

        Nova says whether there is another one, and how long a page is: novaclient asks for servers
        until a page is empty, which doubles the requests, and for one page of migrations only.
        """
        query = dict(search)
        found: list[dict[str, Any]] = []
        while True:
            url = f"{path}?{urlencode(sorted(query.items()))}"
            _, page = _read(functools.partial(self._reader.client.get, url))
            found += page[key]
            more = any(link["rel"] == "next" for link in page.get(f"{key}_links", ()))
            if not more or enough(page[key]):
                return found
            query["marker"] = found[-1][marker]

    @contextmanager
    def _ready(self, what: str) -> Iterator[None]:
        """Negotiate once, and translate what goes wrong."""
        with translated(what):
            with self._negotiating:
                if self._reader is None:
                    self._negotiate()
            yield

    def _negotiate(self) -> None:
        with _nothing_sent(), translated("negotiate the version of Nova's API"):
            # One that is added later must not make it another one.
            region = regions.chosen(
                self._session, self._options["endpoint_type"], self._options["region_name"]
            )
            self._options["region_name"] = region
            current = client.Client("2.1", **self._options).versions.get_current()
        if current is None or not getattr(current, "version", ""):
            raise NotSentError("negotiate the version of Nova's API", "Nova tells no microversions")
        offered = api_versions.APIVersion(current.version)
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
        self._mover = client.Client(mover, **self._options)
        self._reader = client.Client(version, **self._options)


@contextmanager
def _nothing_sent() -> Iterator[None]:
    """What fails in here comes before the request itself: it did nothing."""
    try:
        with translated("sign in"):
            yield
    except (RefusedError, UnknownOutcomeError) as error:
        raise NotSentError(error.what, error.detail) from error


def _read(call: Callable[[], T]) -> T:
    """A request that changes nothing may be sent again at once."""
    for attempt in tenacity.Retrying(
        stop=tenacity.stop_after_attempt(2) | tenacity.stop_after_delay(_QUICK),
        wait=tenacity.wait_fixed(0.2),
        retry=tenacity.retry_if_exception(_worth_another_try),
        reraise=True,
    ):
        with attempt:
            return call()
    raise AssertionError("tenacity neither returned nor raised")


def _worth_another_try(error: BaseException) -> bool:
    """A dropped keep-alive connection or one bad answer; a dead API is the next turn's."""
    try:
        with translated("read"):
            raise error
    except UnknownOutcomeError:
        return True
    except BaseException:
        return False


def _service(service: Any) -> ComputeService:
    return ComputeService(
        id=str(service.id),
        host=service.host,
        up=service.state == "up",
        forced_down=bool(service.forced_down),
        enabled=service.status == "enabled",
        disabled_reason=service.disabled_reason or "",
        last_seen=_time(service.updated_at),
    )


def _instance(server: Any) -> Instance:
    return Instance(
        id=server.id,
        name=server.name,
        host=getattr(server, "OS-EXT-SRV-ATTR:host", None) or "",
        vm_state=getattr(server, "OS-EXT-STS:vm_state", None) or "",
        task_state=getattr(server, "OS-EXT-STS:task_state", None),
        power_state=getattr(server, "OS-EXT-STS:power_state", None) or 0,
        fault=(getattr(server, "fault", None) or {}).get("message", ""),
    )


def _migration(row: Any) -> Migration:
    return Migration(
        id=int(row.id),
        instance=row.instance_uuid,
        source=row.source_compute,
        destination=row.dest_compute or None,
        status=row.status,
        created=_time(row.created_at),
        updated=_time(getattr(row, "updated_at", None)),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
