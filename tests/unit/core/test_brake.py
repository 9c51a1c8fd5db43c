"""Law 10: no host that answers is powered off because of what happened to others, or to us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from novaha.core.brake import (
    Code,
    Host,
    LimitError,
    Limits,
    Site,
    Verdict,
    judge,
    sentence,
    to_limit,
)

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
LIMITS = Limits()
QUIET = {"answers": True}
SILENT = {"answers": False}


def long_ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def cloud(count: int, **of: dict[str, object]) -> list[Host]:
    """`count` hosts that answer; what else is said of one is given by its name."""
    names = [f"c{n}" for n in range(1, count + 1)]
    return [Host(name, **{**QUIET, **of.get(name, {})}) for name in names]


def verdict(hosts: list[Host], limits: Limits = LIMITS, **site: object) -> Verdict:
    return judge("c1", hosts, Site(**site), limits, NOW)


ROWS = [
    # hosts, what is known, limits, verdict
    (3, {"c1": SILENT}, "50%,100", Code.ALONE),
    (1, {"c1": SILENT}, "50%,100", Code.ALONE),
    (3, {"c1": {"answers": True, "lost": True}}, "50%,100", Code.ALONE),
    (3, {"c1": SILENT, "c2": SILENT}, "50%,100", Code.WITHIN_LIMITS),
    (3, {"c1": SILENT, "c2": SILENT, "c3": SILENT}, "50%,100", Code.ISOLATED),
    (2, {"c1": SILENT, "c2": SILENT}, "50%,100", Code.ISOLATED),
    (4, {"c1": SILENT, "c2": SILENT, "c3": SILENT}, "50%,100", Code.TOO_MANY),
    (4, {"c1": SILENT, "c2": SILENT, "c3": SILENT}, "75%", Code.WITHIN_LIMITS),
    (4, {"c1": SILENT, "c2": SILENT}, "1", Code.TOO_MANY),
    (4, {"c1": SILENT, "c2": {"lost": True}}, "1", Code.TOO_MANY),
    (4, {"c1": SILENT, "c2": {"held": NOW}}, "1", Code.TOO_MANY),
    (4, {"c1": SILENT, "c2": {"lost": True}}, "", Code.WITHIN_LIMITS),
    (4, {"c1": QUIET, "c2": {"lost": True}}, "50%,100", Code.ANSWERS),
    (4, {"c1": QUIET, "c2": {"held": NOW}}, "50%,100", Code.ANSWERS),
    (4, {"c1": QUIET, "c2": {"off": True, "answers": False}}, "50%,100", Code.ALONE),
    (4, {"c1": QUIET, "c2": {"recovering": True, "off": True}}, "1", Code.TOO_MANY),
    (4, {"c1": QUIET, "c2": {"recovering": True, "off": True}}, "50%", Code.WITHIN_LIMITS),
    (4, {"c1": SILENT, "c2": {"excused": True, "answers": False}}, "1", Code.ALONE),
    (4, {"c1": SILENT, "c2": {"fenced": long_ago(9)}}, "1", Code.TOO_MANY),
    (4, {"c1": SILENT, "c2": {"fenced": long_ago(11)}}, "1", Code.ALONE),
    (4, {"c1": SILENT, "c2": {"off": True, "fenced": long_ago(60)}}, "1", Code.ALONE),
]


@pytest.mark.parametrize(("count", "known", "limit", "code"), ROWS)
def test_law_10_what_is_known_decides(
    count: int, known: dict[str, dict[str, object]], limit: str, code: Code
) -> None:
    found = verdict(cloud(count, **known), Limits(all=to_limit(limit)))
    assert found.code is code, sentence(found)
    assert found.go is (code in (Code.ALONE, Code.WITHIN_LIMITS))
    assert sentence(found)


def test_law_10_a_controller_that_reaches_nobody_shoots_nobody() -> None:
    hosts = [Host(f"c{n}", answers=False) for n in range(1, 3001)]
    assert verdict(hosts, Limits(all=to_limit(""))).code is Code.ISOLATED


def test_a_firewall_between_us_and_the_hosts_does_not_hold_a_dead_host_for_ever() -> None:
    """Pacemaker keeps its connections to hosts that do not answer us."""
    begun = {"c1": {**SILENT, "lost": True, "held": NOW - timedelta(seconds=29)}}
    others = {f"c{n}": SILENT for n in range(2, 9)}
    assert verdict(cloud(8, **begun, **others)).code is Code.ISOLATED
    begun["c1"]["held"] = NOW - timedelta(seconds=31)
    assert verdict(cloud(8, **begun, **others)).code is Code.ALONE
    lost = {name: {**SILENT, "lost": True} for name in others}
    assert verdict(cloud(8, **begun, **lost)).code is Code.ISOLATED


def test_law_10_the_last_of_many_that_were_held_is_not_shot_when_it_answers() -> None:
    """Pacemaker has tries left for it when the others are back in the cluster."""
    last = {"answers": True, "lost": True, "held": NOW - timedelta(seconds=5)}
    assert verdict(cloud(4, c1=last)).code is Code.ANSWERS_AGAIN
    assert verdict(cloud(4, c1={**last, "answers": False})).code is Code.ALONE


def test_law_10_hosts_that_are_off_say_nothing_about_this_controllers_reach() -> None:
    hosts = cloud(3, c1=SILENT, c2={"off": True, "answers": False}, c3={"off": True, **SILENT})
    assert verdict(hosts).code is Code.ALONE


def test_law_10_a_slow_cascade_counts_like_a_sudden_one() -> None:
    """Two hosts a minute: each is fenced, recovered and back before the next dies."""
    fenced = {f"c{n}": {"fenced": long_ago(n / 2)} for n in range(2, 21)}
    found = verdict(cloud(40, c1=SILENT, **fenced))
    assert found.code is Code.WITHIN_LIMITS
    assert verdict(cloud(38, c1=SILENT, **fenced)).code is Code.TOO_MANY


def test_law_10_a_group_has_a_limit_of_its_own() -> None:
    rack = {"groups": frozenset({"rack=r1"})}
    known = {f"c{n}": {**rack, **SILENT} for n in (1, 2, 3)} | {"c4": {**rack}}
    limits = Limits(group=to_limit("50%"))
    held = verdict(cloud(20, **known), limits)
    assert held.code is Code.TOO_MANY_IN_GROUP
    assert held.data["group"] == "rack=r1"
    assert verdict(cloud(20, **known)).code is Code.WITHIN_LIMITS
    elsewhere = {f"c{n}": SILENT for n in (1, 5, 6)}
    elsewhere["c1"] = {**rack, **SILENT}
    assert verdict(cloud(20, **elsewhere), limits).code is Code.WITHIN_LIMITS


@pytest.mark.parametrize("count", [2, 3, 5, 40, 3000])
def test_a_death_that_stands_alone_passes_whatever_the_limits(count: int) -> None:
    for limit in ("0", "1", "0%", "100%"):
        limits = Limits(all=to_limit(limit), group=to_limit(limit))
        hosts = cloud(count, c1={**SILENT, "groups": frozenset({"zone=a"})})
        assert verdict(hosts, limits).code is Code.ALONE


def test_without_quorum_or_while_paused_nobody_is_shot() -> None:
    alone = cloud(3, c1=SILENT)
    assert verdict(alone, quorum=False).code is Code.NO_QUORUM
    paused = verdict(alone, paused="switch upgrade, by alice until 12:30")
    assert paused.code is Code.PAUSED
    assert "switch upgrade" in sentence(paused)


ENDED = {"answers": False, "recovering": True, "ended": True, "lost": True}


def test_law_3_hosts_that_were_fenced_before_are_fenced_again_however_many_they_are() -> None:
    """After a restart of the whole cluster: their recoveries wait for it, nothing runs on them."""
    hosts = cloud(4, **dict.fromkeys(("c1", "c2", "c3", "c4"), ENDED))
    assert verdict(hosts).code is Code.ENDED
    assert not verdict(hosts, quorum=False).go
    assert not verdict(hosts, paused="work").go


def test_law_10_a_record_that_proves_nothing_lets_nobody_go() -> None:
    """Its fencing cut no power, or it came back from a copy of the configuration."""
    doubted = {**ENDED, "ended": False}
    hosts = cloud(4, **dict.fromkeys(("c1", "c2", "c3"), doubted))
    assert verdict(hosts).code is Code.TOO_MANY
    back = cloud(4, c1={**ENDED, "answers": True}, c2={"lost": True})
    assert verdict(back).code is Code.ANSWERS


def test_an_operators_word_goes_before_everything() -> None:
    hosts = [Host(f"c{n}", answers=False) for n in range(1, 5)]
    found = judge("c1", hosts, Site(quorum=False, paused="x"), LIMITS, NOW, permitted="alice")
    assert found == Verdict(True, Code.PROCEED, {"by": "alice"})


@pytest.mark.parametrize(
    ("text", "hosts", "allowed"),
    [
        ("50%,100", 2, 2),
        ("50%,100", 3, 2),
        ("50%,100", 10, 5),
        ("50%,100", 3000, 100),
        ("1", 3, 1),
        ("0", 3, 0),
        (" 30 % , 7 ", 100, 7),
        ("", 3, None),
    ],
)
def test_limits_are_numbers_and_shares(text: str, hosts: int, allowed: int | None) -> None:
    assert to_limit(text).of(hosts) == allowed


@pytest.mark.parametrize("text", ["half", "-1", "101%", "1.5", "%", "1e3", "²", "9" * 20])
def test_a_limit_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(LimitError, match="is no limit"):
        to_limit(text)


def test_every_code_has_its_sentence() -> None:
    data = dict.fromkeys(("failed", "hosts", "allowed", "group", "names", "by", "why"), "x")
    data |= dict.fromkeys(("asked", "others", "first"), "x")
    for code in Code:
        assert sentence(Verdict(True, code, data))
