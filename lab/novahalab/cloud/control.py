"""The running cloud: its services as processes in one sandbox."""

import shutil
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from novahalab.errors import LabError
from novahalab.process import Process, tail
from novahalab.sandbox import Sandbox

from . import config, probes, services
from .paths import VENV, CloudPaths


@dataclass(frozen=True)
class ServiceStatus:
    """State of a service: ``running``, ``frozen`` (SIGSTOP) or ``stopped``; its pid on the host."""

    service: str
    state: str
    pid: int | None


class Cloud:
    """One cloud's services in a sandbox, which must run; what it writes is below ``paths``."""

    def __init__(self, sandbox: Sandbox, paths: CloudPaths) -> None:
        self.sandbox = sandbox
        self.paths = paths
        self.services = services.catalogue(paths)

    def configure(self) -> None:
        """Write the directories and the configuration files of all services."""
        self.paths.make()
        etc = self.paths.etc
        files = {
            "keystone.conf": config.render(config.keystone(self.paths)),
            "placement.conf": config.render(config.placement(self.paths)),
            "glance-api.conf": config.render(config.glance(self.paths)),
            "neutron.conf": config.render(config.neutron(self.paths)),
            "nova.conf": config.render(config.nova(self.paths)),
            "rabbitmq.conf": services.RABBITMQ_CONF,
            "rabbitmq-plugins": "[].\n",
        }
        for name, text in files.items():
            (etc / name).write_text(text)
        shutil.copy(VENV / "etc/nova/api-paste.ini", etc / "nova-api-paste.ini")

    def start(self, names: Iterable[str], say: Callable[[str], None] = lambda _: None) -> None:
        """Start services side by side and wait until each of them answers.

        Does nothing for one that runs. Raises LabError with the end of its log if a service ends
        or does not answer before its deadline, and stops it.
        """
        wanted = [self._service(name) for name in names]
        began = time.monotonic()
        for service in wanted:
            self.launch(service.name)
        for service in wanted:
            say(f"waiting for {service.name}")
            self._wait(service, began + service.deadline)

    def launch(self, name: str) -> None:
        """Start a service without waiting for it."""
        service = self._service(name)
        if Process.load(self.paths.process(service.name)):
            return
        self._kill(service.name)  # what an earlier one may have left
        process = self.sandbox.popen(
            service.argv, log=self.paths.log(service.name), env=service.env
        )
        process.save(self.paths.process(service.name))

    def _wait(self, service: services.Service, deadline: float) -> None:
        while not self._answers(service):
            if not Process.load(self.paths.process(service.name)):
                raise self._failed(service.name, "ended by itself")
            if time.monotonic() > deadline:
                self._kill(service.name)
                raise self._failed(service.name, f"did not answer in {service.deadline:g} s")
            time.sleep(0.1)

    def _answers(self, service: services.Service) -> bool:
        with probes.network_of(self.sandbox.name):
            return service.answers(frozenset(p.pid for p in self._members(service.name)))

    def _failed(self, name: str, why: str) -> LabError:
        log = self.paths.log(name)
        return LabError(f"{name} {why}; {log} ends:\n{tail(log)}")

    def stop(self, name: str) -> None:
        """Kill a service: what it has committed, or confirmed to the bus, is in its files."""
        self._kill(self._service(name).name)

    def _kill(self, name: str) -> None:
        members = self._members(name)
        for process in members:
            process.signal(signal.SIGKILL)
        for process in members:
            if not process.wait(10):
                raise LabError(f"{name}: process {process.pid} did not end by SIGKILL")
        self.paths.process(name).unlink(missing_ok=True)

    def freeze(self, name: str) -> None:
        """SIGSTOP a service: it keeps its port and says nothing."""
        for process in self._running(name):
            process.signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT a service."""
        for process in self._running(name):
            process.signal(signal.SIGCONT)

    def _running(self, name: str) -> list[Process]:
        members = self._members(self._service(name).name)
        if not members:
            raise LabError(f"{name} does not run; start it first")
        return members

    def _members(self, name: str) -> list[Process]:
        """Return a service's processes: those in the sandbox that are in its session."""
        try:
            session = int(self.paths.process(name).read_text().split()[0])
        except (OSError, ValueError):
            return []
        return [p for p in self.sandbox.processes() if _stat(p.pid, 3) == str(session)]

    def status(self) -> list[ServiceStatus]:
        """Return the state of every service."""
        return [self._status(name) for name in self.services]

    def _status(self, name: str) -> ServiceStatus:
        process = Process.load(self.paths.process(name))
        if process is None:
            return ServiceStatus(name, "stopped", None)
        frozen = _stat(process.pid, 0) in ("T", "t")
        return ServiceStatus(name, "frozen" if frozen else "running", process.pid)

    def log(self, name: str) -> Path:
        """Return the path of a service's log."""
        return self.paths.log(self._service(name).name)

    def _service(self, name: str) -> services.Service:
        try:
            return self.services[services.ALIASES.get(name, name)]
        except KeyError:
            known = ", ".join(self.services)
            raise LabError(f"no service {name!r} in the cloud; there are {known}") from None


def _stat(pid: int, index: int) -> str:
    """Return a field of /proc/PID/stat, counted from the state; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[index]
    except OSError:
        return ""
