"""Whether a compute host may be powered off, judged from what is known of all compute hosts.

Law 10: no host that answers is powered off because of what happened to others, or to us.

Pacemaker asks for the power-off of each host by itself. A fault that concerns many hosts, a
switch that reboots for one, looks to Pacemaker like many dead hosts. `judge` is the one place that
tells the two apart. A death that stands alone always passes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from novaha.core.errors import NovahaError

_DIGITS = 7

_LEAST = 2
"""A share never allows fewer hosts than this: two deaths of three hosts do happen."""


class LimitError(NovahaError):
    """A limit that cannot be read."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"'{text}' is no limit: write numbers and shares of all hosts, as in '50%,100'"
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """How many hosts may have failed. The smallest of several numbers and shares counts.

    numbers: hosts. shares: parts of all hosts, between 0 and 1; a share allows two hosts at least.
    """

    numbers: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()

    def of(self, hosts: int) -> int | None:
        """The number of `hosts` that may have failed, None when there is no limit."""
        allowed = [*self.numbers, *(max(_LEAST, int(hosts * share)) for share in self.shares)]
        return min(allowed, default=None)


def to_limit(text: str) -> Limit:
    """The limit that an operator wrote: `50%`, `5`, `50%,100`; "" for none.

    Raises LimitError.
    """
    numbers: list[int] = []
    shares: list[float] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        number = part.removesuffix("%").strip()
        if not number.isascii() or not number.isdigit() or len(number) > _DIGITS:
            raise LimitError(text)
        if not part.endswith("%"):
            numbers.append(int(number))
        elif int(number) <= 100:
            shares.append(int(number) / 100)
        else:
            raise LimitError(text)
    return Limit(tuple(numbers), tuple(shares))


FORMING = timedelta(seconds=30)
"""The time in which Pacemaker notices the loss of every host that is lost.

Until then our own questions are the better witness. A host that is silent to us and that Pacemaker
still has after this time is hidden from us, by a firewall for one, and not lost.
"""

DEFAULT_LIMIT = "50%,100"
DEFAULT_WINDOW = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows.

    all: of all hosts. group: of the hosts of one group.
    window: a host that was fenced within this time counts as failed, so that a slow cascade
        counts like a sudden one.
    """

    all: Limit = field(default_factory=lambda: to_limit(DEFAULT_LIMIT))
    group: Limit = field(default_factory=Limit)
    window: timedelta = timedelta(seconds=DEFAULT_WINDOW)


def read_limits(parameters: Mapping[str, str]) -> tuple[Limits, tuple[str, ...]]:
    """The limits in the parameters of the brake's device, and what of them cannot be read.

    What cannot be read has its default: a slip of the pen neither holds nor kills a host.
    """
    problems: list[str] = []
    defaults = Limits()

    def limit(name: str, default: Limit) -> Limit:
        try:
            return to_limit(parameters[name]) if name in parameters else default
        except LimitError as error:
            problems.append(f"parameter {name}: {error}; the default is used")
            return default

    window = defaults.window
    if text := parameters.get("window", "").strip().removesuffix("s"):
        if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
            window = timedelta(seconds=int(text))
        else:
            problems.append("parameter window: not a number of seconds; the default is used")
    all_hosts, group = limit("limit", defaults.all), limit("group_limit", defaults.group)
    return Limits(all_hosts, group, window), tuple(problems)


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of one compute host.

    groups: the groups that it belongs to, `rack=r7` for one.
    excused: it is in maintenance, disabled or stopped by an operator: its absence is no failure.
    lost: Pacemaker has lost it, and nothing has fenced it since.
    off: it was fenced and has not come back, so its silence is explained.
    fenced: when it was last fenced, None when that is not known.
    recovering: its instances are being recovered.
    waits: its recovery has not begun.
    ended: it was fenced before that, so that nothing runs on it any more.
    held: since when its power-off is held, None when it is not.
    held_alone: it is held only because its processes answer; no other host had failed.
    unproven: it was held alone, and the evacuator found no proof that it lives.
    answers: whether it answers on any network, None when it was not asked.
    works: whether its pacemaker_remote answers, and not only its kernel; None when it was not
        asked.
    """

    node: str
    groups: frozenset[str] = frozenset()
    excused: bool = False
    lost: bool = False
    off: bool = False
    fenced: datetime | None = None
    recovering: bool = False
    waits: bool = False
    ended: bool = False
    held: datetime | None = None
    held_alone: bool = False
    unproven: bool = False
    answers: bool | None = None
    works: bool | None = None

    def as_pacemaker_has_it(self) -> Host:
        """The same without a silence that Pacemaker does not share."""
        alone = self.answers is False and not self.lost and self.held is None
        return replace(self, answers=None) if alone else self

    def is_suspect(self) -> bool:
        """Whether it looks dead, and nothing has proven it yet."""
        if self.excused or self.off or self.recovering:
            return False
        return self.answers is False or self.lost or self.held is not None

    def has_failed(self, since: datetime) -> bool:
        """Whether it counts against the limits: suspect, in recovery, or fenced at `since` on."""
        fenced = self.fenced is not None and self.fenced >= since
        return not self.excused and (self.is_suspect() or self.recovering or fenced)


