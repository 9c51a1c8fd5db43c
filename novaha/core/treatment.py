"""What the site's policy says of the instances of a dead host."""

from __future__ import annotations

from novaha.core.answers import Code, Never, Wait
from novaha.core.case import Case, belongs
from novaha.core.guests import only_host
from novaha.core.model import STOPPED, Instance
from novaha.core.policy.match import Subject
from novaha.core.policy.order import PRIORITY
from novaha.core.policy.rules import Decision, Rules, Treatment, Undecided
from novaha.core.view import HostView


def subject(instance: Instance, view: HostView) -> Subject:
    """The instance as rules see it; it is on that host, or was when the host died."""
    inventory = view.inventory
    return Subject(
        id=instance.id,
        name=instance.name,
        host=view.host or instance.host,
        traits=instance.traits,
        place=inventory.place,
        images=inventory.images,
    )


def decision(case: Case) -> Decision | Undecided | None:
    """What the policy says of this instance, None where there is no policy."""
    rules, known = case.facts.policy.rules, case.facts.decisions
    if rules is None:
        return None
    if case.id not in known:
        known[case.id] = rules.decide(subject(case.instance, case.facts.view))
    return known[case.id]


def by_policy(case: Case) -> Wait | Never | None:
    """Why the policy keeps the instance where it is, None where it does not.

    An instance that may be running on another host already goes there whatever the policy says:
    left here, it would start here, too, when its host is back (law 2).
    """
    found = decision(case)
    if found is None or only_host(case) is not None:
        return None
    if isinstance(found, Decision) and found.moves:
        groups = case.facts.policy.waiting.get(found.group)
        return Wait(Code.AFTER_GROUPS, {"text": ", ".join(groups)}) if groups else None
    return answer(found)


def priority(case: Case) -> int:
    """Of the instance, among all that are to be moved."""
    found = decision(case)
    return found.priority if isinstance(found, Decision) else PRIORITY


def answer(found: Decision | Undecided) -> Wait | Never | None:
    """The same by what was decided."""
    data = {"rule": found.rule}
    if isinstance(found, Undecided):
        return Wait(Code.POLICY_UNREAD, {**data, "text": ", ".join(found.keys)})
    if found.keeps_disks:
        return Never(Code.LOCAL_DISKS, data)
    if found.treatment is Treatment.LEAVE:
        return Never(Code.POLICY_LEAVES, data)
    if found.treatment is Treatment.NOTIFY:
        return Never(Code.POLICY_NOTIFIES, data)
    return None


def to_be_stopped(view: HostView, rules: Rules | None) -> dict[str, str]:
    """The instances that are to be shut off where they go, as the record notes it: as if each had
    been shut off before. Those that were asked for already are not among them."""
    if rules is None or Treatment.STOPPED not in rules.treatments:
        return {}
    asked = {m.instance for m in view.inventory.migrations if belongs(m, view.record)}
    asked |= view.requests.attempts.keys()
    before = view.record.before or {}
    found = {}
    for instance in view.inventory.instances:
        if instance.problem or instance.id in asked or before.get(instance.id) == STOPPED:
            continue
        decided = rules.decide(subject(instance, view))
        if isinstance(decided, Decision) and decided.treatment is Treatment.STOPPED:
            found[instance.id] = STOPPED
    return found
