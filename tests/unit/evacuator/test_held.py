"""After the storm: what becomes of hosts whose power-off was held."""

from __future__ import annotations

import json
import threading
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
    settings: dict[str, str] = field(default_factory=dict)
    connections: dict[str, str] = field(default_factory=lambda: {n: n for n in NODES})
    looks: int = 0
    views: int = 0

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

    def brake(self) -> Mapping[str, str] | None:
        return self.settings if self.has_brake else None

    def held(self) -> Mapping[str, str]:
        if self.fails:
            raise self.fails
        return dict.fromkeys(self.marks, "x")

    def view(self) -> Computes:
        self.views += 1
        return Computes(
            dict(self.hosts),
            {},
            quorum=True,
            held=dict(self.marks),
            connections=self.connections,
            pause=self.paused_by,
            permits=self.permits,
        )

    def pause(self) -> Pause | None:
        return self.paused_by

    def look_around(self, view: Computes, nodes: Collection[str]) -> list[Host]:
        self.looks += 1
        return [replace(h, answers=self.answers[h.node]) for h in view.hosts.values()]

    def forget_failures(self, node: str, resource: str) -> None:
        self.cleaned.append(resource)
        self.hosts[resource] = replace(self.hosts[resource], lost=False, excused=True)

    def fence(self, node: str) -> None:
        self.fenced.append(node)

    def withdraw(self, node: str) -> None:
        del self.permits[node]

    def note(self, node: str, held: Held) -> None:
        self.marks[node] = held

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


DEAD = "compute-3"
SILENT = "it is silent, and the others are not: it is about to be fenced"
FENCED = "it is being fenced"
ALIVE = "it proves to be alive: it is brought back into the cluster"


def one_held(**known: object) -> Site:
    """Only compute-3 is held, and nothing else is wrong. known: what the brake has of it."""
    site = Site(hosts={n: Host(n) for n in NODES}, answers=dict.fromkeys(NODES, True))
    site.hosts[DEAD] = Host(DEAD, **{"lost": True, "held": BEGAN, **known})
    site.answers[DEAD] = False
    site.marks = {DEAD: Held(BEGAN, "too-many")}
    return site


def reasons(site: Site, seconds: float = 1) -> list[str]:
    """Why it is held, each as long as it is told, while so much time passes."""
    told: list[str] = []
    for _ in range(round(seconds)):
        site.wait(1)
        for host in site.watch.hosts:
            assert (host.node, host.since) == (DEAD, BEGAN)
            if told[-1:] != [host.reason]:
                told.append(host.reason)
    return told


def test_law_3_a_dead_host_is_fenced_after_ten_seconds_and_again_after_thirty() -> None:
    site = one_held()
    assert reasons(site, 10) == [SILENT]
    assert site.fenced == []
    assert reasons(site, 1) == [FENCED]
    assert site.fenced == [DEAD]
    assert reasons(site, 29) == [SILENT]
    assert site.fenced == [DEAD]
    assert reasons(site, 1) == [FENCED]
    assert site.fenced == [DEAD, DEAD]


def test_law_10_ten_seconds_of_silence_are_ten_seconds_without_a_pause() -> None:
    site = one_held()
    site.wait(10)
    site.answers[DEAD] = True
    assert reasons(site) == [
        "it answers, but Nova heard last from its nova-compute at 12:00:00 UTC"
    ]
    site.answers[DEAD] = False
    assert reasons(site, 10) == [SILENT]
    site.paused_by = Pause(BEGAN, "bob", "work")
    assert reasons(site) == ["fencing is paused: work, by bob until resumed"]
    site.paused_by = None
    assert reasons(site, 10) == [SILENT]
    assert site.fenced == []
    assert reasons(site) == [FENCED]


