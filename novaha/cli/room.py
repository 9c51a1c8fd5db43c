"""`novaha plan`: what would come back if hosts died now, and what would be lost."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novaha.cli.policy_site import UNDECIDED, Known
from novaha.cli.table import columns
from novaha.cli.terminal import as_json, say
from novaha.core import model
from novaha.core.errors import ConfigError
from novaha.core.groups import groups
from novaha.core.model import Instance
from novaha.core.policy.order import PRIORITY
from novaha.core.policy.room import Free, Outcome, Placed, Room, Wanted, failures_left, worst
from novaha.core.policy.rules import Rules
from novaha.core.text import line

if TYPE_CHECKING:
    from novaha.nova.compute import Nova
    from novaha.nova.placement import Placement

_UNCLEAR = (
    *("resources", "trait", "group_policy", "hw:numa", "hw:cpu_policy", "hw:mem_page_size"),
    *("hw:pci", "pci_passthrough:", "accel:", "hw:cpu_dedicated", "hw:pmem", "hw:emulator"),
    "aggregate_instance_extra_specs:",
)
"""What the names of extra specs begin with that decide by more than the numbers."""

_MOVES = model.EVACUABLE | model.RESETTABLE | {model.RESIZED}

_SHOWN = 200
"""Instances that are listed in a terminal; JSON has all."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "plan",
        help="say what would come back if hosts died now, and what would find no place",
        description="Say what would come back if hosts died now, instance by instance, and what "
        "would find no place, by the policy and by Placement's numbers. Nothing is changed. The "
        "exit code is 1 where something would find no place.",
    )
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--host", action="append", metavar="HOST", help="these hosts of Nova; may be repeated"
    )
    what.add_argument("--zone", metavar="ZONE", help="all hosts of an availability zone")
    what.add_argument(
        "--group",
        metavar="GROUP",
        help="all hosts of a rack or group, by the metadata of Nova's aggregates",
    )
    what.add_argument(
        "--any",
        type=int,
        metavar="N",
        help="how many hosts may die, up to N, until something finds no place",
    )
    command.add_argument(
        "--file", metavar="FILE", help="another policy than the one that novaha.conf names"
    )
    command.add_argument(
        "--output", choices=("text", "json"), default="text", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError, and ComputeApiError where Nova or Placement does not answer."""
    if args.any is not None and args.any < 1:
        raise ConfigError("--any takes a number from 1 on")
    site = connect(args.file)
    if args.any is not None:
        return _any(args, site)
    dead = _dead(args, site)
    found = site.fate(dead)
    lost = sum(p.outcome is Outcome.NO_ROOM for p in found)
    counts = Counter(str(p.outcome) for p in found)
    if args.output == "json":
        shown = {str(outcome): counts.get(str(outcome), 0) for outcome in Outcome}
        instances = [_data(p, site.names) for p in found]
        say(as_json({"hosts": sorted(dead), "counts": shown, "instances": instances}, indent=2))
    else:
        said = ", ".join(f"{outcome}: {counts.get(str(outcome), 0)}" for outcome in Outcome)
        say(f"If {', '.join(sorted(dead))} died now: {len(found)} instances. {said}.")
        _list(found, site.names)
    return 1 if lost else 0


def _any(args: argparse.Namespace, site: Site) -> int:
    by_host = site.by_host()
    left, dead, lost = failures_left(site.room, by_host, args.any)
    alone = worst(site.room, by_host)
    if args.output == "json":
        shown = {
            "asked": args.any,
            "failures_left": left,
            "too_many": list(dead),
            "lost": [_data(p, site.names) for p in lost],
            "hosts": {host: [_data(p, site.names) for p in of] for host, of in alone.items()},
        }
        say(as_json(shown, indent=2))
        return 1 if dead else 0
    more = "" if dead else " or more"
    say(f"Failures left: {left}{more} (hosts, the fullest first; asked up to {args.any}).")
    for host, of in sorted(alone.items()):
        say(f"Alone, {line(host)} would lose {len(of)} of {len(by_host[host])} instances.")
    if lost:
        say("", f"Lost if {', '.join(map(line, dead))} died:")
        _list(lost, site.names)
    return 1 if dead else 0


def _dead(args: argparse.Namespace, site: Site) -> frozenset[str]:
    if args.host:
        dead = frozenset(args.host)
    elif args.zone:
        dead = frozenset(h for h, place in site.places.items() if place.zone == args.zone)
    else:
        told = groups(site.places).attributes
        dead = frozenset(h for h, of in told.items() if args.group in of.values())
    if unknown := dead - site.places.keys():
        raise ConfigError(f"Nova has no compute host {', '.join(sorted(unknown))}")
    if not dead:
        what = f"zone {args.zone}" if args.zone else f"group {args.group}"
        raise ConfigError(f"no compute host of Nova is in {what}")
    return dead


@dataclass
class Site:
    """Nova and Placement at one moment. names: of instances, by id."""

    instances: list[Instance]
    judged: Mapping[str, tuple[Outcome | None, str]]
    wanted: Mapping[str, Wanted]
    room: Room
    places: Mapping[str, Any]

    @property
    def names(self) -> dict[str, str]:
        return {i.id: i.name for i in self.instances}

    def fate(self, dead: Collection[str]) -> list[Placed]:
        """What would become of every instance on these hosts."""
        here = [i for i in self.instances if i.host in dead]
        fixed, moved = [], []
        for instance in here:
            outcome, why = self.judged[instance.id]
            if outcome is None:
                moved.append(self.wanted[instance.id])
            else:
                fixed.append(Placed(self.wanted[instance.id], outcome, why=why))
        return [*self.room.place(moved, dead), *fixed]

    def by_host(self) -> dict[str, list[Wanted]]:
        """What is to be moved from each host."""
        found: dict[str, list[Wanted]] = {host: [] for host in self.places}
        for instance in self.instances:
            if instance.host in found and self.judged[instance.id][0] is None:
                found[instance.host].append(self.wanted[instance.id])
        return found


def connect(file: str | None) -> Site:
    """Read everything: as many requests as there are pages. Raises ConfigError, ComputeApiError."""
    from novaha import wiring

    conf = wiring.conf()
    nova = wiring.nova(conf)
    known = Known(_rules(file or conf.evacuator.policy), nova, wiring.catalogue(conf, nova))
    return read(known, nova, wiring.placement(conf))


def _rules(path: str) -> Rules:
    from novaha import wiring

    try:
        return wiring.rules(path)
    except FileNotFoundError:
        return Rules(lose_local_disks=True)  # without a policy all are moved


def read(known: Known, nova: Nova, placement: Placement) -> Site:
    """The site by these. Raises ComputeApiError."""
    takes = {s.host for s in nova.services() if s.up and s.enabled and not s.forced_down}
    places = known.places()
    providers, free = nova.hosts_of_providers(), placement.free()
    apart, together = nova.server_groups()
    instances = known.instances(None)
    group_of = {member: group for group, members in apart.items() for member in members}
    hosts = {
        host: Free(host, free[provider], places[host].zone)
        for provider, host in providers.items()
        if provider in free and host in takes and host in places
    }
    where = {i.id: i.host for i in instances}
    members = {g: {where[m] for m in of if m in where} for g, of in apart.items()}
    judged, wanted = {}, {}
    for instance in instances:
        outcome, why, priority = _judged(known, instance)
        judged[instance.id] = (outcome, why)
        wanted[instance.id] = Wanted(
            instance.id,
            instance.host,
            instance.traits.needs or {},
            _unclear(instance, together),
            group_of.get(instance.id, ""),
            instance.traits.pinned_zone,
            priority,
        )
    return Site(instances, judged, wanted, Room(hosts, members), places)


def _judged(known: Known, instance: Instance) -> tuple[Outcome | None, str, int]:
    """What is known before there is any question of room; the priority."""
    if instance.vm_state not in _MOVES:
        state = instance.vm_state.upper()
        return Outcome.STAYS, f"Nova evacuates no instance that is {state}", PRIORITY
    found = known.judge(instance)
    if found.action == UNDECIDED:
        return Outcome.UNCLEAR, found.why, PRIORITY
    if not found.moves:
        return Outcome.STAYS, found.why, PRIORITY
    return None, "", found.priority


def _unclear(instance: Instance, together: Collection[str]) -> str:
    traits = instance.traits
    if traits.needs is None or traits.extra_specs is None:
        return "Nova does not show its flavor"
    special = next((n for n in traits.extra_specs if n.startswith(_UNCLEAR)), "")
    if special:
        return f"its flavor has {line(special, longest=60)}: numbers do not decide"
    if instance.id in together:
        return "its server group keeps its members on one host"
    return ""


def _list(found: Iterable[Placed], names: Mapping[str, str]) -> None:
    order = (Outcome.NO_ROOM, Outcome.UNCLEAR, Outcome.STAYS, Outcome.FITS)
    rows = sorted(found, key=lambda p: (order.index(p.outcome), p.wanted.id))
    if not rows:
        return
    cells = [
        (
            p.wanted.id,
            line(names.get(p.wanted.id, ""), longest=30),
            line(p.wanted.host),
            str(p.outcome),
            line(p.why) or f"for example on {line(p.host)}",
        )
        for p in rows[:_SHOWN]
    ]
    say("", columns(("INSTANCE", "NAME", "HOST", "OUTCOME", "WHY"), cells))
    if len(rows) > _SHOWN:
        say(f"… and {len(rows) - _SHOWN} more: --output json shows all.")


def _data(placed: Placed, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": placed.wanted.id,
        "name": names.get(placed.wanted.id, ""),
        "host": placed.wanted.host,
        "outcome": str(placed.outcome),
        "to": placed.host,
        "why": placed.why,
    }
