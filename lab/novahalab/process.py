"""The lab's one way to run programs: argument lists, time limits, errors that tell."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from novahalab.errors import LabError

TAIL = 2000


@dataclass(frozen=True)
class Result:
    """What a program that has ended left: its exit code and its output."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class CommandError(LabError):
    """A program failed or ran out of time.

    Carries ``argv``, ``returncode`` (None after a time-out) and ``stderr`` (the end of it, or
    of the log that the output went to).
    """

    def __init__(self, argv: Sequence[str], returncode: int | None, stderr: str, why: str) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr = stderr[-TAIL:]
        super().__init__(f"{' '.join(argv)}: {why}" + (f"\n{self.stderr}" if stderr else ""))


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
    clean_env: bool = False,
    cwd: Path | None = None,
    check: bool = True,
    log: Path | None = None,
    outlive: bool = False,
) -> Result:
    """Run a program to its end and return what it said.

    ``timeout`` is in seconds; the program's process group is killed when it is over. ``env`` is
    added to this process's environment, or is all of it with ``clean_env``. With ``log`` the
    output is appended to that file. The program dies with the lab command unless ``outlive``
    (package managers, which must not be cut off half-way). Raises CommandError on a time-out,
    and on a non-zero exit code if ``check``.
    """
    argv = [str(a) for a in argv]
    full_env = dict(env or {}) if clean_env else {**os.environ, **(env or {})}
    command = argv if outlive else ["setpriv", "--pdeathsig", "KILL", "--", *argv]
    sink = log.open("ab") if log else None
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=sink or subprocess.PIPE,
            stderr=subprocess.STDOUT if sink else subprocess.PIPE,
            env=full_env,
            cwd=cwd,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise CommandError(argv, None, "", f"not found: {error.filename}") from error
    finally:
        if sink:
            sink.close()
    try:
        out, err = process.communicate(input, timeout)
    except subprocess.TimeoutExpired:
        _kill_group(process)
        out, err = process.communicate()
        raise CommandError(
            argv, None, tail(log) if log else err, f"no end after {timeout:g} s"
        ) from None
    except BaseException:
        _kill_group(process)
        raise
    result = Result(tuple(argv), process.returncode, out or "", err or "")
    if check and result.returncode != 0:
        said = tail(log) if log else (result.stderr or result.stdout)
        raise CommandError(argv, result.returncode, said, f"exit code {result.returncode}")
    return result


def _kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def tail(path: Path, size: int = TAIL) -> str:
    """The end of a log, for an error message; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


@dataclass(frozen=True)
class Process:
    """A running process by its number on this machine and its start time (clock ticks).

    The pair never means another process, whatever the kernel does with the number later.
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this number now; None if there is none, or only a zombie."""
        try:
            # The name in parentheses may hold anything: count fields from its end.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def load(cls, path: Path) -> Process | None:
        """The process that ``save`` (or a script of ours) wrote down, if it is still alive."""
        try:
            pid, started = path.read_text().split()
            saved = cls(int(pid), int(started))
        except (OSError, ValueError):
            return None
        return saved if saved.alive else None

    def save(self, path: Path) -> None:
        """Write it down for later commands."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{self.pid} {self.started}\n")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return Process.of(self.pid) == self

    def signal(self, number: int) -> bool:
        """Send a signal; False if it has ended already."""
        if not self.alive:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended, ``timeout`` seconds at most; whether it has."""
        deadline = time.monotonic() + timeout
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def stop(self, timeout: float = 10) -> None:
        """TERM, then KILL after ``timeout`` seconds; returns when it has ended."""
        if self.signal(signal.SIGTERM) and not self.wait(timeout):
            self.signal(signal.SIGKILL)
            self.wait(5)