@pytest.mark.parametrize(
    ("heard", "at", "why"),
    [
        (None, 5, "it answers, but Nova heard last from its nova-compute at never"),
        (-1, 5, "it answers, but Nova heard last from its nova-compute at 11:59:59 UTC"),
        (0, 5, "it answers, but Nova heard last from its nova-compute at 12:00:00 UTC"),
        (1, 5, ALIVE),
        (1, 61, ALIVE),
        (1, 62, "it answers, but Nova heard last from its nova-compute at 12:00:01 UTC"),
    ],
)
def test_law_10_what_proves_that_a_host_is_alive(heard: int | None, at: int, why: str) -> None:
    site = one_held()
    site.answers[DEAD] = True
    site.heard[DEAD] = None if heard is None else BEGAN + timedelta(seconds=heard)  # type: ignore[assignment]
    site.seconds = at - 1
    assert reasons(site) == [why]
    assert site.cleaned == ([DEAD] if why is ALIVE else [])
    assert site.fenced == []


def test_what_pacemaker_does_not_take_back_is_brought_back_again_after_thirty_seconds() -> None:
    site = one_held()
    site.answers[DEAD] = True
    asked = []
    for second in range(70):
        site.heard[DEAD] = site.now + timedelta(seconds=1)
        assert reasons(site) == [ALIVE]
        if len(site.cleaned) > len(asked):
            asked.append(second)
    assert asked == [0, 30, 60]


def test_a_host_without_a_connection_is_taken_back_by_itself() -> None:
    site = one_held()
    site.connections = {}
    site.answers[DEAD], site.heard[DEAD] = True, BEGAN + timedelta(seconds=1)
    assert reasons(site, 5) == [
        "it answers and its nova-compute works: Pacemaker takes it back by itself"
    ]
    assert site.cleaned == []


@pytest.mark.parametrize(
    ("known", "answers", "why", "released"),
    [
        ({"lost": True}, False, SILENT, False),
        ({"lost": True}, None, "its address cannot be resolved on this controller", False),
        ({"lost": False}, False, SILENT, False),
        ({"lost": False}, None, "", True),
        ({"lost": False}, True, "", True),
        ({"lost": True, "off": True}, False, "", True),
        ({"lost": False, "off": True}, False, "", True),
        ({"lost": False, "excused": True}, True, "", True),
    ],
)
def test_when_a_host_is_held_no_more(
    known: dict[str, object], answers: bool | None, why: str, released: bool, tmp_path: Path
) -> None:
    site = one_held(**known)
    site.watch.journal = Journal(tmp_path / "journal")
    site.answers[DEAD] = answers
    site.permits = {DEAD: Permit(BEGAN, "bob"), "compute-1": Permit(BEGAN, "bob")}
    assert reasons(site) == ([why] if why else [])
    assert (DEAD not in site.marks) is released
    assert set(site.permits) == ({"compute-1"} if released else {DEAD, "compute-1"})
    if released:
        (line,) = (tmp_path / "journal").read_text().splitlines()
        written = json.loads(line)
        reason = "fenced" if known.get("off") else "back in the cluster"
        assert (written["event"], written["node"], written["reason"]) == (
            "no longer held",
            DEAD,
            reason,
        )


def test_a_held_host_that_pacemaker_does_not_know_is_left_out() -> None:
    site = one_held()
    site.marks = {"compute-0": Held(BEGAN, "too-many"), **site.marks}
    assert reasons(site) == [SILENT]
    site = one_held()
    site.heard.clear()
    site.marks = {"compute-1": Held(BEGAN, "too-many"), **site.marks}
    site.hosts["compute-1"] = Host("compute-1", lost=True, held=BEGAN)
    site.wait(1)
    assert [(host.node, host.reason) for host in site.watch.hosts] == [
        ("compute-1", "Nova does not answer"),
        (DEAD, SILENT),
    ]