@dataclass(frozen=True, slots=True)
class Site:
    """What concerns all hosts.

    quorum: whether this partition has it. paused: why shooting is paused, "" when it is not.
    """

    quorum: bool = True
    paused: str = ""


class Code(StrEnum):
    """Why a power-off goes on or is held. The names are persisted: they never change meaning."""

    ALONE = "alone"
    WITHIN_LIMITS = "within-limits"
    PROCEED = "proceed"
    ENDED = "ended"
    POWER_IS_OFF = "power-is-off"
    FAULT = "fault"
    NO_QUORUM = "no-quorum"
    PAUSED = "paused"
    ISOLATED = "isolated"
    ANSWERS = "answers"
    ANSWERS_AGAIN = "answers-again"
    WORKS = "works"
    UNPROVEN = "unproven"
    TOO_MANY = "too-many"
    TOO_MANY_IN_GROUP = "too-many-in-group"
    SECOND_FAULT = "second-fault"


HOLDS = (
    *(Code.NO_QUORUM, Code.PAUSED, Code.ISOLATED, Code.ANSWERS, Code.ANSWERS_AGAIN),
    *(Code.WORKS, Code.UNPROVEN, Code.TOO_MANY, Code.TOO_MANY_IN_GROUP, Code.SECOND_FAULT),
)
"""What the mark of a held host may have for its reason."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """go: whether the host may be powered off. data: the numbers and names behind `code`."""

    go: bool
    code: Code
    data: Mapping[str, str] = field(default_factory=dict)


def judge(
    target: str,
    hosts: Collection[Host],
    site: Site,
    limits: Limits,
    now: datetime,
    *,
    permitted: str = "",
) -> Verdict:
    """Whether `target` may be powered off at `now`.

    hosts: all compute hosts of the cluster, the target too.
    permitted: who let the host go, by `novaha proceed`; "" for nobody.

    Invariant: a death that stands alone passes, whatever the limits, if there is quorum and
    nobody has paused shooting. The last of many that were held does not stand alone: Pacemaker has
    tries left for it when the others are back already. A lost connection to a host whose
    pacemaker_remote works is no death yet: the fault may be the controller's that had it.
    """
    if permitted:
        return Verdict(True, Code.PROCEED, {"by": permitted})
    if site.paused:
        return Verdict(False, Code.PAUSED, {"why": site.paused})
    if not site.quorum:
        return Verdict(False, Code.NO_QUORUM)
    mine = next((h for h in hosts if h.node == target), Host(target))
    if mine.ended and not mine.answers:
        return Verdict(True, Code.ENDED)
    others = [host for host in hosts if host.node != target and not host.excused]
    if mine.held is not None and now - mine.held > FORMING:
        others = [host.as_pacemaker_has_it() for host in others]
    since = now - limits.window
    failed = [host for host in others if host.has_failed(since)]
    if not failed and (mine.held is None or mine.held_alone or not mine.answers):
        return _alone(mine)
    suspects = [host for host in others if host.is_suspect()]
    asked = [h for h in others if h.answers is not None and not h.recovering and not h.off]
    if asked and not any(host.answers for host in asked):
        return Verdict(False, Code.ISOLATED, {"asked": str(len(asked))})
    if mine.answers and mine.held is not None:
        return Verdict(False, Code.ANSWERS_AGAIN)
    if mine.answers and suspects:
        return Verdict(False, Code.ANSWERS, {"others": _names(suspects)})
    held = _over_limit(mine, failed, others, limits)
    return held or Verdict(True, Code.WITHIN_LIMITS, {"failed": str(len(failed) + 1)})


def judge_recovery(
    target: str, hosts: Collection[Host], limits: Limits, now: datetime, *, permitted: str = ""
) -> Verdict:
    """Whether the recovery of `target`, which is fenced, may begin: by the limits alone.

    hosts, permitted: as for `judge`.
    """
    if permitted:
        return Verdict(True, Code.PROCEED, {"by": permitted})
    mine = next((h for h in hosts if h.node == target), Host(target))
    others = [host for host in hosts if host.node != target and not host.excused]
    if mine.fenced is not None and now - mine.fenced > FORMING:
        others = [host.as_pacemaker_has_it() for host in others]
    failed = [host for host in others if host.has_failed(now - limits.window)]
    held = _over_limit(mine, failed, others, limits)
    return held or Verdict(True, Code.WITHIN_LIMITS, {"failed": str(len(failed) + 1)})


def _alone(mine: Host) -> Verdict:
    """The verdict on a host that stands alone: it may have been lost for the fault of another."""
    if not mine.answers:
        return Verdict(True, Code.ALONE)
    if mine.unproven:
        return Verdict(True, Code.UNPROVEN)
    # A request that was under way when the evacuator brought the host back finds no loss any more.
    works = mine.held_alone or (mine.lost and mine.works)
    return Verdict(False, Code.WORKS) if works else Verdict(True, Code.ALONE)


def _over_limit(
    mine: Host, failed: Collection[Host], others: Collection[Host], limits: Limits
) -> Verdict | None:
    allowed = limits.all.of(len(others) + 1)
    count = len(failed) + 1
    if allowed is not None and count > allowed:
        data = {"failed": str(count), "hosts": str(len(others) + 1), "allowed": str(allowed)}
        return Verdict(False, Code.TOO_MANY, data | {"names": _names([*failed, mine])})
    for group in sorted(mine.groups):
        members = [host for host in others if group in host.groups]
        gone = [host for host in failed if group in host.groups]
        allowed = limits.group.of(len(members) + 1)
        if allowed is not None and gone and len(gone) + 1 > allowed:
            data = {"failed": str(len(gone) + 1), "hosts": str(len(members) + 1)}
            data |= {"allowed": str(allowed), "group": group, "names": _names([*gone, mine])}
            return Verdict(False, Code.TOO_MANY_IN_GROUP, data)
    return None


_SHOWN = 5


def _names(hosts: Iterable[Host]) -> str:
    """Some of the hosts' names, and how many more there are."""
    names = sorted(host.node for host in hosts)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def sentence(verdict: Verdict) -> str:
    """The reason in one sentence, for people."""
    of = verdict.data
    match verdict.code:
        case Code.ALONE:
            return "no other compute host has failed"
        case Code.WITHIN_LIMITS:
            return f"{of['failed']} compute hosts have failed, which is within the limits"
        case Code.PROCEED:
            return f"{of['by']} let it go"
        case Code.ENDED:
            return "it was fenced before and waits for its recovery: nothing runs on it any more"
        case Code.POWER_IS_OFF:
            return "its power is off already"
        case Code.UNPROVEN:
            return "it was held alone, and nothing has proven that it lives"
        case Code.FAULT:
            why = of["why"]
            return f"the brake cannot judge ({why}), and no other host went on for that reason"
        case Code.SECOND_FAULT:
            return (
                f"the brake cannot judge ({of['why']}), and {of['first']} went on for that reason"
            )
        case Code.PAUSED:
            return f"fencing is paused: {of['why']}"
        case _:
            return _of_others(verdict.code, of)


def _of_others(code: Code, of: Mapping[str, str]) -> str:
    match code:
        case Code.NO_QUORUM:
            return "this partition has no quorum"
        case Code.ISOLATED:
            return (
                f"this controller reaches none of the {of['asked']} other compute hosts "
                "that it asked"
            )
        case Code.ANSWERS:
            return f"it answers, and other hosts are in trouble too: {of['others']}"
        case Code.ANSWERS_AGAIN:
            return "it was held with others and answers: whether it lives is looked into"
        case Code.WORKS:
            return "its pacemaker_remote works: whether it lives is looked into"
    hosts = f"{of['failed']} of {of['hosts']} compute hosts"
    if code is Code.TOO_MANY_IN_GROUP:
        hosts += f" of {of['group']}"
    return f"{hosts} have failed ({of['names']}), {of['allowed']} may"
