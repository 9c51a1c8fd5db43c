"""After the storm: what becomes of hosts whose power-off was held."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from novaha.core.brake import Host
from novaha.core.errors import ClusterToolError, NovahaError
from novaha.core.steering import Held, Pause, Permit
from novaha.evacuator.held import HeldHosts
from novaha.evacuator.journal import Journal
from novaha.pacemaker.computes import Computes

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NODES = ("compute-1", "compute-2", "compute-3", "compute-4")


@dataclass
class Site:
    """A cluster whose four hosts are held. Time passes by `wait`."""

    hosts: dict[str, Host] = field(
        default_factory=lambda: {n: Host(n, lost=True, held=BEGAN) for n in NODES}
    )
    answers: dict[str, bool | None] = field(default_factory=lambda: dict.fromkeys(NODES, False))
    heard: dict[str, datetime] = field(default_factory=lambda: dict.fromkeys(NODES, BEGAN))
    paused_by: Pause | None = None
    permits: dict[str, Permit] = field(default_factory=dict)
    seconds: float = 0.0
    cleaned: list[str] = field(default_factory=list)
    fenced: list[str] = field(default_factory=list)
    fails: Exception | None = None
    has_brake: bool = True

    def __post_init__(self) -> None:
        self.marks = {n: Held(BEGAN, "isolated") for n in NODES}
        self.watch = HeldHosts(
            self, lambda: self._heard, Journal(None), lambda: self.seconds, lambda: self.now
        )

    @property
    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def _heard(self, node: str) -> datetime | None:
        if node not in self.heard:
            raise NovahaError("Nova does not answer")
        return self.heard[node]

    def braked(self) -> bool:
        return self.has_brake

    def held(self) -> Mapping[str, str]:
        if self.fails:
            raise self.fails
        return dict.fromkeys(self.marks, "x")

    def view(self) -> Computes:
        return Computes(
            dict(self.hosts),
            {},
            quorum=True,
            held=dict(self.marks),
            connections={n: n for n in NODES},
            pause=self.paused_by,
            permits=self.permits,
        )

    def pause(self) -> Pause | None:
        return self.paused_by

    def look_around(self, view: Computes, nodes: Collection[str]) -> list[Host]:
        return [replace(h, answers=self.answers[h.node]) for h in view.hosts.values()]

    def forget_failures(self, node: str, resource: str) -> None:
        self.cleaned.append(resource)
        self.hosts[resource] = replace(self.hosts[resource], lost=False, excused=True)

    def fence(self, node: str) -> None:
        self.fenced.append(node)

    def withdraw(self, node: str) -> None:
        del self.permits[node]

    def release(self, node: str) -> None:
        del self.marks[node]
        self.hosts[node] = replace(self.hosts[node], held=None)

    def wait(self, seconds: float) -> None:
        """Let time pass, with a turn every second."""
        for _ in range(round(seconds)):
            self.seconds += 1
            self.watch.take()

    def network_returns(self, *but: str) -> None:
        for node in NODES:
            if node not in but:
                self.answers[node] = True
                self.heard[node] = self.now + timedelta(seconds=1)

    def reconnect(self) -> None:
        """Pacemaker connects again where failures were forgotten."""
        for node in self.cleaned:
            self.hosts[node] = replace(self.hosts[node], excused=False)


def test_law_10_while_the_network_is_away_nothing_is_done() -> None:
    site = Site()
    site.wait(300)
    assert (site.cleaned, site.fenced) == ([], [])
    assert len(site.watch.notices()) == 4
    assert "`novaha proceed compute-1`" in site.watch.notices()[0]


def test_law_10_hosts_that_prove_to_be_alive_are_brought_back_and_none_is_fenced() -> None:
    site = Site()
    site.wait(20)
    site.network_returns()
    site.wait(5)
    assert sorted(site.cleaned) == list(NODES)
    site.reconnect()
    site.wait(4)
    assert site.marks == {}
    assert site.watch.notices() == ()
    assert site.fenced == []


def test_law_3_the_dead_one_among_them_is_fenced_by_request() -> None:
    site = Site()
    site.wait(20)
    site.network_returns("compute-3")
    site.wait(5)
    site.reconnect()
    site.wait(20)
    assert site.fenced == ["compute-3"]
    assert "compute-3" not in site.cleaned


def test_a_host_that_is_silent_for_a_moment_is_not_fenced() -> None:
    site = Site()
    site.network_returns("compute-3")
    site.wait(5)
    site.reconnect()
    site.wait(4)
    site.network_returns()
    site.wait(60)
    assert site.fenced == []


def test_a_host_that_answers_and_is_not_heard_of_waits_for_an_operator() -> None:
    site = Site()
    site.wait(20)
    site.network_returns()
    site.heard["compute-2"] = BEGAN - timedelta(seconds=5)
    site.wait(5)
    site.reconnect()
    site.wait(120)
    assert site.fenced == []
    assert sorted(site.cleaned) == ["compute-1", "compute-3", "compute-4"]
    assert "Nova heard last from its nova-compute at 11:59:55" in site.watch.notices()[0]


def test_without_nova_nothing_is_proven_and_nothing_is_done() -> None:
    site = Site()
    site.heard.clear()
    site.answers = dict.fromkeys(NODES, True)
    site.wait(60)
    assert (site.cleaned, site.fenced) == ([], [])
    assert "Nova does not answer" in site.watch.notices()[0]


def test_an_address_that_cannot_be_resolved_is_no_proof_of_death() -> None:
    site = Site(answers=dict.fromkeys(NODES))
    site.wait(120)
    assert site.fenced == []


def test_law_3_a_host_that_dies_while_it_is_brought_back_is_fenced() -> None:
    """What made Pacemaker connect again made it forget that the host needs fencing."""
    site = Site()
    site.network_returns()
    site.wait(5)
    dead = "compute-4"
    site.cleaned.remove(dead)
    site.reconnect()
    site.answers[dead] = False
    site.wait(30)
    assert site.fenced == [dead]


def test_a_pause_keeps_the_dead_one_from_being_fenced() -> None:
    site = Site(paused_by=Pause(BEGAN, "bob", "switch upgrade"))
    site.network_returns("compute-3")
    site.wait(5)
    site.reconnect()
    site.wait(60)
    assert site.fenced == []
    assert site.watch.notices()[0] == (
        "fencing and new recoveries are paused: switch upgrade, by bob until resumed; "
        "`novaha resume` ends that"
    )
    assert "held" in site.watch.notices()[1]


def test_a_host_that_was_fenced_is_held_no_more() -> None:
    site = Site()
    site.hosts["compute-1"] = replace(site.hosts["compute-1"], lost=False, off=True)
    site.wait(4)
    assert "compute-1" not in site.marks


@pytest.mark.parametrize("fails", [ClusterToolError(("attrd_updater",), 1, "x")])
def test_what_goes_wrong_for_held_hosts_keeps_no_turn_from_going_on(fails: Exception) -> None:
    site = Site(fails=fails)
    site.wait(10)
    assert site.watch.notices() == ()


def test_a_permit_was_for_this_time() -> None:
    site = Site(permits={"compute-1": Permit(BEGAN, "bob")})
    site.hosts["compute-1"] = replace(site.hosts["compute-1"], lost=False, off=True)
    site.wait(2)
    assert site.permits == {}


def test_a_pause_that_is_over_is_told_no_more_and_is_in_the_journal(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    site = Site(paused_by=Pause(BEGAN, "bob", "work", BEGAN + timedelta(seconds=10)))
    site.marks.clear()
    site.watch.journal = Journal(file)
    site.wait(9)
    assert len(site.watch.notices()) == 1
    site.wait(2)
    assert site.watch.notices() == ()
    events = [json.loads(line)["event"] for line in file.read_text().splitlines()]
    assert events == ["paused", "resumed"]


def test_who_only_looks_tells_of_held_hosts_and_does_nothing() -> None:
    site = Site(paused_by=Pause(BEGAN, "bob", "work"))
    site.network_returns()
    told = site.watch.look()
    assert "paused: work" in told[0]
    assert [t.partition(":")[0] for t in told[1:]] == list(NODES)
    assert "the brake says isolated" in told[1]
    assert (site.cleaned, site.fenced) == ([], [])
    assert len(site.marks) == 4


def test_without_a_brake_nothing_is_held_or_paused_and_little_is_asked() -> None:
    site = Site(paused_by=Pause(BEGAN, "bob", "work"), has_brake=False)
    site.network_returns()
    site.wait(30)
    assert (site.watch.notices(), site.watch.paused()) == ((), "")
    assert (site.cleaned, site.fenced) == ([], [])
