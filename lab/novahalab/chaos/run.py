"""One run of chaos, from a lab that is whole to its verdict."""

from __future__ import annotations

import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex
from typing import Any

from rich.markup import escape

from novahalab import layout, lifecycle, nodes
from novahalab.chaos import laws, leftovers, outcome, report
from novahalab.chaos.faults import Faults
from novahalab.chaos.history import History
from novahalab.chaos.observe import Observer
from novahalab.chaos.operator import Operator
from novahalab.chaos.schedule import Fault, schedule
from novahalab.chaos.tenants import Tenants
from novahalab.cloud import Client
from novahalab.errors import LabError
from novahalab.progress import Progress, console
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings

HELD, BROKEN, IMPOSSIBLE = 0, 1, 2
_EACH, _STOPPED = 5, 1
_CALM = 360.0
"""Seconds after the last fault was undone in which everything must be whole again."""
_ALL_AT_ONCE = 24


def main(
    seed: int,
    minutes: float,
    generation: str,
    computes: int | None,
    keep: bool,
    json_file: Path | None,
    keep_logs: Path | None,
) -> int:
    """Run and judge; 0 if all laws held, 1 if one was broken, 2 if there was no proper run."""
    started = False
    try:
        started = _lab_up(generation, computes)
        lab = Settings.load()
        return _Run(lab, seed, minutes).run(json_file, keep_logs)
    except LabError as error:
        console.print(f"[bold red]chaos: no verdict:[/] {escape(str(error))}", soft_wrap=True)
        return IMPOSSIBLE
    finally:
        if started and not keep:
            with Progress() as progress, lifecycle.exclusive("run", progress):
                lifecycle.down(progress)


def _lab_up(generation: str, computes: int | None) -> bool:
    """Whether the lab had to be started. Raises LabError when another kind of lab is up."""
    if not (layout.RUN / "complete").exists():
        with Progress() as progress, lifecycle.exclusive("run", progress):
            lifecycle.up(Settings(computes or 3, generation), progress)
        return True
    lab = Settings.load()
    if lab.bare or lab.pacemaker != generation or computes not in (None, lab.computes):
        raise LabError("the lab is up with other options; `lab down` first")
    return False


