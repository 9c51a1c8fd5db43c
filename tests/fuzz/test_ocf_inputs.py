"""Whatever the environment of a resource agent is: it says why, and `stop` is 0."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from novaha.agents import libvirtd, nova_compute, nova_compute_wait, nova_evacuate
from novaha.agents.runtime import run
from novaha.agents.service import DirectProcess
from novaha.contract import ocf
from tests.unit.agents.fakes import FakeCluster, FakeEvacuator, FakeService

NUMBERS = [
    *("", "0", "1", "-1", "-" + "9" * 400, "1" + "0" * 400, "9" * 5000, "nan", "inf", "1e400"),
    *("soon", "0x10", "\udcff", "1.5", " 5 ", "\0", "٣", "1_000"),
]
TEXTS = ["", "\udcff\udcfe", "x" * 100_000, "\0", "a\nb", "$(reboot)", "/", "..", "\x1b[2J", "{"]

HANDLERS = {
    "NovaCompute": (
        nova_compute,
        lambda out, err: nova_compute.Context(
            out, err, FakeCluster(), service=lambda request: FakeService(up=True)
        ),
    ),
    "libvirtd": (
        libvirtd,
        lambda out, err: libvirtd.Context(out, err, service=lambda request: FakeService(up=True)),
    ),
    "nova-compute-wait": (
        nova_compute_wait,
        lambda out, err: nova_compute_wait.Context(out, err, FakeCluster()),
    ),
    "NovaEvacuate": (
        nova_evacuate,
        lambda out, err: nova_evacuate.Context(
            out, err, FakeEvacuator(up=True), FakeCluster(), len, len
        ),
    ),
}


def stop(name: str, environ: dict[str, str], out=None, err=None) -> int:
    agent, context = HANDLERS[name]
    out, err = out or io.StringIO(), err or io.StringIO()
    return run(agent.AGENT, {"stop": agent.stop}, context, ["stop"], environ, out, err)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", HANDLERS)
def test_numbers_of_any_size(name: str, number: str, tmp_path: Path) -> None:
    for meta in ("timeout", "interval", "clone"):
        environ = {f"OCF_RESKEY_CRM_meta_{meta}": number, "HA_RSCTMP": str(tmp_path)}
        assert stop(name, environ) == 0
    assert stop(name, {"OCF_CHECK_LEVEL": number, "HA_RSCTMP": str(tmp_path)}) == 0


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", HANDLERS)
def test_stop_with_parameters_that_make_no_sense(name: str, text: str, tmp_path: Path) -> None:
    for parameter in HANDLERS[name][0].AGENT.parameters:
        environ = {f"OCF_RESKEY_{parameter.name}": text, "HA_RSCTMP": str(tmp_path)}
        assert stop(name, environ) == 0, parameter.name


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("variable", ["OCF_RESOURCE_INSTANCE", "HA_RSCTMP", "OCF_OUTPUT_FORMAT"])
@pytest.mark.parametrize("name", HANDLERS)
def test_stop_in_any_environment(name: str, variable: str, text: str) -> None:
    assert stop(name, {variable: text}) == 0


@pytest.mark.parametrize("how", ["closed", "full"])
@pytest.mark.parametrize("name", HANDLERS)
def test_stop_with_streams_that_nobody_reads(name: str, how: str, tmp_path: Path) -> None:
    streams = [open("/dev/full", "w") for _ in range(2)]  # noqa: SIM115
    if how == "closed":
        for stream in streams:
            stream.close()
    assert stop(name, {"HA_RSCTMP": str(tmp_path), "HA_debug": "1"}, *streams) == 0


def test_a_reason_that_nobody_hears() -> None:
    closed = io.StringIO()
    closed.close()
    ocf.write_exit_reason(closed, "why")
    with open("/dev/full", "w") as full:
        ocf.write_exit_reason(full, "why")


def test_the_state_file_cannot_be_removed(tmp_path: Path) -> None:
    (tmp_path / "wait.active").mkdir()
    environ = {"HA_RSCTMP": str(tmp_path), "OCF_RESOURCE_INSTANCE": "wait"}
    err = io.StringIO()
    assert stop("nova-compute-wait", environ, err=err) == 0
    assert "WARNING" in err.getvalue()


def test_the_pid_file_cannot_be_removed(tmp_path: Path) -> None:
    (tmp_path / "pid").mkdir()
    DirectProcess(["/bin/true"], tmp_path / "pid", tmp_path / "log").stop(1)
