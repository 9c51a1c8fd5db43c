"""The history in the lab's MariaDB: nothing lost, nothing twice, whatever is killed."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from novahalab import layout
from novahalab.cloud import settings as cloud
from novahalab.sandbox import Sandbox

from novaha.operate.database import History, HistoryError, Query
from novaha.operate.entries import Entry
from tests.lab.conftest import one_generation
from tests.lab.site import Site
from tests.lab.test_scenario import _evacuator_pids, elsewhere, twelve

pytestmark = [pytest.mark.lab, pytest.mark.slow, one_generation]

LIBRARIES = (
    "sqlalchemy",
    "alembic",
    "mako",
    "markupsafe",
    "pymysql",
    "typing_extensions",
)
NAME = "novaha_history"
CONFIG = "/etc/novaha/novaha.conf"
OUTBOX = "/var/lib/novaha/outbox.db"


@pytest.fixture
def history(site: Site) -> Iterator[History]:
    """novaha keeps a history as long as the test lasts."""
    server = cloud.database_url("mysql")
    with History(server)._engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE IF NOT EXISTS {NAME}")
    url = cloud.database_url(NAME)
    before = site.on(layout.CONTROLLERS[0], "cat", CONFIG)
    for controller in layout.CONTROLLERS:
        _bring_libraries(controller)
        _configure(site, controller, f"{before}\n[history]\nurl = {url}\n")
    _restart(site)
    yield History(url)
    for controller in layout.CONTROLLERS:
        _configure(site, controller, before)
    _restart(site)
    with History(server)._engine.begin() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {NAME}")


def _bring_libraries(controller: str) -> None:
    """What the extra `history` would install: this environment's, which the tests need, too."""
    root = Path(f"/proc/{Sandbox(controller).pid}/root")
    (place,) = root.glob("opt/novaha/lib/python3*/site-packages")
    for name in LIBRARIES:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        found = Path(spec.origin)
        if found.name == "__init__.py":
            shutil.copytree(found.parent, place / name, dirs_exist_ok=True)
        else:
            shutil.copy(found, place)


def _configure(site: Site, controller: str, text: str) -> None:
    site.on(controller, "sh", "-c", f"cat >{CONFIG} <<'END'\n{text}\nEND")


def _restart(site: Site) -> None:
    site.on_any_controller("pcs", "resource", "restart", "nova-evacuate")
    site.wait("the evacuator runs", lambda: bool(site.evacuator()))


def _kept(history: History) -> list[Entry]:
    try:
        return history.find(Query())
    except HistoryError:  # while the database is away
        return []


def _key(line: dict[str, Any]) -> str:
    """What was told, without when and by whom: the journal takes the time by itself."""
    told = {name: value for name, value in line.items() if name not in ("id", "on", "time")}
    return json.dumps(told, sort_keys=True)


def _kill(site: Site, module: str) -> None:
    """SIGKILL for the process of this module on the evacuator's controller."""
    controller = site.evacuator()
    if controller:
        site.on(controller, "pkill", "-9", "-f", "--", f"-m {module}$", check=False)


def test_every_event_is_kept_once_whatever_is_killed(site: Site, history: History) -> None:
    instances = twelve(site)
    begun = Counter(_key(line) for line in site.journal())
    site.spawn_delay(8)
    site.lab("crash", "compute-1")
    site.wait("requests are out", lambda: site.evacuations(instances).total() > 0)
    _kill(site, "novaha.operate")
    _kill(site, "novaha.evacuator")
    site.wait("another one has claimed it", lambda: len(_claims(site, begun)) > 1)
    # What spawns when Nova's database goes is left behind on its host, and needs an operator.
    site.spawn_delay(0)
    site.wait("all are elsewhere", lambda: elsewhere(site, instances, "compute-1"), 300)
    site.lab("stop", "database")
    _kill(site, "novaha.operate")
    before = _evacuator_pids(site)
    _kill(site, "novaha.evacuator")
    site.wait("another one runs", lambda: _evacuator_pids(site) not in ([], before))
    site.lab("start", "database")
    site.wait("the site is whole", site.whole, 300)
    site.wait("the outboxes are empty", lambda: not _waiting(site), 120)
    journal = Counter(_key(line) for line in site.journal()) - begun
    entries = _kept(history)
    kept = Counter(_key(entry.plain()) for entry in entries)
    # A line of the journal may be lost with its process; of the history nothing is.
    assert journal - kept == Counter()
    assert len({entry.id for entry in entries}) == len(entries)
    numbers: dict[str, list[int]] = {}
    for entry in entries:
        numbers.setdefault(entry.writer, []).append(entry.number)
    assert len(numbers) >= 3, "three evacuators have written"
    assert all(found == list(range(len(found))) for found in numbers.values()), numbers
    report = json.loads(site.on_any_controller("novaha", "report", "compute-1", "--output", "json"))
    assert report["state"] == "returned"
    assert {one["id"] for one in report["instances"]} >= instances.keys()
    assert list(report["phases"])[:3] == ["fenced", "claimed", "forced down"]


def _claims(site: Site, before: Counter[str]) -> Counter[str]:
    now = Counter(_key(line) for line in site.journal()) - before
    return Counter(line for line in now.elements() if json.loads(line)["event"] == "claimed")


def _waiting(site: Site) -> list[str]:
    """The entries that wait on any controller."""
    asked = (
        "import os, sqlite3; "
        f"print(sqlite3.connect({OUTBOX!r}).execute('SELECT count(*) FROM entry').fetchone()[0] "
        f"if os.path.exists({OUTBOX!r}) else 0)"
    )
    counts = {c: site.on(c, "python3", "-c", asked, check=False) for c in layout.CONTROLLERS}
    return [c for c, count in counts.items() if count.strip() not in ("", "0")]
