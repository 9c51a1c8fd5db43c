"""nova-compute: not before the recovery is finished, and never waiting long."""

from __future__ import annotations

import io

import pytest

from novaha.agents import nova_compute
from novaha.agents.nova_compute import AGENT, Context
from novaha.agents.runtime import ActionError
from novaha.agents.service import DirectProcess
from novaha.agents.units import SystemdUnit
from novaha.contract import ocf
from novaha.contract.ocf import ExitCode, Request
from novaha.contract.parameters import ParameterError
from novaha.core.errors import ClusterToolError, RecordError
from novaha.core.record import Record
from novaha.pacemaker.runner import Result, Runner
from tests.unit.agents.fakes import Clock, FakeCluster, FakeService, pending, recovered, running


def request(action: str, level: int = 0, by_hand: bool = False, **parameters: str) -> Request:
    environ = {f"OCF_RESKEY_{name}": value for name, value in parameters.items()}
    environ |= {
        "OCF_RESKEY_CRM_meta_timeout": "30000",
        "OCF_RESKEY_CRM_meta_interval": "10000",
        "OCF_CHECK_LEVEL": str(level),
    }
    environ |= {"PCMK_service": "crm_resource"} if by_hand else {}
    return ocf.parse(AGENT, [action], environ)


class Virsh(Runner):
    """virsh, which answers unless `hangs`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hangs = False

    def __call__(self, argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        self.asked.append(" ".join(argv))
        if self.hangs:
            raise ClusterToolError(argv, None, f"killed after {timeout:g} s")
        return Result(tuple(argv), 0, b"", "")


class Setting:
    def __init__(self, service: FakeService, cluster: FakeCluster, answer: object = "") -> None:
        self.service, self.cluster, self.clock = service, cluster, Clock()
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        self.virsh = Virsh()
        self.asked: list[tuple[str, float]] = []

        def heartbeat(parameters, node: str, seconds: float) -> str:
            self.asked.append((node, seconds))
            if isinstance(answer, Exception):
                raise answer
            return str(answer)

        self.context = Context(
            self.stdout,
            self.stderr,
            cluster,
            lambda request: service,
            heartbeat,
            self.virsh,
            self.clock.sleep,
            self.clock.monotonic,
        )


def test_start_on_a_healthy_host() -> None:
    setting = Setting(FakeService(), FakeCluster())
    assert nova_compute.start(request("start"), setting.context) is ExitCode.SUCCESS
    assert setting.service.calls == ["start"]


def test_start_of_what_runs_does_nothing() -> None:
    setting = Setting(FakeService(up=True), FakeCluster())
    assert nova_compute.start(request("start"), setting.context) is ExitCode.SUCCESS
    assert setting.service.calls == []


@pytest.mark.parametrize("record", [pending("compute-1"), running("compute-1")])
def test_law_4_a_held_host_starts_nothing(record) -> None:
    setting = Setting(FakeService(), FakeCluster(compute_1=record))
    with pytest.raises(ActionError, match=r"recovery of compute-1 is .* held") as failure:
        nova_compute.start(request("start"), setting.context)
    assert failure.value.code is ExitCode.ERR_GENERIC
    assert setting.service.calls == []


def test_law_8_a_held_start_gives_up_after_seconds() -> None:
    setting = Setting(FakeService(), FakeCluster(compute_1=running("compute-1")))
    began = setting.clock.now
    with pytest.raises(ActionError, match="is running on controller-2, held"):
        nova_compute.start(request("start"), setting.context)
    assert setting.clock.now - began <= 6


def test_a_recovery_that_ends_meanwhile_lets_it_start() -> None:
    record = [running("compute-1"), running("compute-1"), recovered("compute-1")]
    setting = Setting(FakeService(), FakeCluster(compute_1=record))
    assert nova_compute.start(request("start"), setting.context) is ExitCode.SUCCESS
    assert setting.service.given[0] <= 28


@pytest.mark.parametrize(
    "error",
    [ClusterToolError(["cibadmin"], 102, ""), RecordError("compute-1", "is nonsense")],
)
def test_law_4_unknown_is_held(error) -> None:
    setting = Setting(FakeService(), FakeCluster())
    setting.cluster.broken = error
    with pytest.raises(type(error)):
        nova_compute.start(request("start"), setting.context)
    assert setting.service.calls == []


class Stumbling(FakeCluster):
    """A cluster that is reached at the third attempt, and asked by each of them."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.errors = [ClusterToolError(["cibadmin"], code, "Could not connect to the CIB")] * 2

    def record(self, node: str) -> Record | None:
        if self.errors:
            raise self.errors.pop()
        return super().record(node)


