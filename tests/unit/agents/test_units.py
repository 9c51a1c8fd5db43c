"""A daemon by its unit; running it directly is tested with real processes in contract."""

from __future__ import annotations

import subprocess
import threading

import pytest

from novaha.agents import units
from novaha.agents.processes import Identity, started
from novaha.agents.runtime import ActionError
from novaha.agents.service import DirectProcess, ServiceError
from novaha.agents.units import ActivatedUnit, SystemdUnit
from novaha.core.errors import ClusterToolError
from novaha.pacemaker.runner import Result
from tests.unit.agents.fakes import Clock


def shown(argv, **properties: str) -> Result:
    """What `systemctl show --property=A,B` prints."""
    names = argv[2].removeprefix("--property=").split(",")
    lines = [f"{name}={properties.get(name, '')}\n" for name in names]
    return Result(tuple(argv), 0, "".join(lines).encode(), "")


class Systemd:
    """systemctl, with the states that the unit passes through at each question."""

    def __init__(self, *states: str, **properties: str) -> None:
        self.states = list(states)
        self.properties = {"LoadState": "loaded", "SubState": "running", **properties}
        self.calls: list[str] = []

    def __call__(self, argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        assert argv[0] == "systemctl"
        if argv[1] == "show":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return shown(argv, ActiveState=state, **self.properties)
        self.calls.append(" ".join(argv[1:]))
        return Result(tuple(argv), 0, b"", "")


def unit(systemd: Systemd) -> SystemdUnit:
    clock = Clock()
    return SystemdUnit("nova-compute.service", systemd, clock.sleep, clock.monotonic)  # type: ignore[arg-type]


class Mute:
    """systemctl, which is missing, or systemd does not answer."""

    def __call__(self, argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        raise ClusterToolError(argv, 127, "cannot be run: No such file or directory")


@pytest.mark.parametrize("kind", [SystemdUnit, ActivatedUnit])
def test_stop_needs_no_systemd_where_nothing_of_the_unit_lives(kind) -> None:
    kind("novaha-no-such.service", Mute()).stop(3)


@pytest.mark.parametrize("kind", [SystemdUnit, ActivatedUnit])
@pytest.mark.parametrize("action", ["running", "missing"])
def test_law_4_what_systemd_does_not_tell_is_an_error(kind, action: str) -> None:
    with pytest.raises(ClusterToolError):
        getattr(kind("novaha-no-such.service", Mute()), action)()


@pytest.mark.parametrize("stubborn", [False, True])
def test_stop_without_systemd_ends_what_lives(monkeypatch, stubborn: bool) -> None:
    trap = "trap '' TERM; " if stubborn else ""
    process = subprocess.Popen(["sh", "-c", f"{trap}echo; while :; do sleep 0.1; done"], stdout=-1)
    assert process.stdout is not None
    process.stdout.readline()
    since = started(process.pid)
    assert since is not None
    daemon = Identity(process.pid, since)
    monkeypatch.setattr(units, "of_unit", lambda unit: [daemon] if daemon.lives() else [])
    threading.Thread(target=process.wait, daemon=True).start()
    SystemdUnit("nova-compute.service", Mute()).stop(3)  # type: ignore[arg-type]
    assert process.wait() == (-9 if stubborn else -15)


def test_stop_without_systemd_of_what_systemd_starts_again_is_an_error(monkeypatch) -> None:
    """Nor is anything killed that a daemon with sockets may have started for others."""
    monkeypatch.setattr(units, "of_unit", lambda unit: [Identity(2**22 + 1, 1)])
    for kind in (SystemdUnit, ActivatedUnit):
        with pytest.raises(ServiceError, match=r"runs \(process 4194305\) and cannot be stopped"):
            kind("nova-compute.service", Mute()).stop(0.3)  # type: ignore[arg-type]


def test_start_waits_until_active() -> None:
    systemd = Systemd("inactive", "activating", "active")
    unit(systemd).start(20)
    assert systemd.calls == ["--no-block start nova-compute.service"]


def test_law_8_start_does_not_wait_for_a_unit_that_waits_for_nova() -> None:
    unit(Systemd("activating", SubState="start")).start(60)


@pytest.mark.parametrize(
    ("state", "sub"), [("failed", "failed"), ("activating", "auto-restart"), ("inactive", "dead")]
)
def test_start_that_fails(state: str, sub: str) -> None:
    with pytest.raises(ServiceError, match="journal"):
        unit(Systemd(state, SubState=sub, Result="exit-code")).start(20)


def test_start_of_a_unit_that_has_failed_too_often() -> None:
    systemd = Systemd("failed", "activating", "active", Result="start-limit-hit")
    unit(systemd).start(20)
    assert systemd.calls == [
        "reset-failed nova-compute.service",
        "--no-block start nova-compute.service",
    ]


@pytest.mark.parametrize(
    ("load", "says"),
    [
        ("not-found", "unit="),
        ("masked", "systemctl unmask nova-compute.service"),
        ("bad-setting", "systemctl status nova-compute.service"),
        ("loaded", ""),
    ],
)
def test_what_is_missing_and_what_to_do(load: str, says: str) -> None:
    missing = unit(Systemd("inactive", LoadState=load)).missing()
    assert says in missing
    assert bool(missing) is bool(says)


def test_a_unit_that_ends_again_and_again_is_of_no_use() -> None:
    crashing = unit(
        Systemd("activating", SubState="auto-restart", Result="exit-code", NRestarts="7")
    )
    assert crashing.running()  # there is something to stop
    assert "exit-code; systemd has restarted it 7 times" in crashing.ailing()
    assert unit(Systemd("active")).ailing() == ""


def test_stop_kills_what_does_not_end() -> None:
    systemd = Systemd(*["deactivating"] * 150, "inactive")
    unit(systemd).stop(20)
    assert systemd.calls == [
        "--no-block stop nova-compute.service",
        "kill --signal=SIGKILL nova-compute.service",
    ]


def test_stop_that_cannot_be_forced_is_an_error() -> None:
    with pytest.raises(ServiceError, match="SIGKILL"):
        unit(Systemd("deactivating")).stop(20)


@pytest.mark.parametrize(("state", "by_itself"), [("enabled", True), ("disabled", False)])
def test_whether_it_starts_at_boot(state: str, by_itself: bool) -> None:
    assert unit(Systemd("active", UnitFileState=state)).starts_by_itself() is by_itself


class Sockets(Systemd):
    """libvirtd.service with its socket: each unit has a state, which commands change."""

    def __init__(self, **states: str) -> None:
        super().__init__("")
        self.now = {"libvirtd.service": "inactive", "libvirtd.socket": "inactive"}
        self.now |= {f"libvirtd.{suffix}": state for suffix, state in states.items()}
        self.enabled: set[str] = set()
        self.hangs = False

    def __call__(self, argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        unit = argv[-1]
        if argv[1] == "show":
            return shown(
                argv,
                ActiveState=self.now[unit],
                LoadState="loaded",
                UnitFileState="enabled" if unit in self.enabled else "disabled",
                TriggeredBy="libvirtd.socket" if unit == "libvirtd.service" else "",
            )
        self.calls.append(" ".join(argv[1:]))
        if argv[1] == "kill" or not (self.hangs and unit == "libvirtd.service"):
            self.now[unit] = "inactive"
        return Result(tuple(argv), 0, b"", "")


def libvirtd(systemd: Sockets) -> ActivatedUnit:
    clock = Clock()
    return ActivatedUnit("libvirtd.service", systemd, clock.sleep, clock.monotonic)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("service", "socket", "runs"),
    [
        ("active", "active", True),
        ("active", "inactive", True),
        ("inactive", "active", True),  # it ended by itself; the next connection starts it
        ("failed", "active", False),
        ("inactive", "inactive", False),
    ],
)
def test_a_daemon_that_ended_because_nobody_needs_it_runs(service, socket, runs: bool) -> None:
    assert libvirtd(Sockets(service=service, socket=socket)).running() is runs


def test_its_sockets_are_stopped_first() -> None:
    systemd = Sockets(service="active", socket="active")
    libvirtd(systemd).stop(20)
    assert systemd.calls == [
        "--no-block stop libvirtd.socket",
        "--no-block stop libvirtd.service",
    ]


def test_only_the_daemon_is_killed_and_never_its_virtual_machines() -> None:
    systemd = Sockets(service="active")
    systemd.hangs = True
    libvirtd(systemd).stop(20)
    assert systemd.calls[-1] == "kill --kill-who=main --signal=SIGKILL libvirtd.service"


@pytest.mark.parametrize(
    ("enabled", "in_use"), [("libvirtd.service", True), ("libvirtd.socket", True), ("", False)]
)
def test_a_unit_is_enabled_by_its_sockets_too(enabled: str, in_use: bool) -> None:
    systemd = Sockets()
    systemd.enabled = {enabled}
    assert libvirtd(systemd).enabled() is in_use


def test_a_user_that_does_not_exist(tmp_path) -> None:
    process = DirectProcess(["/bin/true"], tmp_path / "pid", tmp_path / "log", "no-such-user")
    with pytest.raises(ActionError, match="no-such-user"):
        process.start(5)
