"""Law 10: no host that answers is powered off because of what happened to others, or to us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from novaha.core.brake import (
    HOLDS,
    Code,
    Host,
    LimitError,
    Limits,
    Site,
    Verdict,
    judge,
    judge_recovery,
    read_limits,
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


GO = {Code.ALONE, Code.WITHIN_LIMITS, Code.PROCEED, Code.ENDED, Code.UNPROVEN}


def verdict(hosts: list[Host], limits: Limits = LIMITS, **site: object) -> Verdict:
    found = judge("c1", hosts, Site(**site), limits, NOW)
    assert found.go is (found.code in GO)
    return found


def test_every_reason_to_hold_is_listed() -> None:
    goes = {*GO, Code.POWER_IS_OFF, Code.FAULT} - {Code.UNPROVEN}  # also the evacuator's mark
    assert set(HOLDS) == set(Code) - goes


ROWS = [
    # hosts, what is known, limits, verdict
    (3, {"c1": SILENT}, "50%,100", Code.ALONE),
    (1, {"c1": SILENT}, "50%,100", Code.ALONE),
    (3, {"c1": {"answers": True, "lost": True}}, "50%,100", Code.ALONE),
    (3, {"c1": {"answers": True, "lost": True, "works": True}}, "50%,100", Code.WORKS),
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
    assert sentence(found)


def test_law_10_a_controller_that_reaches_nobody_shoots_nobody() -> None:
    hosts = [Host(f"c{n}", answers=False) for n in range(1, 3001)]
    assert verdict(hosts, Limits(all=to_limit(""))).code is Code.ISOLATED


def test_a_firewall_between_us_and_the_hosts_does_not_hold_a_dead_host_for_ever() -> None:
    """Pacemaker keeps its connections to hosts that do not answer us."""
    begun = {"c1": {**SILENT, "lost": True, "held": NOW - timedelta(seconds=29)}}
    others = {f"c{n}": SILENT for n in range(2, 9)}
    assert verdict(cloud(8, **begun, **others)).code is Code.ISOLATED
    begun["c1"]["held"] = NOW - timedelta(seconds=30)
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


def test_law_10_a_lost_connection_is_no_death_of_a_host_that_works() -> None:
    """The controller that had the connection may be the one that is cut off."""
    mine = {"answers": True, "lost": True, "works": True}
    assert verdict(cloud(3, c1=mine)).code is Code.WORKS
    # Its kernel alone answers; it was not asked; its fencing has another reason.
    for other in ({"works": False}, {"works": None}, {"lost": False}, {"answers": False}):
        assert verdict(cloud(3, c1={**mine, **other})).code is Code.ALONE, other
    assert verdict(cloud(3, c1=mine, c2={"lost": True})).code is Code.ANSWERS
    assert verdict([Host("c1", **mine)]).code is Code.WORKS


def test_law_3_without_a_proof_of_life_it_is_fenced() -> None:
    mine = {"answers": True, "lost": True, "held_alone": True, "held": long_ago(9)}
    assert verdict(cloud(3, c1=mine)).code is Code.WORKS
    # A request that was under way while the evacuator brought it back.
    assert verdict(cloud(3, c1={**mine, "lost": False})).code is Code.WORKS
    unproven = {**mine, "unproven": True}
    assert verdict(cloud(3, c1=unproven)).code is Code.UNPROVEN
    assert verdict(cloud(3, c1=unproven)).go
    assert verdict(cloud(3, c1={**mine, "answers": False})).code is Code.ALONE
    for host in (mine, unproven):  # others are in trouble by now
        assert verdict(cloud(3, c1=host, c2={"lost": True})).go is False
    # It was held with others.
    assert verdict(cloud(3, c1={**mine, "held_alone": False})).go is False


def test_law_10_hosts_that_are_off_say_nothing_about_this_controllers_reach() -> None:
    hosts = cloud(3, c1=SILENT, c2={"off": True, "answers": False}, c3={"off": True, **SILENT})
    assert verdict(hosts).code is Code.ALONE


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ([SILENT, SILENT], Code.ISOLATED),
        ([SILENT, QUIET], Code.WITHIN_LIMITS),
        ([SILENT, {}], Code.ISOLATED),
        ([{"lost": True}, {}], Code.WITHIN_LIMITS),
        ([SILENT, {"recovering": True, **QUIET}], Code.ISOLATED),
        ([SILENT, {"off": True, **QUIET}], Code.ISOLATED),
        ([{"recovering": True, **SILENT}, {}], Code.WITHIN_LIMITS),
        ([{"lost": True}, {"recovering": True, **SILENT}], Code.WITHIN_LIMITS),
        ([{"lost": True}, {"off": True, **SILENT}], Code.WITHIN_LIMITS),
    ],
)
def test_law_10_only_hosts_that_were_asked_and_could_answer_tell_of_our_reach(
    others: list[dict[str, object]], code: Code
) -> None:
    hosts = [Host("c1", answers=False)]
    hosts += [Host(f"c{n}", **known) for n, known in enumerate(others, 2)]
    found = verdict(hosts, Limits(all=to_limit("9")))
    assert found.code is code
    if code is Code.ISOLATED:
        assert found.data == {"asked": str(others.count(SILENT))}


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


RACK = {"groups": frozenset({"rack=r1"})}
OF_RACK = {"group": "rack=r1", "hosts": "4"}


@pytest.mark.parametrize(
    ("limit", "group_limit", "hosts", "dead", "data"),
    [
        # Six hosts of which four are in the rack; `dead` of the rack have failed with the target.
        ("2", "", 6, 2, {"failed": "3", "hosts": "6", "allowed": "2", "names": "c1, c2, c3"}),
        ("3", "", 6, 2, None),
        ("50%", "", 6, 2, None),
        ("50%", "", 5, 2, {"failed": "3", "hosts": "5", "allowed": "2", "names": "c1, c2, c3"}),
        (
            "100%",
            "80%",
            6,
            3,
            {**OF_RACK, "failed": "4", "allowed": "3", "names": "c1, c2, c3, c4"},
        ),
        ("100%", "3", 6, 2, None),
        ("100%", "2", 6, 2, {**OF_RACK, "failed": "3", "allowed": "2", "names": "c1, c2, c3"}),
        ("100%", "75%", 6, 2, None),
        ("100%", "1", 6, 1, {**OF_RACK, "failed": "2", "allowed": "1", "names": "c1, c2"}),
    ],
)
def test_law_10_the_limits_count_the_target_with_the_others(
    limit: str, group_limit: str, hosts: int, dead: int, data: dict[str, str] | None
) -> None:
    known = {f"c{n}": {**RACK, **QUIET} for n in range(1, 5)}
    known |= {f"c{n}": {**RACK, **SILENT} for n in range(1, dead + 2)}
    found = verdict(cloud(hosts, **known), Limits(to_limit(limit), to_limit(group_limit)))
    if data is None:
        assert found == Verdict(True, Code.WITHIN_LIMITS, {"failed": str(dead + 1)})
    else:
        code = Code.TOO_MANY_IN_GROUP if "group" in data else Code.TOO_MANY
        assert found == Verdict(False, code, data)


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


def test_a_limit_has_seven_digits_at_most() -> None:
    assert to_limit("9999999").numbers == (9_999_999,)
    with pytest.raises(LimitError):
        to_limit("10000000")


BAD_LIMIT = "'half' is no limit: write numbers and shares of all hosts, as in '50%,100'"
BAD_WINDOW = "parameter window: not a number of seconds; the default is used"


@pytest.mark.parametrize(
    ("parameters", "limits", "problems"),
    [
        ({}, Limits(), ()),
        ({"window": ""}, Limits(), ()),
        ({"window": " 90 "}, Limits(window=timedelta(seconds=90)), ()),
        ({"window": "90s"}, Limits(window=timedelta(seconds=90)), ()),
        ({"window": "0"}, Limits(window=timedelta(0)), ()),
        ({"window": "9999999"}, Limits(window=timedelta(seconds=9_999_999)), ()),
        ({"window": "10000000"}, Limits(), (BAD_WINDOW,)),
        ({"window": "²"}, Limits(), (BAD_WINDOW,)),
        ({"window": "10min"}, Limits(), (BAD_WINDOW,)),
        ({"window": "s90"}, Limits(), (BAD_WINDOW,)),
        ({"window": "1.5"}, Limits(), (BAD_WINDOW,)),
        ({"limit": "7"}, Limits(all=to_limit("7")), ()),
        ({"limit": ""}, Limits(all=to_limit("")), ()),
        ({"group_limit": "50%"}, Limits(group=to_limit("50%")), ()),
        (
            {"limit": "half", "group_limit": "3", "window": "x"},
            Limits(group=to_limit("3")),
            (BAD_WINDOW, f"parameter limit: {BAD_LIMIT}; the default is used"),
        ),
        (
            {"group_limit": "half"},
            Limits(),
            (f"parameter group_limit: {BAD_LIMIT}; the default is used",),
        ),
    ],
)
def test_the_limits_of_the_device(
    parameters: dict[str, str], limits: Limits, problems: tuple[str, ...]
) -> None:
    assert read_limits(parameters) == (limits, problems)


def test_unless_told_otherwise_half_of_the_hosts_and_a_hundred_in_ten_minutes() -> None:
    assert Limits() == Limits(to_limit("50%,100"), to_limit(""), timedelta(minutes=10))


def test_some_names_and_how_many_more_there_are() -> None:
    for lost, names in [
        (4, "c2, c3, c4, c5"),
        (5, "c2, c3, c4, c5, c6"),
        (6, "c2, c3, c4, c5, c6 and 1 more"),
        (8, "c2, c3, c4, c5, c6 and 3 more"),
    ]:
        hosts = cloud(20, **{f"c{n}": {"lost": True} for n in range(2, lost + 2)})
        assert verdict(hosts) == Verdict(False, Code.ANSWERS, {"others": names})


COUNTED = {"failed": "3", "hosts": "9", "allowed": "2", "names": "a, b, c"}
UNJUDGED = "the brake cannot judge (no CIB), and"


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({}, Code.WITHIN_LIMITS),
        ({"c2": {"off": True, "recovering": True}}, Code.WITHIN_LIMITS),
        ({"c2": {"off": True, "recovering": True}, "c3": {"lost": True}}, Code.TOO_MANY),
        ({"c2": {"fenced": long_ago(1)}, "c3": {"held": long_ago(1)}}, Code.TOO_MANY),
        ({"c2": {"fenced": long_ago(700)}, "c3": {"recovering": True}}, Code.WITHIN_LIMITS),
        ({"c2": {"lost": True, "excused": True}, "c3": {"lost": True}}, Code.WITHIN_LIMITS),
    ],
)
def test_a_recovery_is_held_by_the_limits_alone(
    others: dict[str, dict[str, object]], code: Code
) -> None:
    mine = {"off": True, "recovering": True, "waits": True, "answers": False}
    hosts = cloud(4, c1={**mine, "fenced": long_ago(1)}, **others)
    found = judge_recovery("c1", hosts, LIMITS, NOW)
    assert (found.code, found.go) == (code, code is Code.WITHIN_LIMITS)
    assert judge_recovery("c1", hosts, LIMITS, NOW, permitted="bob").code is Code.PROCEED


SENTENCES = [
    (Code.ALONE, {}, "no other compute host has failed"),
    (
        Code.WITHIN_LIMITS,
        {"failed": "3"},
        "3 compute hosts have failed, which is within the limits",
    ),
    (Code.PROCEED, {"by": "alice"}, "alice let it go"),
    (
        Code.ENDED,
        {},
        "it was fenced before and waits for its recovery: nothing runs on it any more",
    ),
    (Code.POWER_IS_OFF, {}, "its power is off already"),
    (Code.FAULT, {"why": "no CIB"}, f"{UNJUDGED} no other host went on for that reason"),
    (
        Code.SECOND_FAULT,
        {"why": "no CIB", "first": "c2"},
        f"{UNJUDGED} c2 went on for that reason",
    ),
    (Code.PAUSED, {"why": "work"}, "fencing is paused: work"),
    (Code.NO_QUORUM, {}, "this partition has no quorum"),
    (
        Code.ISOLATED,
        {"asked": "7"},
        "this controller reaches none of the 7 other compute hosts that it asked",
    ),
    (Code.ANSWERS, {"others": "c2"}, "it answers, and other hosts are in trouble too: c2"),
    (
        Code.ANSWERS_AGAIN,
        {},
        "it was held with others and answers: whether it lives is looked into",
    ),
    (Code.UNPROVEN, {}, "it was held alone, and nothing has proven that it lives"),
    (Code.WORKS, {}, "its pacemaker_remote works: whether it lives is looked into"),
    (Code.TOO_MANY, COUNTED, "3 of 9 compute hosts have failed (a, b, c), 2 may"),
    (
        Code.TOO_MANY_IN_GROUP,
        {**COUNTED, "group": "rack=r1"},
        "3 of 9 compute hosts of rack=r1 have failed (a, b, c), 2 may",
    ),
]


@pytest.mark.parametrize(("code", "data", "said"), SENTENCES)
def test_every_code_has_its_sentence(code: Code, data: dict[str, str], said: str) -> None:
    assert sentence(Verdict(True, code, data)) == said


def test_every_code_is_in_that_table() -> None:
    assert {code for code, _, _ in SENTENCES} == set(Code)
