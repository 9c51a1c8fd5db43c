"""Watching from outside of the product: Nova's tables, the CIB, fencings, processes, guests."""

from __future__ import annotations

import json
import select
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from novahalab import layout
from novahalab.chaos.history import (
    Evacuation,
    Fencing,
    History,
    Instance,
    Moving,
    Record,
    Service,
    Taken,
    Timeline,
)
from novahalab.chaos.processes import Processes
from novahalab.cloud import settings
from novahalab.cloud.paths import VENV
from novahalab.errors import LabError
from novahalab.process import CommandError
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings
from novahalab.watcher import Watcher

_BY_COMPUTE = "compute_rebuild_instance"  # a destination's part in an evacuation
_READER = Path(__file__).with_name("nova_reader.py")


class Database:
    """Nova's tables, by way of a process beside the database."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def look(self, history: History) -> None:
        """Add one snapshot to the history. Raises LabError when there is none to be had."""
        answer = self._ask()
        now = time.time()
        for row in answer["services"]:
            service = Service(
                bool(row["forced_down"]), bool(row["disabled"]), row["disabled_reason"] or ""
            )
            history.services.setdefault(row["host"], Timeline()).add(now, service)
        for row in answer["instances"]:
            instance = Instance(
                row["display_name"],
                row["host"],
                row["vm_state"],
                row["task_state"],
                bool(row["deleted"]),
                bool(row["locked"]),
            )
            history.instances.setdefault(row["uuid"], Timeline()).add(now, instance)
        for row in answer["evacuations"]:
            known = history.evacuations.get(row["id"])
            if known is None:
                known = Evacuation(
                    row["id"],
                    row["instance_uuid"],
                    row["source_compute"],
                    float(row["created"]),
                    now,
                )
                history.evacuations[row["id"]] = known
            known.progress.add(now, Moving(row["status"], row["dest_compute"]))

    def look_at_requests(self, history: History) -> None:
        """Add what the logs of actions say of every evacuation; LabError if there is no answer."""
        history.requests = parse_requests(self._ask("requests")["requests"])

    def _ask(self, what: str = "") -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{what}\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], 8)
            line = process.stdout.readline() if ready else ""
        except OSError:
            line = ""
        if not line:
            self.stop()
            raise LabError("the database does not answer")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LabError(f"the database does not answer: {answer['error']}")
        return answer

    def _start(self) -> subprocess.Popen[str]:
        argv = ["setpriv", "--pdeathsig", "KILL", "--"]
        argv += ["ip", "netns", "exec", layout.namespace("cloud")]
        argv += [str(VENV / "bin/python"), "-I", str(_READER)]
        argv += [settings.ADDRESS, str(settings.PORTS["database"])]
        log = layout.LOGS / "chaos-reader.log"
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True
            )
        return self._process

    def stop(self) -> None:
        """End the process; another look starts it again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Cluster:
    """The CIB and the fencing history, asked on a controller that is in order.

    disturbed: tells which controllers are frozen or cut off and may show what has been.
    """

    def __init__(self, settings_: Settings, disturbed: Callable[[], set[str]]) -> None:
        self._computes = settings_.compute_nodes
        self._disturbed = disturbed
        self._last = layout.CONTROLLERS[0]

    def look(self, history: History) -> None:
        """Add the records as they stand now. Raises LabError when no controller answers."""
        began = time.time()
        nodes = ET.fromstring(self.ask(["cibadmin", "--query", "--scope", "nodes"]))
        records = parse_records(nodes)
        now = time.time()
        if now - began > 2:  # it waited for something: of which moment is this answer?
            raise LabError("the CIB answered late")
        for node in self._computes:
            history.records.setdefault(node, Timeline()).add(now, records.get(node))

    def look_at_fencings(self, history: History) -> None:
        """Add what the fencing history has. Raises LabError when no controller answers."""
        text = self.ask(["stonith_admin", "--history", "*", "--output-as=xml", "--verbose"])
        for fencing in parse_fencings(ET.fromstring(text)):
            history.fencings.setdefault(fencing, time.time())

    def look_at_nodes(self, history: History) -> None:
        """Add what the cluster thinks of its nodes. Raises LabError when no controller answers."""
        began = time.time()
        root = ET.fromstring(self.ask(["crm_mon", "-1", "--output-as=xml"]))
        for node in root.iterfind("nodes/node"):
            online = node.get("online") == "true" and node.get("unclean") != "true"
            state = "online" if online else "offline"
            # The answer is of some moment since it was asked for: the earliest accuses least.
            history.nodes.setdefault(node.get("name", ""), Timeline()).add(began, state)

    def ask(self, argv: list[str]) -> str:
        """Run a program on a controller that is in order; raises LabError if none is."""
        disturbed = self._disturbed()
        for name in sorted(layout.CONTROLLERS, key=lambda c: c != self._last):
            if name in disturbed:
                continue
            try:
                if _quorate(name):
                    shown = Sandbox(name).exec(argv, timeout=5).stdout
                    self._last = name
                    return shown
            except (CommandError, LabError):
                continue
        raise LabError("no controller in order answers")