@pytest.mark.parametrize("code", [71, 75, 102])
def test_a_cluster_that_is_not_reached_at_first_is_tried_again(code: int) -> None:
    setting = Setting(FakeService(), Stumbling(code))
    began = setting.clock.now
    assert nova_compute.start(request("start"), setting.context) is ExitCode.SUCCESS
    assert setting.service.calls == ["start"]
    assert setting.clock.now - began == 1


def test_law_4_a_cluster_that_is_never_reached_is_tried_for_five_seconds() -> None:
    setting = Setting(FakeService(), FakeCluster())
    setting.cluster.broken = ClusterToolError(["cibadmin"], 71, "Could not connect to the CIB")
    began = setting.clock.now
    with pytest.raises(ClusterToolError):
        nova_compute.start(request("start"), setting.context)
    assert setting.clock.now - began == 5
    assert setting.service.calls == []


@pytest.mark.parametrize("code", [1, 13, 77, 104, 127, None])
def test_law_4_an_answer_that_is_a_failure_is_not_asked_for_again(code: int | None) -> None:
    setting = Setting(FakeService(), FakeCluster())
    setting.cluster.broken = ClusterToolError(["cibadmin"], code, "")
    began = setting.clock.now
    with pytest.raises(ClusterToolError):
        nova_compute.start(request("start"), setting.context)
    assert setting.clock.now == began


def test_start_without_nova_compute() -> None:
    setting = Setting(FakeService(installed=False), FakeCluster())
    with pytest.raises(ActionError) as failure:
        nova_compute.start(request("start"), setting.context)
    assert failure.value.code is ExitCode.ERR_INSTALLED


def test_stop_needs_no_cluster_and_valid_parameters() -> None:
    setting = Setting(FakeService(up=True), FakeCluster())
    setting.cluster.broken = ClusterToolError(["cibadmin"], 102, "")
    assert nova_compute.stop(request("stop", insecure="perhaps"), setting.context) == 0
    assert setting.service.calls == ["stop"]


def test_stop_without_nova_compute() -> None:
    setting = Setting(FakeService(installed=False), FakeCluster())
    assert nova_compute.stop(request("stop"), setting.context) is ExitCode.SUCCESS
    assert setting.service.calls == []


def test_monitor_looks_at_the_process_only() -> None:
    for up, code in ((True, ExitCode.SUCCESS), (False, ExitCode.NOT_RUNNING)):
        setting = Setting(FakeService(up=up), FakeCluster())
        setting.cluster.broken = ClusterToolError(["cibadmin"], 102, "")
        assert nova_compute.monitor(request("monitor"), setting.context) is code


@pytest.mark.parametrize(
    ("answer", "record", "code"),
    [
        ("", None, ExitCode.SUCCESS),
        ("no heartbeat of", None, ExitCode.DEGRADED),
        ("forced down", recovered("compute-1"), ExitCode.SUCCESS),
        ("", RecordError("compute-1", "is nonsense"), ExitCode.DEGRADED),
    ],
)
def test_monitor_of_depth_10_asks_nova(answer, record, code) -> None:
    setting = Setting(FakeService(up=True), FakeCluster(compute_1=record), answer)
    deep = request("monitor", 10, auth_url="http://k", username="u", password="p")
    assert nova_compute.monitor(deep, setting.context) is code
    assert ("ocf-exit-reason:" in setting.stderr.getvalue()) is (code is ExitCode.DEGRADED)
    # all that is asked, libvirt too, has to fit into the action's time
    assert setting.asked in ([], [("compute-1", 10.0)])