class _Run:
    def __init__(self, lab: Settings, seed: int, minutes: float) -> None:
        self._lab = lab
        self._seed = seed
        self._minutes = minutes
        self._history = History()
        self._secret = f"chaos-{token_hex(12)}"
        self._faults = Faults(lab, self._history)
        self._tenants = Tenants(self._history)
        self._operator = Operator(self._power_off)
        self._over = threading.Event()
        self._nova = Client(timeout=20)

    def run(self, json_file: Path | None, keep_logs: Path | None) -> int:
        faults = schedule(self._seed, self._minutes, self._lab.compute_nodes)
        history = self._history
        self._say(
            f"seed {self._seed}, {self._minutes:g} minutes, {len(faults)} things to happen, "
            f"Pacemaker {self._lab.pacemaker}"
        )
        self._prepare()
        observer = Observer(self._lab, history, self._secret, self._faults.disturbed)
        history.began = time.time()
        observer.start()
        try:
            self._storm(faults)
            self._calm()
        finally:
            history.ended = time.time()
            observer.stop()
        leftovers.collect(history, self._secret)
        breaches = laws.judge(history)
        answer = {
            "seed": self._seed,
            "minutes": self._minutes,
            "pacemaker": self._lab.pacemaker,
            **report.verdict(history, breaches),
        }
        if json_file is not None:
            json_file.write_text(json.dumps(answer, indent=2) + "\n")
        if keep_logs is not None or not answer["held"]:
            self._keep_logs(keep_logs, answer)
        report.show(history, breaches)
        self._say("all laws held" if answer["held"] else f"[bold red]not held[/], {self._again()}")
        if answer["held"]:
            self._clear_away()
        return HELD if answer["held"] else BROKEN

    def _again(self) -> str:
        return f"again: lab/chaos --seed {self._seed} --minutes {self._minutes:g}"

    def _say(self, text: str) -> None:
        at = time.time() - self._history.began if self._history.began else 0.0
        console.print(f"[dim]{at:7.1f} s[/]  {text}", soft_wrap=True)

    # Before

    def _prepare(self) -> None:
        self._faults.calm()
        self._nova.servers_delete([s.id for s in self._nova.servers()])
        self._own_password()
        deadline = time.monotonic() + 120
        while problem := self._problems():
            if time.monotonic() > deadline:
                raise LabError(f"the lab is not whole before chaos: {'; '.join(problem)}")
            time.sleep(1)
        self._say(f"{_EACH} instances on each compute node")
        self._tenants.settle_in(self._lab.compute_nodes, _EACH, _STOPPED)

    def _own_password(self) -> None:
        """Give novaha an administrator whose password nothing else has, to be looked for."""
        keystone = self._nova
        name = f"novaha-{token_hex(3)}"
        user = {"name": name, "domain_id": "default", "password": self._secret}
        made = keystone.call("POST", "keystone", "/v3/users", {"user": user})["user"]["id"]
        (role,) = keystone.call("GET", "keystone", "/v3/roles?name=admin")["roles"]
        (project,) = keystone.call("GET", "keystone", "/v3/projects?name=admin")["projects"]
        path = f"/v3/projects/{project['id']}/users/{made}/roles/{role['id']}"
        keystone.call("PUT", "keystone", path)
        text = nodes.NOVAHA_CONF.replace("username = admin", f"username = {name}")
        text = text.replace("password = admin", f"password = {self._secret}")
        for controller in layout.CONTROLLERS:
            # Into the file that is there: its owner and mode stay.
            write = ["sh", "-c", "cat > /etc/novaha/novaha.conf"]
            Sandbox(controller).exec(write, input=text)
        self._faults.do(Fault(0, "kill-evacuator"), lambda _: False)

    # The storm

    def _storm(self, faults: list[Fault]) -> None:
        self._say("[bold]the storm begins[/]")
        with ThreadPoolExecutor(_ALL_AT_ONCE) as pool, ThreadPoolExecutor(1) as tenants:
            try:
                for fault in faults:
                    self._sleep_until(self._history.began + fault.at)
                    self._faults.boot_forgotten()
                    self._tell(fault)
                    if fault.kind.startswith("tenant-"):
                        tenants.submit(self._guarded, self._tenants.do, fault)
                    else:
                        pool.submit(self._guarded, self._faults.do, fault, self._wait)
                self._sleep_until(self._history.began + self._minutes * 60)
            finally:
                self._over.set()
            self._say("[bold]the storm is over[/]; waiting for its last faults to be undone")
            # Marks of the operator wait for their hosts' recovery, which may need the calm.
            self._faults.calm()

    def _guarded(self, do: Any, *arguments: Any) -> None:
        try:
            do(*arguments)
        except Exception as error:
            self._history.notes.append(f"{arguments[0]}: {error!r}"[:300])

    def _wait(self, seconds: float) -> bool:
        return self._over.wait(seconds)

    def _sleep_until(self, moment: float) -> None:
        while (left := moment - time.time()) > 0:
            time.sleep(min(left, 0.5))
            self._tenants.adopt()

    def _tell(self, fault: Fault) -> None:
        targets = " ".join(fault.targets)
        lasts = f" for {fault.lasts:.0f} s" if fault.lasts else ""
        flagged = [
            f"{node} {timeline.spans[-1].value.state}"
            for node, timeline in self._history.records.items()
            if timeline.spans and timeline.spans[-1].value is not None
        ]
        told = f"   [dim]({', '.join(flagged)})[/]" if flagged else ""
        self._say(f"[bold]{fault.kind}[/] {targets}{lasts}{told}")

    # The calm

    def _calm(self) -> None:
        self._faults.calm()
        self._say("[bold]calm[/]: everything must be whole again")
        began = time.monotonic()
        said = ""
        while True:
            self._history.missing = self._problems()
            if not self._history.missing:
                took = time.monotonic() - began
                self._say(f"[green]whole again[/], {took:.0f} s after the last fault")
                # Once more after a moment: what was whole must stay whole.
                time.sleep(3)
                self._history.missing = self._problems()
                return
            if time.monotonic() > began + _CALM:
                self._say(f"[bold red]not whole after {_CALM:.0f} s[/]")
                self._describe()
                return
            now = "; ".join(self._history.missing[:4])
            if now != said:
                self._say(f"{len(self._history.missing)} things missing: {escape(now)}")
                said = now
            time.sleep(3)

    def _problems(self) -> list[str]:
        try:
            self._tenants.adopt()
            self._faults.boot_dead()
            self._faults.marks.take_off_all()
            self._operator.obey()
            return outcome.missing(self._lab, self._history, self._nova)
        except LabError as error:
            return [str(error)[:200]]

    def _power_off(self, host: str) -> None:
        fault = Fault(time.time() - self._history.began, "crash", (host,))
        self._tell(fault)
        self._faults.do(fault, self._wait)

    def _describe(self) -> None:
        """What an operator would look at, into the log of the run."""
        with (layout.LOGS / "chaos-end.txt").open("w") as file:
            for controller in layout.CONTROLLERS:
                for argv in (["crm_mon", "-1rfA"], ["novaha", "status"]):
                    try:
                        shown = Sandbox(controller).exec(argv, timeout=20, check=False)
                        text = shown.stdout + shown.stderr
                    except LabError as error:
                        text = str(error)
                    file.write(f"--- {controller}: {' '.join(argv)}\n{text}\n")

    # After

    def _keep_logs(self, where: Path | None, answer: dict[str, Any]) -> None:
        target = where or layout.LAB / f"chaos-logs-{self._lab.pacemaker}-{self._seed}"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(layout.LOGS, target, symlinks=True, ignore_dangling_symlinks=True)
        (target / "verdict.json").write_text(json.dumps(answer, indent=2) + "\n")
        self._say(f"logs of the run: {target}")

    def _clear_away(self) -> None:
        try:
            self._nova.servers_delete([s.id for s in self._nova.servers()])
        except LabError as error:
            self._say(f"the instances could not be deleted: {error}")
