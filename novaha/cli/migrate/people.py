"""What a migration needs that no pcs command does: steps for people, before and after."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from novaha.cli.configuration import WAIT_AGENT, Configuration, Resource
from novaha.cli.migrate.older import Older
from novaha.contract.names import COMPUTE_AGENT, EVACUATE_AGENT
from novaha.core.text import word as q

INSTALL = "novaha install-agents"

_CREDENTIALS = re.compile(
    r"auth_url|username|password|tenant_name|user_domain|project_domain|"
    r"endpoint_type|region_name|insecure"
)


@dataclass(frozen=True, slots=True)
class ForPeople:
    """Something to do by hand.

    when: "before" the commands, "between" those that the older agents can do with and the others,
    or "after" them. where: on which nodes. commands: none where only a person knows.
    """

    when: str
    where: str
    what: str
    commands: tuple[str, ...] = ()


def steps(
    now: Configuration, older: Older, *, ours: bool, wanted: Mapping[str, str]
) -> list[ForPeople]:
    """What is to be done by hand. ours: the agents of this node are novaha's already.

    wanted: the parameters of a NovaCompute that is to be created.
    """
    return [*_before(older), *([] if ours else _between(now)), *_after(now, wanted)]


def _between(now: Configuration) -> Iterator[ForPeople]:
    compute = now.resource(COMPUTE_AGENT)
    # The older agent started it past systemd, where ours looks for it.
    restart = ("pkill -TERM -x nova-compute",) if compute is not None else ()
    yield ForPeople(
        "between",
        "every compute host",
        "replace the agents, with this command or by the packages"
        + (", and have nova-compute restarted; the instances run on" if restart else ""),
        (INSTALL, *restart),
    )
    yield ForPeople(
        "between",
        "every controller, the one that runs the evacuator last",
        "replace the agents, with this command or by the packages; then run 'novaha migrate' again",
        (INSTALL,),
    )


def _before(older: Older) -> Iterator[ForPeople]:
    if older.host_names:
        names = ",".join(f"{node}:{host}" for node, host in sorted(older.host_names.items()))
        yield ForPeople(
            "before",
            "every controller, in /etc/novaha/novaha.conf",
            f"say what Nova calls these nodes: in the section [nova], host_names = {names}",
        )
    yield ForPeople(
        "before",
        "every host where Masakari's monitor runs" + _named(older.masakari),
        "switch it off: never run both, or instances are evacuated twice",
        (
            *(f"pcs resource disable {q(name)}" for name in older.masakari),
            "systemctl disable --now masakari-hostmonitor",
        ),
    )


def _named(names: tuple[str, ...]) -> str:
    return f" ({', '.join(names)})" if names else ""


def _after(now: Configuration, wanted: Mapping[str, str]) -> Iterator[ForPeople]:
    holder = now.holder()
    if holder is None:
        yield ForPeople(
            "after",
            "every compute host",
            "nova-compute is started by Pacemaker alone, and by director's wrapper not before the "
            "host is forced up, which is done when nova-compute runs",
            (
                *(f"systemctl disable {q(unit)}" for unit in [wanted.get("unit")] if unit),
                "rm -f /var/lib/nova/instanceha/enabled",
            ),
        )
    elif holder.agent == WAIT_AGENT:
        drop_in = "/run/systemd/system/openstack-nova-compute.service.d/unfence-20.conf"
        yield ForPeople(
            "after",
            "every compute host",
            "the older nova-compute-wait left the password in the clear there",
            (f"rm -f {q(drop_in)}", "systemctl daemon-reload"),
        )
    for agent, note in (
        (EVACUATE_AGENT, "put them into /etc/novaha/novaha.conf on every controller first"),
        (COMPUTE_AGENT, "it needs none; this restarts nova-compute on every host, once"),
        (WAIT_AGENT, "it needs none; this restarts what is ordered after it, on every host, once"),
    ):
        resource = now.resource(agent)
        if resource is not None and (names := _credentials(resource)):
            unset = " ".join(f"{name}=" for name in names)
            yield ForPeople(
                "after",
                "one controller, whenever you like",
                f"take the credentials of {resource.id} out of the cluster's configuration: {note}",
                (f"pcs resource update {q(resource.id)} {unset}",),
            )


def _credentials(resource: Resource) -> list[str]:
    names = [name for name in resource.attributes if _CREDENTIALS.fullmatch(name)]
    return names if "password" in names else []