def _quorate(name: str) -> bool:
    shown = Sandbox(name).exec(["crm_node", "--quorum"], timeout=3, check=False)
    return shown.stdout.strip() == "1"


def parse_requests(rows: list[dict[str, Any]]) -> dict[str, list[Taken]]:
    """What became of each request to evacuate, by instance, from its events."""
    by_request: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_request.setdefault(row["id"], []).append(row)
    found: dict[str, list[Taken]] = {}
    for events in by_request.values():
        over = [
            e["ended"]
            for e in events
            if e["ended"] and (e["result"] == "Error" or e["event"] == _BY_COMPUTE)
        ]
        hosts = [e["host"] for e in events if e["event"] == _BY_COMPUTE]
        taken = Taken(events[0]["asked"], hosts[0] if hosts else "", min(over, default=None))
        found.setdefault(events[0]["instance_uuid"], []).append(taken)
    return found


def parse_records(nodes: ET.Element) -> dict[str, Record]:
    """The recovery records in the CIB's nodes section, by node."""
    found = {}
    for node in nodes.iterfind("node"):
        name = node.get("uname", "")
        pairs = node.iterfind(f"instance_attributes[@id='novaha-{name}']/nvpair")
        values = {p.get("name", ""): p.get("value", "") for p in pairs}
        if values:
            fenced = values.get("novaha-fenced", "1970-01-01T00:00:00Z")
            found[name] = Record(
                state=values.get("novaha-recovery", ""),
                hold=values.get("novaha-hold") == "true",
                fence_id=values.get("novaha-fence-id", ""),
                fenced=datetime.fromisoformat(fenced).timestamp(),
                owner=values.get("novaha-owner", ""),
                marks=values.get("novaha-marks", ""),
            )
    return found


def parse_fencings(root: ET.Element) -> list[Fencing]:
    """The entries of the fencing history."""
    found = []
    for event in root.iter("fence_event"):
        text = event.get("completed") or ""
        completed = 0.0
        if text:
            # 2026-01-01 00:00:00Z, with fractions or a numeric offset from newer Pacemakers
            moment = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-"))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            completed = float(int(moment.timestamp()))
        found.append(
            Fencing(
                event.get("target", ""),
                event.get("action", ""),
                event.get("status", ""),
                completed,
                event.get("delegate", ""),
            )
        )
    return found


class Observer:
    """All that watches, each at its own pace, until stopped."""

    def __init__(
        self, lab: Settings, history: History, secret: str, disturbed: Callable[[], set[str]]
    ) -> None:
        self._history = history
        self._ended = threading.Event()
        self._database = Database()
        self.cluster = Cluster(lab, disturbed)
        processes = Processes(lab, secret)
        self.watcher = Watcher(layout.GUESTS)
        self._threads = [
            self._thread("tables", 0.5, lambda: self._database.look(history)),
            self._thread("records", 0.4, lambda: self.cluster.look(history)),
            self._thread("fencings", 2.0, lambda: self.cluster.look_at_fencings(history)),
            self._thread("nodes", 1.0, lambda: self.cluster.look_at_nodes(history)),
            self._thread("processes", 0.4, lambda: processes.look(history)),
        ]

    def _thread(self, name: str, every: float, look: Callable[[], None]) -> threading.Thread:
        looks = self._history.looks

        def run() -> None:
            looks[name] = looks[f"{name}, nothing seen"] = 0
            while not self._ended.wait(every):
                try:
                    look()
                    looks[name] += 1
                except (LabError, ET.ParseError):
                    looks[f"{name}, nothing seen"] += 1
                except Exception as error:
                    note = f"the look at {name} failed: {error!r}"
                    if note not in self._history.notes:
                        self._history.notes.append(note)

        return threading.Thread(target=run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self.watcher.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End. Raises LabError when one of them never saw anything: no verdict without eyes."""
        self._ended.set()
        for thread in self._threads:
            thread.join(20)
        try:
            self._read_requests()
        finally:
            self._database.stop()
        self.watcher.stop()
        self._history.twice = list(self.watcher.twice)
        self._history.looks["guests"] = self.watcher.samples
        blind = [name for name, count in self._history.looks.items() if not count]
        blind = [name for name in blind if not name.endswith("nothing seen")]
        if blind:
            raise LabError(f"chaos could not watch the {' and the '.join(blind)}: no verdict")

    def _read_requests(self) -> None:
        for _ in range(3):
            try:
                self._database.look_at_requests(self._history)
                return
            except LabError:
                time.sleep(3)
        self._database.look_at_requests(self._history)
