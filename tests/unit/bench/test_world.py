"""What the benchmarks run on: the configuration, the calls that are measured, the older agents."""

from __future__ import annotations

from pathlib import Path

import pytest
from novahabench import older, usage
from novahabench.mark import BenchError
from novahabench.marks.cost import Pair, cases, pair
from novahabench.older import NotFetchedError, Older
from novahabench.stats import reached
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


def test_without_network_the_older_agents_are_not_fetched_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(argv: list[str], **more: object) -> None:
        raise BenchError(f"{argv[0]}: exit code 100: Could not resolve 'deb.example.org'")

    monkeypatch.setattr(older, "CACHE", tmp_path)
    monkeypatch.setattr(older, "run", no_network)
    agents = older.fetch(lambda text: None)
    for ask in (agents.fence_agent, lambda: agents.resource_agent("NovaCompute")):
        with pytest.raises(NotFetchedError, match=r"deb\.example\.org"):
            ask()
    # The next run, with network, tries again.
    fetched: list[str] = []
    monkeypatch.setattr(older, "_packages", lambda target: fetched.append("packages"))
    monkeypatch.setattr(older, "_libraries", lambda target: fetched.append("libraries"))
    assert older.fetch(lambda text: None).fence_agent().name == "fence_compute"
    older.fetch(lambda text: None)  # not a third time
    assert fetched == ["packages", "libraries"]


def test_an_action_of_an_older_agent_that_is_not_there_is_not_measured(tmp_path: Path) -> None:
    agents = Older(tmp_path, "no network")
    ours = Command(("/bin/true",), {})

    def theirs(name: str) -> Pair:
        return pair(ours, lambda: Command((str(agents.resource_agent(name)),), {}))

    found = theirs("NovaCompute")
    assert (found.ours, found.theirs, found.missing) == (ours, None, "no network")
    measured = list(cases("NovaCompute monitor", found, agents, 2))
    assert [case.name.partition(", ")[2] for case in measured] == [
        "CPU time",
        "wall time",
        "memory",
    ]
    for case in measured[:2]:
        assert len(case.product) == 2
        assert case.beside == {}
        assert case.missing == {"older": "no network"}
        assert case.goal is not None
        assert reached(case) is None


def test_an_older_agent_that_fails_is_still_an_error(tmp_path: Path) -> None:
    found = pair(Command(("/bin/true",), {}), lambda: Command(("/bin/false",), {}))
    assert found.missing == ""
    with pytest.raises(BenchError, match="exit code 1"):
        list(cases("NovaCompute monitor", found, Older(tmp_path), 1))


def test_without_gnu_time_only_the_memory_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = Older(tmp_path)

    def none() -> Path:
        raise NotFetchedError("there is no GNU time")

    monkeypatch.setattr(agents, "gnu_time", none)
    both = Pair(Command(("/bin/true",), {}), Command(("/bin/true",), {}))
    *times, memory = cases("NovaCompute monitor", both, agents, 2)
    assert all(case.product and case.beside and not case.missing for case in times)
    assert (memory.product, dict(memory.beside)) == ((), {})
    assert memory.missing.keys() == {"novaha", "older"}
    assert reached(memory) is None