def test_monitor_of_depth_10_on_a_host_whose_cluster_is_silent() -> None:
    setting = Setting(FakeService(up=True), FakeCluster())
    setting.cluster.broken = ClusterToolError(["cibadmin"], 102, "")
    deep = request("monitor", 10, auth_url="http://k")
    assert nova_compute.monitor(deep, setting.context) is ExitCode.DEGRADED
    assert "cibadmin exited with 102" in setting.stderr.getvalue()


def test_monitor_of_depth_10_without_credentials_asks_nobody() -> None:
    setting = Setting(FakeService(up=True), FakeCluster(), ZeroDivisionError())
    deep = request("monitor", 10, novaha_config="/nonexistent")
    assert nova_compute.monitor(deep, setting.context) is ExitCode.SUCCESS


def test_monitor_of_depth_20_asks_libvirt_too() -> None:
    setting = Setting(FakeService(up=True), FakeCluster())
    for level, asked in ((10, []), (20, ["virsh --connect qemu:///system list --name"])):
        deep = request("monitor", level, novaha_config="/nonexistent")
        assert nova_compute.monitor(deep, setting.context) is ExitCode.SUCCESS
        assert setting.virsh.asked == asked
    setting.virsh.hangs = True
    assert nova_compute.monitor(deep, setting.context) is ExitCode.DEGRADED
    assert "libvirt does not answer at qemu:///system" in setting.stderr.getvalue()


def test_monitor_of_one_that_ends_again_and_again_fails() -> None:
    setting = Setting(FakeService(up=True), FakeCluster())
    setting.service.ails = "it ends again and again"
    with pytest.raises(ActionError, match="again and again") as failure:
        nova_compute.monitor(request("monitor"), setting.context)
    assert failure.value.code is ExitCode.ERR_GENERIC


@pytest.mark.parametrize(
    ("up", "record", "level", "words"),
    [
        (True, None, 0, ("running", "none", "not asked")),
        (True, None, 10, ("running", "none", "no heartbeat of")),
        (False, running("compute-1"), 10, ("stopped", "running", "held", "not asked")),
    ],
)
def test_force_check_shows_process_record_and_what_nova_says(up, record, level, words) -> None:
    setting = Setting(FakeService(up=up), FakeCluster(compute_1=record), "no heartbeat of")
    asked = request("monitor", level, by_hand=True, auth_url="http://k")
    code = nova_compute.monitor(asked, setting.context)
    expected = ExitCode.DEGRADED if up and level else ExitCode.SUCCESS
    assert code is (expected if up else ExitCode.NOT_RUNNING)
    shown = setting.stdout.getvalue()
    assert [line.split()[0] for line in shown.splitlines()] == ["nova-compute", "record", "beyond"]
    for word in words:
        assert word in shown


def test_law_4_a_unit_that_starts_at_boot_is_told_of() -> None:
    setting = Setting(FakeService(), FakeCluster())
    setting.service.at_boot = True
    assert nova_compute.start(request("start"), setting.context) is ExitCode.SUCCESS
    assert "WARNING: systemd starts nova-compute at boot" in setting.stderr.getvalue()
    deep = request("monitor", 10, novaha_config="/nonexistent")
    assert nova_compute.monitor(deep, setting.context) is ExitCode.DEGRADED
    assert "ocf-exit-reason:systemd starts nova-compute at boot" in setting.stderr.getvalue()


def test_law_4_a_unit_that_starts_at_boot_is_found_by_validation() -> None:
    setting = Setting(FakeService(), FakeCluster())
    setting.service.at_boot = True
    assert nova_compute.validate_all(request("validate-all"), setting.context) == 0
    with pytest.raises(ActionError, match="disable its unit"):
        nova_compute.validate_all(request("validate-all", 10), setting.context)


def test_unit_and_binary_exclude_each_other() -> None:
    setting = Setting(FakeService(), FakeCluster())
    with pytest.raises(ParameterError, match="exclude"):
        nova_compute.start(request("start", unit="a", binary="/b"), setting.context)


def test_which_service() -> None:
    assert isinstance(nova_compute.service_of(request("monitor", unit="nova-compute")), SystemdUnit)
    direct = nova_compute.service_of(
        request("monitor", binary="/b", config="/1 /2", additional_parameters="--debug")
    )
    assert isinstance(direct, DirectProcess)
    assert direct.argv == ("/b", "--config-file", "/1", "--config-file", "/2", "--debug")
