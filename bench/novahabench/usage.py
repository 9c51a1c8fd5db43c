"""What a process costs: CPU time, wall time, memory; alternating with what stands beside."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from novahabench.mark import BenchError


@dataclass(frozen=True, slots=True)
class Command:
    """A program as it is called, and how it has to end."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    stdin: str = ""
    expected: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one call with all that it starts and waits for, in seconds."""

    cpu: float
    wall: float


def cost(command: Command) -> Cost:
    """Run it once. Raises BenchError when it does not end as expected."""
    read, write = os.pipe()
    os.write(write, command.stdin.encode())
    os.close(write)
    began = time.perf_counter()
    pid = os.posix_spawn(
        command.argv[0], command.argv, dict(command.env), file_actions=_files(read)
    )
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    os.close(read)
    code = os.waitstatus_to_exitcode(status)
    if code != command.expected:
        raise BenchError(
            f"{' '.join(command.argv)}: exit code {code}, {command.expected} was expected"
        )
    return Cost(used.ru_utime + used.ru_stime, wall)


def _files(stdin: int) -> list[tuple[int, ...]]:
    null = os.devnull
    return [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_OPEN, 1, null, os.O_WRONLY, 0),  # type: ignore[list-item]
        (os.POSIX_SPAWN_OPEN, 2, null, os.O_WRONLY, 0),  # type: ignore[list-item]
    ]


def memory(command: Command, gnu_time: Path) -> float:
    """The most memory that one of its processes has resident, in MB.

    By GNU time, a small process: Linux begins to count at what the caller of exec had.
    """
    read, write = os.pipe()
    argv = [str(gnu_time), "--format", "%M", "--output", f"/proc/self/fd/{write}", *command.argv]
    stdin_read, stdin_write = os.pipe()
    os.write(stdin_write, command.stdin.encode())
    os.close(stdin_write)
    os.set_inheritable(write, True)
    pid = os.posix_spawn(argv[0], argv, dict(command.env), file_actions=_files(stdin_read))
    os.waitpid(pid, 0)
    for descriptor in (write, stdin_read):
        os.close(descriptor)
    with os.fdopen(read) as answer:
        return int(answer.read().split()[-1]) / 1024


def alternating(commands: Mapping[str, Command], times: int) -> dict[str, list[Cost]]:
    """Each of them so many times, in turns; the first round fills the caches and is not counted."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(times + 1):
        for name, command in commands.items():
            found = cost(command)
            if turn:
                costs[name].append(found)
    return costs


def used(pid: int) -> float:
    """Seconds of CPU that a process has used so far, all its threads and ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int, *, peak: bool = False) -> float:
    """Its resident memory in MB, now or at most so far."""
    name = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise BenchError(f"process {pid} is gone")
