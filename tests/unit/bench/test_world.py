"""What the benchmarks run on: the configuration, the calls that are measured, the older agents."""

from __future__ import annotations

from pathlib import Path

import pytest
from novahabench import older, usage
from novahabench.mark import BenchError
from novahabench.older import Older
from novahabench.usage import Command
from novahabench.world import cib, host

from novaha.pacemaker.cib import compute_nodes, known_nodes
from novaha.pacemaker.fencing import FenceHistory

HOSTS = 45
"""More than a rack."""


@pytest.fixture
def _cib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cib.xml"
    file.write_text(cib(HOSTS))
    monkeypatch.setenv("CIB_file", str(file))


@pytest.mark.usefixtures("_cib")
def test_the_configuration_is_one_of_compute_hosts_behind_power_devices() -> None:
    hosts = {host(number) for number in range(1, HOSTS + 1)}
    assert compute_nodes() == hosts
    assert len(known_nodes()) == HOSTS + 3
    for name in (host(1), host(40), host(41), host(HOSTS)):
        assert FenceHistory().levels().without_power_device(name) == ""


def test_calls_take_turns_and_the_first_round_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "log"
    commands = {
        name: Command(("/bin/sh", "-c", f"read line; echo {name} $line >>{log}"), {}, "in\n")
        for name in "ab"
    }
    costs = usage.alternating(commands, 3)
    assert {name: len(found) for name, found in costs.items()} == {"a": 3, "b": 3}
    assert log.read_text().split("\n")[:-1] == ["a in", "b in"] * 4
    assert all(found.wall > 0 for of in costs.values() for found in of)


def test_a_call_that_ends_otherwise_is_no_sample() -> None:
    assert usage.cost(Command(("/bin/sh", "-c", "exit 2"), {}, expected=2)).wall > 0
    with pytest.raises(BenchError, match="exit code 2, 0 was expected"):
        usage.cost(Command(("/bin/sh", "-c", "exit 2"), {}))


def test_an_older_agent_is_the_one_that_it_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "NovaEvacuate").write_text("#!/bin/sh\n")
    with pytest.raises(BenchError, match="is not what"):
        Older(tmp_path).resource_agent("NovaEvacuate")
    monkeypatch.setattr(older, "_SOURCE", f"file://{tmp_path}/nowhere")
    (tmp_path / "NovaEvacuate").unlink()
    with pytest.raises(BenchError, match=r"put file://.*/NovaEvacuate into"):
        Older(tmp_path).resource_agent("NovaEvacuate")
