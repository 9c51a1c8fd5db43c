"""libvirtd: when libvirt is asked, for how long, and what an answer means."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from novaha.agents import libvirtd
from novaha.agents.libvirt import NotAnsweringError
from novaha.agents.libvirtd import AGENT, Context
from novaha.agents.runtime import ActionError
from novaha.agents.service import DirectProcess
from novaha.agents.units import ActivatedUnit
from novaha.contract import ocf
from novaha.contract.ocf import ExitCode, Request
from novaha.core.errors import ClusterToolError
from novaha.pacemaker.runner import Result
from tests.unit.agents.fakes import Clock, FakeService


def request(action: str, level: int = 0, interval: int = 30, **parameters: str) -> Request:
    environ = {f"OCF_RESKEY_{name}": value for name, value in parameters.items()}
    environ |= {
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_interval": str(1000 * interval),
        "OCF_CHECK_LEVEL": str(level),
    }
    return ocf.parse(AGENT, [action], environ)


class Virsh:
    """virsh, which fails `failures` times, and takes `takes` seconds to do so."""

    def __init__(self, clock: Clock, failures: float = 0, takes: float = 0.0) -> None:
        self.clock, self.failures, self.takes = clock, failures, takes
        self.asked: list[str] = []
        self.timeouts: list[float] = []

    def __call__(self, argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        self.asked.append(" ".join(argv))
        self.timeouts.append(timeout)
        if len(self.asked) > self.failures:
            return Result(tuple(argv), 0, b"", "")
        self.clock.sleep(min(self.takes, timeout))
        code = None if self.takes >= timeout else 1
        raise ClusterToolError(argv, code, "no such socket")


class Setting:
    def __init__(self, service: FakeService, failures: float = 0, takes: float = 0.0) -> None:
        self.service, self.clock = service, Clock()
        self.virsh = Virsh(self.clock, failures, takes)
        self.context = Context(
            io.StringIO(),
            io.StringIO(),
            lambda request: service,
            self.virsh,  # type: ignore[arg-type]
            self.clock.sleep,
            self.clock.monotonic,
        )


def test_start_waits_until_libvirt_answers() -> None:
    setting = Setting(FakeService(), failures=3)
    assert libvirtd.start(request("start"), setting.context) is ExitCode.SUCCESS
    assert setting.service.calls == ["start"]
    assert setting.virsh.asked == ["virsh --connect qemu:///system list --name"] * 4


@pytest.mark.parametrize("takes", [0.01, 3600.0])
def test_law_8_start_gives_up_after_seconds(takes: float) -> None:
    setting = Setting(FakeService(up=True), failures=float("inf"), takes=takes)
    began = setting.clock.now
    with pytest.raises(NotAnsweringError, match="does not answer at qemu:///system"):
        libvirtd.start(request("start"), setting.context)
    assert setting.clock.now - began <= 16
    assert setting.service.calls == []


def test_monitor_of_depth_0_and_probes_look_at_the_process_only() -> None:
    setting = Setting(FakeService(up=True), failures=1)
    assert libvirtd.monitor(request("monitor"), setting.context) is ExitCode.SUCCESS
    probe = request("monitor", 10, interval=0)
    assert libvirtd.monitor(probe, setting.context) is ExitCode.SUCCESS
    assert setting.virsh.asked == []


def test_monitor_of_depth_10_asks_for_half_of_its_time() -> None:
    setting = Setting(FakeService(up=True))
    deep = request("monitor", 10, uri="xen:///system")
    assert libvirtd.monitor(deep, setting.context) is ExitCode.SUCCESS
    assert setting.virsh.asked == ["virsh --connect xen:///system list --name"]
    assert setting.virsh.timeouts == [10.0]


def test_monitor_of_what_does_not_answer_fails() -> None:
    setting = Setting(FakeService(up=True), failures=1, takes=3600)
    with pytest.raises(NotAnsweringError) as failure:
        libvirtd.monitor(request("monitor", 10), setting.context)
    assert failure.value.code is ExitCode.ERR_GENERIC


def test_monitor_of_what_does_not_run_asks_nobody() -> None:
    """A connection would start it, where systemd listens on its sockets."""
    setting = Setting(FakeService())
    assert libvirtd.monitor(request("monitor", 10), setting.context) is ExitCode.NOT_RUNNING
    assert setting.virsh.asked == []


def test_stop_asks_nobody() -> None:
    setting = Setting(FakeService(up=True))
    assert libvirtd.stop(request("stop"), setting.context) is ExitCode.SUCCESS
    assert setting.service.calls == ["stop"]
    assert setting.virsh.asked == []


def test_start_without_libvirt() -> None:
    with pytest.raises(ActionError) as failure:
        libvirtd.start(request("start"), Setting(FakeService(installed=False)).context)
    assert failure.value.code is ExitCode.ERR_INSTALLED


@pytest.fixture
def systemd(monkeypatch, tmp_path: Path) -> dict[str, bool]:
    """The units that systemd knows, and whether they are enabled."""
    units: dict[str, bool] = {}
    monkeypatch.setattr(libvirtd, "SYSTEMD", tmp_path)
    monkeypatch.setattr(ActivatedUnit, "missing", lambda self: "" if self._unit in units else "no")
    monkeypatch.setattr(ActivatedUnit, "enabled", lambda self: units[self._unit])
    return units


@pytest.mark.parametrize(
    ("units", "taken"),
    [
        ({"libvirtd.service": True}, "libvirtd.service"),
        ({"libvirtd.service": False, "virtqemud.service": True}, "virtqemud.service"),
        ({"libvirtd.service": True, "virtqemud.service": False}, "libvirtd.service"),
        ({"libvirtd.service": False, "virtqemud.service": False}, "virtqemud.service"),
    ],
)
def test_which_unit(systemd, units: dict[str, bool], taken: str) -> None:
    systemd.update(units)
    service = libvirtd.service_of(request("start"))
    assert isinstance(service, ActivatedUnit)
    assert service._unit == taken


def test_which_program(systemd) -> None:
    default = libvirtd.service_of(request("start"))
    assert isinstance(default, DirectProcess)
    assert default.argv == ("/usr/sbin/libvirtd",)
    systemd["libvirtd.service"] = True
    chosen = libvirtd.service_of(
        request("start", binary="/b", config="/c", additional_parameters="--verbose")
    )
    assert isinstance(chosen, DirectProcess)
    assert chosen.argv == ("/b", "--config", "/c", "--verbose")
    named = libvirtd.service_of(request("start", unit="virtxend"))
    assert isinstance(named, ActivatedUnit)
    assert named._unit == "virtxend.service"
