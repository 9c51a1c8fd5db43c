"""How soon a death without a word is noticed, and how often load is taken for one.

On a bare lab (Pacemaker alone) with as many remote nodes as it is asked for: first deaths on an
idle machine, then a long time of load in which nobody dies, then deaths under that load.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from novahalab import cluster, layout, nodes
from novahalab.process import CommandError
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings
from rich.markup import escape

from novaha.cli import fencing
from novahabench import lab, lab_logs, machine
from novahabench.load import busy
from novahabench.mark import BenchError
from novahabench.progress import Progress
from novahabench.stats import summary

MEDIAN = 4.0
"""Seconds from the death to the power-off that the median is to stay below."""

_FENCING = re.compile(r"Requesting peer fencing \(\w+\) targeting (\S+) ")
_NO_ANSWER = re.compile(r"Timed out waiting for remote poke response from (\S+)")
_WHOLE = 300.0
_COST_WINDOW = 30.0


@dataclass(frozen=True)
class Wanted:
    """What is to be measured. monitor: interval and timeout as Pacemaker writes them."""

    minutes: float
    load: int
    deaths: int
    monitor: tuple[str, str]


@dataclass
class Result:
    """asked, off: seconds from each death until Pacemaker asked for the fencing, and until the
    BMC had cut the power; by what went on meanwhile ("idle", "load").

    alarms: hosts that were to be fenced though nobody had died. unanswered: monitors without an
    answer. minutes: how long there was load without a death. load: the load average of one minute
    at the end of each minute. cpu: of all of Pacemaker on all nodes, seconds a minute, idle.
    """

    asked: dict[str, list[float]] = field(default_factory=dict)
    off: dict[str, list[float]] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    minutes: float = 0.0
    busy: int = 0
    load: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def reached(self) -> bool:
        """Whether the marks are kept: the median when idle, and no alarm."""
        return not self.alarms and summary(tuple(self.off["idle"])).median < MEDIAN


def run(wanted: Wanted, *, computes: int, generation: str, json_file: Path | None = None) -> int:
    """Measure and tell; 0 when the marks were reached, else 1. Raises BenchError, LabError."""
    with ExitStack() as stack:
        options = ("--bare", "--computes", str(computes), "--pacemaker", generation)
        settings = stack.enter_context(lab.up(*options))
        progress = stack.enter_context(Progress(1))
        progress.begin("detect")
        found = Detection(settings, progress).measure(wanted)
        version = (cluster.status() or cluster.ClusterStatus()).version
    about = {
        "machine": machine.machine(),
        "pacemaker": version,
        "generation": settings.pacemaker,
        "computes": settings.computes,
        "monitor": wanted.monitor,
        "load_per_core": wanted.load,
    }
    if json_file is not None:
        json_file.write_text(json.dumps({**about, **asdict(found)}, indent=1) + "\n")
    for text in told(found, about):
        progress.line(escape(text))
    return 0 if found.reached() else 1


def told(found: Result, about: dict[str, Any]) -> Iterator[str]:
    """The result in lines."""
    interval, timeout = about["monitor"]
    yield (
        f"Pacemaker {about['pacemaker']}, {about['computes']} remote nodes, "
        f"monitor {interval}/{timeout}; all of Pacemaker: {found.cpu:.1f} CPU seconds a minute"
    )
    for when, samples in found.off.items():
        of, asked = summary(tuple(samples)), summary(tuple(found.asked[when]))
        yield (
            f"{when}: death to power-off {of.median:.2f} s [{min(samples):.2f}, "
            f"{max(samples):.2f}] n={len(samples)}; noticed after {asked.median:.2f} s"
        )
    yield (
        f"{found.minutes:.1f} minutes of {found.busy} busy processes, load average up to "
        f"{max(found.load, default=0):.0f}: {len(found.alarms)} false fencings "
        f"{found.alarms or ''}, {len(found.unanswered)} monitors unanswered"
    )


class Detection:
    """A lab that is up, whole before each death."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings = settings
        self._hosts = settings.compute_nodes
        self._progress = progress

    def measure(self, wanted: Wanted) -> Result:
        """All of it. Raises BenchError."""
        found = Result()
        self._whole()
        self._set_monitors(wanted.monitor)
        found.cpu = self._cost()
        self._die("idle", wanted.deaths, found)
        if wanted.minutes:
            with busy(wanted.load) as found.busy:
                self._wait_for_alarms(wanted.minutes * 60, found)
                self._die("load", wanted.deaths, found)
        self._whole()
        return found

    def _set_monitors(self, monitor: tuple[str, str]) -> None:
        """As `novaha setup` does it."""
        self._progress.say(f"monitors of {len(self._hosts)} connections: {'/'.join(monitor)}")
        times = (f"interval={monitor[0]}", f"timeout={monitor[1]}")
        commands = ["pcs cluster cib new.xml", "cp new.xml old.xml"]
        for host in self._hosts:
            argv = [*fencing.monitor_of(host)[:-2], *times]
            commands.append(f"pcs -f new.xml {' '.join(argv)}")
        commands.append("pcs cluster cib-push new.xml diff-against=old.xml")
        controller = Sandbox(layout.CONTROLLERS[0])
        controller.exec(["sh", "-ec", "cd /root\n" + "\n".join(commands)], timeout=300)
        controller.exec(["crm_resource", "--wait", "--timeout", "120"], timeout=150)
        self._whole()

    def _die(self, when: str, deaths: int, found: Result) -> None:
        for number in range(deaths):
            host = self._hosts[number % len(self._hosts)]
            self._progress.say(f"{when}: {host} dies")
            self._whole()
            time.sleep(1.0 + number * 0.37 % 1.0)  # any moment between two monitors
            asked, off, others = self._one(host)
            found.off.setdefault(when, []).append(round(off, 3))
            found.asked.setdefault(when, []).append(round(asked, 3))
            found.alarms += others
            self._progress.line(f"{when}: noticed {asked:.2f} s, off {off:.2f} s")
        self._whole()

    def _one(self, host: str) -> tuple[float, float, list[str]]:
        """Seconds until the death was noticed and the power off; who else was to be fenced."""
        logs, died = lab_logs.Logs(), time.time()
        nodes.crash(host)
        off = self._wait_for(lambda: _off(logs, host, died), f"{host} is powered off")
        asked = _asked(logs, host, died)
        others = [other for other in _matches(logs, _FENCING) if other != host]
        return asked - died, off - died, others

    def _wait_for_alarms(self, seconds: float, found: Result) -> None:
        logs, began = lab_logs.Logs(), time.time()
        while (passed := time.time() - began) < seconds:
            time.sleep(min(60.0, seconds - passed))
            found.load.append(round(os.getloadavg()[0], 1))
            found.minutes = round((time.time() - began) / 60, 2)
            alarms = _matches(logs, _FENCING)
            self._progress.say(
                f"load {found.load[-1]:.0f} for {found.minutes:.1f} minutes, "
                f"{len(alarms)} false alarms"
            )
        found.alarms += _matches(logs, _FENCING)
        found.unanswered += _matches(logs, _NO_ANSWER)

    def _cost(self) -> float:
        """CPU seconds of Pacemaker's daemons in a minute of peace."""
        self._progress.say(f"{_COST_WINDOW:.0f} s of peace")
        before = self._cpu()
        time.sleep(_COST_WINDOW)
        after = self._cpu()
        used = sum(ticks - before.get(process, ticks) for process, ticks in after.items())
        return float(used) / os.sysconf("SC_CLK_TCK") * 60 / _COST_WINDOW

    def _cpu(self) -> dict[int, int]:
        found = {}
        for node in self._settings.nodes:
            for process in Sandbox(node).processes():
                try:
                    text = Path(f"/proc/{process.pid}/stat").read_text()
                except OSError:
                    continue
                name, _, rest = text.partition("(")[2].rpartition(")")
                if name.startswith("pacemaker"):
                    found[process.pid] = sum(map(int, rest.split()[11:13]))
        return found

    def _whole(self) -> None:
        try:
            cluster.wait_for("the lab", cluster.whole(self._hosts), _WHOLE)
        except CommandError as error:
            raise BenchError(str(error)) from error

    @staticmethod
    def _wait_for(look: Callable[[], float | None], what: str) -> float:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(0.05)
        raise BenchError(f"not within 120 s: {what}")


def _asked(logs: lab_logs.Logs, host: str, since: float) -> float:
    return lab_logs.fencing(logs.pacemaker(), host, since).asked


def _off(logs: lab_logs.Logs, host: str, since: float) -> float | None:
    """When the fence device had seen to it that the host is off, which it may have been."""
    done = re.compile(rf"Operation '\w+' \[\d+\] targeting {host} using \S+ returned 0\b")
    year = datetime.fromtimestamp(since).year
    stamps = [lab_logs.stamp(line, year) for line in logs.pacemaker() if done.search(line)]
    return min((at for at in stamps if at is not None and at >= since), default=None)


def _matches(logs: lab_logs.Logs, pattern: re.Pattern[str]) -> list[str]:
    """What the pattern finds in the logs of all controllers, one for each line."""
    lines: Sequence[str] = logs.pacemaker()
    return [match[1] for line in lines if (match := pattern.search(line))]
