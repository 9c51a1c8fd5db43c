"""A look at Keystone and Nova with the evacuator's own credentials, for `novaha doctor`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from keystoneauth1.session import Session

from novaha.core.errors import ComputeApiError
from novaha.core.model import ComputeService
from novaha.nova import exposure
from novaha.nova.compute import Nova
from novaha.nova.failures import contained
from novaha.nova.session import secrets_of

_REPORT_INTERVAL = 10.0
"""Nova's default, in seconds."""

_NOBODY = "novaha-doctor-asks"
"""No host: what is asked is whether one may ask."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """What Keystone and Nova answered.

    failed: what could not be done, and why; nothing after it was tried. `no_login`: that was to
        sign in.
    roles: of the user in its project, None when Keystone does not tell.
    version: of Nova's API, that is spoken.
    bare_metal: hosts of Ironic's nova-computes, which no cluster recovers.
    unlisted: why these are not known, "" if they are.
    refused: what the user may not do, and what Nova said.
    ahead: seconds by which Nova's clock is ahead of this machine's; to a second or two if its web
        server tells the time, else by the last sign of life of a compute service, to some ten
        seconds; None when there is neither.
    exposed: what somebody in the network could read, or answer himself.
    """

    failed: str = ""
    no_login: bool = False
    roles: frozenset[str] | None = None
    version: str = ""
    services: tuple[ComputeService, ...] = ()
    bare_metal: frozenset[str] = frozenset()
    unlisted: str = ""
    refused: tuple[tuple[str, str], ...] = ()
    ahead: float | None = None
    exposed: tuple[str, ...] = ()


def examine(
    session: Session, interface: str, region_name: str | None, say: Callable[[str], None]
) -> Cloud:
    """Sign in and read a little of everything that the evacuator reads. Raises nothing of ours.

    say: told what is being done.
    """
    exposed = tuple(exposure.sign_in(session))
    nova = Nova(session, interface=interface, region_name=region_name)
    say("signing in")
    try:
        with contained("sign in", lambda: secrets_of(session)):
            session.get_token()
            # A token that was given instead of a login tells nothing of its user.
            access = getattr(session.auth, "get_access", None)
            roles = frozenset(access(session).role_names or ()) if access else None
    except ComputeApiError as error:
        return Cloud(failed=str(error), no_login=True, exposed=exposed)
    cloud = Cloud(roles=roles, exposed=exposed)
    try:
        say("asking Nova what it speaks")
        cloud = replace(cloud, version=nova.version())
        with contained("find Nova's endpoint", lambda: secrets_of(session)):
            url = session.get_endpoint(
                service_type="compute", interface=interface, region_name=region_name
            )
        cloud = replace(cloud, exposed=(*exposed, *exposure.requests(url)))
        say("comparing clocks")
        cloud = replace(cloud, ahead=_ahead(session, interface, region_name))
    except ComputeApiError as error:
        return replace(cloud, failed=str(error))
    refused: list[tuple[str, str]] = []
    say("listing the compute services")
    try:
        services = tuple(nova.services())
        ahead = _by_signs_of_life(services) if cloud.ahead is None else cloud.ahead
        cloud = replace(cloud, services=services, ahead=ahead)
    except ComputeApiError as error:
        refused.append(("list the compute services", str(error)))
    say("listing evacuations and instances")
    for what, ask in (
        ("list migrations", lambda: nova.evacuations_from(_NOBODY)),
        ("list the instances of all projects", lambda: nova.instances_on(_NOBODY)),
    ):
        try:
            ask()
        except ComputeApiError as error:
            refused.append((what, str(error)))
    say("looking for Ironic's hosts")
    try:
        cloud = replace(cloud, bare_metal=nova.bare_metal_hosts())
    except ComputeApiError as error:  # nothing that the evacuator reads
        cloud = replace(cloud, unlisted=str(error))
    return replace(cloud, refused=tuple(refused))


def _by_signs_of_life(services: Iterable[ComputeService]) -> float | None:
    """By the newest of those that are up: it is one report interval old at the most."""
    moments = [s.last_seen for s in services if s.up and s.last_seen is not None]
    if not moments:
        return None
    difference = max(moments).timestamp() - time.time()
    return difference if difference > 0 else min(0.0, difference + _REPORT_INTERVAL)


def _ahead(session: Session, interface: str, region_name: str | None) -> float | None:
    where = {"service_type": "compute", "interface": interface, "region_name": region_name}
    begun = time.time()
    with contained("ask Nova for the time", lambda: secrets_of(session)):
        answer = session.get("/", endpoint_filter=where, raise_exc=False)
        ended = time.time()
        date = answer.headers.get("Date")
        if not date:  # uWSGI by itself sends none
            return None
        told = parsedate_to_datetime(date).timestamp()
    # The header has whole seconds, and was written at some time in between.
    return told - begun if told < begun else max(0.0, told - ended)