def test_what_was_asked_for_is_forgotten_with_the_mark() -> None:
    """Held once more later, its ten seconds begin anew."""
    site = one_held()
    site.wait(11)
    assert site.fenced == [DEAD]
    mark = site.marks.pop(DEAD)
    site.wait(1)
    assert site.watch.hosts == ()
    site.marks[DEAD] = mark
    assert reasons(site, 10) == [SILENT]
    assert reasons(site, 1) == [FENCED]
    assert site.fenced == [DEAD, DEAD]
    site.marks = {"compute-1": Held(BEGAN, "too-many")}
    site.wait(1)
    site.marks = {DEAD: mark}
    assert reasons(site, 10) == [SILENT]


def test_each_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    site = one_held()
    site.wait(45)
    assert [r.getMessage() for r in caplog.records if "is held" in r.getMessage()] == [
        f"{DEAD} is held: {reason}" for reason in (SILENT, FENCED, SILENT, FENCED, SILENT)
    ]
    caplog.clear()
    site.fails = ClusterToolError(("attrd_updater",), 1, "x")
    site.wait(5)
    site.fails = None
    site.wait(1)
    site.fails = ClusterToolError(("attrd_updater",), 1, "x")
    site.wait(5)
    said = [r.getMessage() for r in caplog.records if "looked after" in r.getMessage()]
    assert said == ["held hosts cannot be looked after: attrd_updater exited with 1: x"] * 2


def test_nova_is_asked_once_for_all_hosts_and_not_for_a_dead_one() -> None:
    site = Site(answers=dict.fromkeys(NODES, True))
    asked: list[int] = []
    site.watch.heard = lambda: asked.append(1) or site._heard  # type: ignore[func-returns-value]
    site.wait(1)
    assert asked == [1]
    site.answers = dict.fromkeys(NODES, False)
    site.wait(1)
    assert asked == [1]


@pytest.mark.parametrize(("brake", "marks"), [(True, False), (False, True), (False, False)])
def test_where_nothing_is_held_nobody_is_asked(brake: bool, marks: bool) -> None:
    site = Site(has_brake=brake)
    if not marks:
        site.marks.clear()
    site.wait(3)
    assert site.watch.look() == ()
    assert (site.looks, site.views) == (0, 0)
    assert site.watch.hosts == ()


