"""A sandbox: one machine's worth of namespaces, which lives and dies with its PID 1.

The network namespace ``nhl-<name>`` outlives it (network.py makes it); mount, PID, IPC and UTS
namespaces are new at each start. Killing PID 1 ends every process inside at once, as a power
cut does.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from novahalab import layout
from novahalab.errors import LabError
from novahalab.process import Process, Result, run, tail

# Programs inside see this environment and nothing of the caller's (no foreign Python on PATH).
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


class Sandbox:
    """The namespaces of one host of the lab, by name. Holds no state: that is in ``run/``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dir = layout.SANDBOXES / name
        self.log = layout.LOGS / name / "init.log"

    @property
    def init(self) -> Process | None:
        """Its PID 1, None when it is off."""
        return Process.load(self.dir / "init")

    @property
    def pid(self) -> int | None:
        """The number of its PID 1 on this machine, None when it is off."""
        init = self.init
        return init.pid if init else None

    @property
    def running(self) -> bool:
        """Whether it is on (a frozen one is)."""
        return self.init is not None

    def prepare(self, init: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Path:
        """Write the script that starts it, and return its path.

        ``init`` is what becomes PID 1 (nothing: a process that only reaps). The script stays
        in the foreground until the sandbox ends; a second one gives up after a few seconds.
        """
        self.dir.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        full_env = {**ENVIRONMENT, "NOVAHA_LAB_HOSTS": str(layout.HOSTS), **(env or {})}
        argv = [
            *("env", "-i", *(f"{k}={v}" for k, v in full_env.items())),
            *("flock", "--wait", "5", "--close", str(self.dir / "lock")),
            *("ip", "netns", "exec", layout.namespace(self.name)),
            *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL"),
            *("--propagation", "private", "--"),
            *(str(layout.SCRIPTS / "sandbox-init"), self.name, str(self.dir), *init),
        ]
        script = self.dir / "start"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(argv)}\n")
        script.chmod(0o755)
        return script

    def start(self, init: Sequence[str] = (), env: Mapping[str, str] | None = None) -> None:
        """Start it as ``prepare`` describes, and wait until it is ready. Does nothing if it runs.

        The init must create ``ready`` in its directory (the default one does). Raises LabError
        with the end of its log if it does not come up.
        """
        if not self.running:
            self.prepare(init, env)
            self.boot()
        self.wait_ready()

    def boot(self) -> None:
        """Run the start script of ``prepare``, detached; returns when PID 1 is there."""
        if self.running:
            return
        (self.dir / "ready").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            starter = subprocess.Popen(
                [str(self.dir / "start")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 10
        while not self.running:
            if starter.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"{self.name} did not start; {self.log} ends:\n{tail(self.log)}")
            time.sleep(0.005)

    def wait_ready(self, timeout: float = 30) -> None:
        """Wait until its init says that it is ready (seconds). Raises LabError if it does not."""
        deadline = time.monotonic() + timeout
        while not (self.dir / "ready").exists():
            if not self.running or time.monotonic() > deadline:
                raise LabError(f"{self.name} did not come up; {self.log} ends:\n{tail(self.log)}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End every process inside at once, by SIGKILL of PID 1; returns when all are gone."""
        init = self.init
        if init is not None:
            init.signal(signal.SIGKILL)
            if not init.wait(10):
                raise LabError(f"{self.name}: process {init.pid} did not end by SIGKILL")
        (self.dir / "ready").unlink(missing_ok=True)

    def processes(self) -> list[Process]:
        """All processes inside, PID 1 included."""
        pid = self.pid
        if pid is None:
            return []
        found = []
        try:
            ours = os.readlink(f"/proc/{pid}/ns/pid")
        except OSError:
            return []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    same = os.readlink(f"/proc/{entry}/ns/pid") == ours
                except OSError:
                    continue
                process = Process.of(int(entry)) if same else None
                if process:
                    found.append(process)
        return found

    def freeze(self) -> None:
        """SIGSTOP every process inside: it stays there, silent, as a hung machine does."""
        self._require()
        done: set[Process] = set()
        # Until a pass finds nothing new: what runs may fork while we go through the list.
        while new := [p for p in self.processes() if p not in done]:
            for process in new:
                process.signal(signal.SIGSTOP)
            done.update(new)

    def thaw(self) -> None:
        """SIGCONT every process inside."""
        self._require()
        for process in self.processes():
            process.signal(signal.SIGCONT)

    @property
    def frozen(self) -> bool:
        """Whether its PID 1 is stopped."""
        try:
            state = Path(f"/proc/{self._require()}/stat").read_text().rpartition(")")[2].split()
        except (OSError, LabError):
            return False
        return state[0] == "T"

    def exec(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        log: Path | None = None,
    ) -> Result:
        """Run a program inside to its end; arguments and errors as for ``process.run``."""
        full_env = {**ENVIRONMENT, **(env or {})}
        return run(
            [*self._enter(), *argv],
            timeout=timeout,
            input=input,
            env=full_env,
            clean_env=True,
            check=check,
            log=log,
        )

    def call(self, argv: Sequence[str]) -> int:
        """Run a program inside on this terminal; its exit code."""
        env = {**ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")}
        return subprocess.call([*self._enter(), *argv], env=env)

    def popen(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
    ) -> Process:
        """Start a program inside, in a session of its own and with its output appended to ``log``.

        It outlives this command and ends with the sandbox at the latest.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        script = (layout.SCRIPTS / "sandbox-popen").read_text()
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        try:
            with log.open("ab") as sink:
                starter = subprocess.run(
                    [*self._enter(), "/bin/bash", "-c", script, "popen", str(proc), cwd, *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=sink,
                    env={**ENVIRONMENT, **(env or {})},
                    pass_fds=(proc,),
                    text=True,
                    timeout=20,
                )
        finally:
            os.close(proc)
        try:
            pid, started = starter.stdout.split()
        except ValueError:
            raise LabError(f"{argv[0]} did not start in {self.name}:\n{tail(log)}") from None
        return Process(int(pid), int(started))

    def _enter(self) -> list[str]:
        pid = str(self._require())
        return ["nsenter", "--target", pid, "-m", "-u", "-i", "-n", "-p", "--"]

    def _require(self) -> int:
        pid = self.pid
        if pid is None:
            raise LabError(f"{self.name} is off; `lab boot {self.name}` or `lab up` starts it")
        return pid
