"""The lab as the tests see it: its commands, the CIB, Nova, and the guests' files."""

from __future__ import annotations

import json
import subprocess
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from novahalab import cluster, layout
from novahalab.cloud import CloudPaths
from novahalab.cloud.client import ApiError, Client, Server

LAB = Path(__file__).resolve().parents[2] / "lab" / "lab"


class Site:
    """A lab that is up."""

    def __init__(self, computes: tuple[str, ...] = layout.computes(3)) -> None:
        self.computes = computes
        self._remote = tuple(n for n in computes if layout.is_compute(n))
        self.nova = Client()

    # Commands

    def lab(self, *arguments: str, timeout: float = 120, check: bool = True) -> str:
        """Run `lab/lab ARGUMENTS`; its standard output."""
        done = subprocess.run(
            [str(LAB), *arguments], capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"lab {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def on(self, node: str, *command: str, check: bool = True) -> str:
        """Run a command on a node; its standard output."""
        return self.lab("exec", node, "--", *command, check=check)

    def on_any_controller(self, *command: str) -> str:
        """Run a command on the first controller that answers."""
        for controller in layout.CONTROLLERS:
            try:
                return self.on(controller, *command)
            except (AssertionError, subprocess.TimeoutExpired):
                continue
        raise AssertionError(f"no controller could run {' '.join(command)}")

    # Looking

    def records(self) -> dict[str, dict[str, str]]:
        """The recovery records in the CIB, as attributes by node."""
        nodes = ET.fromstring(self.on_any_controller("cibadmin", "--query", "--scope", "nodes"))
        found: dict[str, dict[str, str]] = {}
        for node in nodes.iterfind("node"):
            name = node.get("uname", "")
            pairs = node.iterfind(f"instance_attributes[@id='novaha-{name}']/nvpair")
            record = {p.get("name", ""): p.get("value", "") for p in pairs}
            if record:
                found[name] = record
        return found

    def state(self, node: str) -> str:
        """The recovery state of a node, "absent" without a record."""
        return self.records().get(node, {}).get("novaha-recovery", "absent")

    def fencings(self, node: str) -> list[ET.Element]:
        """The successful fencings of a node in Pacemaker's history."""
        history = self.on_any_controller(
            "stonith_admin", "--history", node, "--output-as=xml", "--verbose"
        )
        return [
            event
            for event in ET.fromstring(history).iter("fence_event")
            if event.get("status") == "success"
        ]

    def status(self) -> dict[str, Any]:
        """`novaha status --output json` on a controller."""
        answer = json.loads(self.on_any_controller("novaha", "status", "--output", "json"))
        assert isinstance(answer, dict)
        return answer

    def evacuator(self) -> str:
        """The controller on which NovaEvacuate runs, "" when it runs on none."""
        status = cluster.status()
        running = status.resources.get("nova-evacuate", []) if status else []
        return running[0] if running else ""

    def journal(self) -> list[dict[str, Any]]:
        """What the evacuators of all controllers wrote down, in order of time."""
        lines: list[dict[str, Any]] = []
        for controller in layout.CONTROLLERS:
            text = self.on(controller, "cat", "/var/log/novaha/journal.jsonl", check=False)
            lines += [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return sorted(lines, key=lambda line: str(line["time"]))

    def servers(self) -> dict[str, Server]:
        """All instances by id, as Nova has them."""
        return {server.id: server for server in self.nova.servers()}

    def evacuations(self, instances: Iterable[str]) -> Counter[str]:
        """How many evacuations Nova has recorded for each of these instances."""
        wanted = set(instances)
        rows = self.nova.migrations(migration_type="evacuation")
        return Counter(m["instance_uuid"] for m in rows if m["instance_uuid"] in wanted)

    def compute_processes(self, node: str) -> list[str]:
        """The pids of nova-compute on a node."""
        return self.on(node, "pgrep", "-f", "bin/nova-compute", check=False).split()

    # Waiting and arranging

    def wait(self, what: str, condition: Callable[[], object], timeout: float = 180) -> None:
        """Wait until `condition` holds. The time-out is there to end a failed test."""
        end = time.monotonic() + timeout
        while True:
            try:
                if condition():
                    return
                problem = ""
            except (ApiError, AssertionError, ET.ParseError) as error:
                problem = f" ({error})"
            assert time.monotonic() < end, f"not within {timeout:g} s: {what}{problem}"
            time.sleep(0.3)

    def spawn_delay(self, seconds: float) -> None:
        """How long every instance takes to boot from now on."""
        (layout.GUESTS / "spawn_delay").write_text(str(seconds))

    @contextmanager
    def closed(self, *hosts: str, reason: str = "closed by the test") -> Iterator[None]:
        """Meanwhile an administrator wants no instance to be scheduled to these hosts."""
        for host in hosts:
            self.nova.update_service(host, status="disabled", disabled_reason=reason)
        try:
            yield
        finally:
            for host in hosts:
                self.nova.update_service(host, status="enabled")

    @contextmanager
    def nova_api_with(self, line: str) -> Iterator[None]:
        """Meanwhile Nova's API has this line in the section DEFAULT of its configuration."""
        file = CloudPaths.live().etc / "nova.conf"
        before = file.read_text()
        file.write_text(before.replace("[DEFAULT]\n", f"[DEFAULT]\n{line}\n", 1))
        try:
            self._restart("nova-api")
            yield
        finally:
            file.write_text(before)
            self._restart("nova-api")

    def _restart(self, service: str) -> None:
        self.lab("stop", service)
        self.lab("start", service)

    def whole(self) -> bool:
        """Whether every node is online, nova-compute and the evacuator run, nothing is flagged."""
        status = cluster.status()
        if status is None or cluster.whole(self._remote)(status) or self.records():
            return False
        running = set(status.resources.get("nova-compute", []))
        services = {s["host"]: s for s in self.nova.services()}
        return (
            running == set(self.computes)
            and bool(status.resources.get("nova-evacuate"))
            and all(
                services[node]["state"] == "up" and services[node]["status"] == "enabled"
                for node in self.computes
            )
        )

    def state_of(self, node: str) -> str:
        """A node's state as Pacemaker shows it: online, offline or unclean."""
        shown = ET.fromstring(self.on_any_controller("crm_mon", "-1", "--output-as=xml"))
        (found,) = shown.iterfind(f"nodes/node[@name='{node}']")
        unclean, online = found.get("unclean") == "true", found.get("online") == "true"
        return "unclean" if unclean else "online" if online else "offline"

    def restore(self) -> None:
        """Make the site whole again, without instances."""
        self.spawn_delay(0)
        self.lab("restore", timeout=300)
        self.on_any_controller("crm_resource", "--cleanup")
        for node in self._remote:
            if self.state_of(node) == "offline":  # Pacemaker takes it for stopped on purpose
                self.on_any_controller("crm_resource", "--refresh", "--resource", node)
        for node, record in self.records().items():
            if "kept" in record.get("novaha-marks", "").split():  # by a test that failed
                self.on_any_controller("novaha", "release", "--force", "--yes", node)
        try:
            self.wait("the site is whole", self.whole, 300)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.describe()}") from None
        self.nova.servers_delete(self.servers())

    def describe(self) -> str:
        """Everything that helps to understand a failure."""
        parts = [f"records: {self.records()}"]
        for command in (
            ["crm_mon", "-1", "-r", "-f"],
            ["novaha", "status"],
            ["tail", "-n", "40", "/var/log/novaha/nova-evacuate.log"],
        ):
            for controller in layout.CONTROLLERS:
                parts.append(f"--- {controller}: {' '.join(command)}")
                parts.append(self.on(controller, *command, check=False))
        return "\n".join(parts)