class Stopping(threading.Event):
    """Set after some turns; notes for how long is waited in between."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.turns = turns
        self.waits: list[float | None] = []

    def is_set(self) -> bool:
        return len(self.waits) >= self.turns

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return self.is_set()


@pytest.mark.parametrize(("brake", "seconds"), [(True, 3.0), (False, 10.0)])
def test_they_are_looked_after_every_three_seconds_where_there_is_a_brake(
    brake: bool, seconds: float
) -> None:
    site = Site(has_brake=brake)
    site.watch.run(stopping := Stopping(2))
    assert stopping.waits == [seconds, seconds]
    assert site.looks == (2 if brake else 0)


def test_a_mistake_of_ours_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    site = one_held()
    site.fails = KeyError("ours")
    site.watch.run(Stopping(3))
    assert caplog.text.count("held hosts cannot be looked after") == 3
    site.fails = None
    site.watch.run(Stopping(1))
    assert [host.node for host in site.watch.hosts] == [DEAD]


def test_what_is_kept_of_held_hosts(tmp_path: Path) -> None:
    site = one_held()
    site.watch.journal = Journal(tmp_path / "journal")
    site.wait(11)
    site.answers[DEAD], site.heard[DEAD] = True, site.now + timedelta(seconds=1)
    site.wait(1)
    site.paused_by = Pause(BEGAN, "bob", "work")
    site.wait(1)
    site.paused_by = None
    site.wait(1)
    written = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert [{k: v for k, v in line.items() if k != "time"} for line in written] == [
        {
            "event": "fencing requested",
            "node": DEAD,
            "reason": "it is silent on every network; no other compute host has failed",
        },
        {
            "event": "brought back",
            "node": DEAD,
            "reason": "it answers, and Nova hears from its nova-compute",
        },
        {"event": "paused", "reason": "work, by bob until resumed"},
        {"event": "resumed", "reason": "work, by bob until resumed"},
    ]


def test_exactly_what_an_operator_is_told_of_a_held_host() -> None:
    site = one_held()
    site.wait(1)
    assert site.watch.notices() == (
        f"compute-3: its power-off is held since 12:00:00 UTC: {SILENT}; "
        "`novaha evidence compute-3` shows what is known of it, "
        "`novaha proceed compute-3` lets it be powered off",
    )


def held_alone() -> Site:
    """One host is held, because its pacemaker_remote works; the others are in order."""
    site = Site()
    for node in NODES[1:]:
        site.hosts[node] = Host(node)
        del site.marks[node]
    site.marks["compute-1"] = Held(BEGAN, "works")
    site.hosts["compute-1"] = Host("compute-1", lost=True, held=BEGAN, held_alone=True)
    site.answers = dict.fromkeys(NODES, True)
    return site


def test_law_10_a_host_that_was_lost_for_anothers_fault_is_brought_back() -> None:
    site = held_alone()
    site.wait(8)
    assert site.cleaned == []
    site.heard["compute-1"] = site.now
    site.wait(5)
    assert site.cleaned == ["compute-1"]
    site.reconnect()
    site.wait(80)
    assert (site.marks, site.fenced) == ({}, [])


@pytest.mark.parametrize("nova", ["away", "silent"])
def test_law_3_one_that_nobody_hears_of_is_fenced_a_minute_later(nova: str) -> None:
    """Nova hears from nobody, so that its silence proves nothing: for as long as a minute."""
    site = held_alone()
    if nova == "away":
        site.heard.clear()
    site.wait(60)
    assert site.fenced == []
    site.wait(3)
    assert (site.fenced, site.cleaned) == (["compute-1"], [])
    assert site.marks["compute-1"] == Held(BEGAN, "unproven")


def beat(site: Site, seconds: int, *nodes: str, every: int = 10, behind: int = 0) -> int:
    """Time passes, and Nova hears from these; after how many seconds a fencing is asked for.

    behind: seconds by which Nova's clock is late.
    """
    for second in range(seconds):
        if second % every == 0:
            site.heard |= dict.fromkeys(nodes, site.now - timedelta(seconds=behind))
        site.wait(1)
        if site.fenced:
            return second
    return seconds


@pytest.mark.parametrize(("every", "at_most"), [(10, 31), (3, 10), (60, 62)])
def test_law_3_one_that_rebooted_is_fenced_when_nova_has_heard_of_the_others(
    every: int, at_most: int
) -> None:
    site = held_alone()
    assert beat(site, 100, *NODES[1:], every=every) <= at_most
    assert (site.fenced, site.cleaned) == (["compute-1"], [])
    assert site.marks["compute-1"] == Held(BEGAN, "unproven")


def test_law_10_hosts_that_have_failed_are_no_measure_for_its_silence() -> None:
    site = held_alone()
    site.hosts["compute-2"] = Host("compute-2", excused=True)
    site.hosts["compute-3"] = Host("compute-3", off=True)
    site.answers["compute-4"] = False
    assert beat(site, 50, *NODES[1:]) == 50
    assert site.fenced == []


@pytest.mark.parametrize("behind", [0, 45, 600])
def test_law_10_a_heartbeat_that_comes_while_it_is_held_proves_life_whatever_the_clock(
    behind: int,
) -> None:
    site = held_alone()
    beat(site, 15, *NODES, behind=behind)
    assert (site.fenced, site.cleaned) == ([], ["compute-1"])
    beat(site, 200, *NODES, behind=behind)  # Pacemaker has it neither back nor lost for good
    assert site.fenced == []


def test_law_10_one_that_proves_to_live_is_not_fenced_however_often_it_is_lost() -> None:
    """Pacemaker may connect again from the controller that is cut off."""
    site = held_alone()
    for _ in range(10):
        site.heard["compute-1"] = site.now + timedelta(seconds=1)
        site.wait(30)
        site.hosts["compute-1"] = Host("compute-1", lost=True, held=BEGAN, held_alone=True)
    assert site.fenced == []
    assert len(site.cleaned) > 5
