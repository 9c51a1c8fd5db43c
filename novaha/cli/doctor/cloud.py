"""What is checked in the cloud, against the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from novaha.cli.doctor.finding import Check, Trouble, error, not_checked, warning
from novaha.core.errors import (
    AmbiguousHostError,
    NovahaError,
    SharedHostError,
    UnknownHostError,
)
from novaha.core.model import ComputeService, disabled_by_us
from novaha.core.naming import alike
from novaha.core.text import word as q
from novaha.evacuator.names import Names

if TYPE_CHECKING:
    from novaha.nova.examine import Cloud

_CLOCKS = 30.0
"""Seconds. What belongs to a recovery is told by Nova's times and the cluster's."""

_NO_ANSWER = "Nova was not asked"
_NO_SERVICES = "Nova has listed no compute services"


@dataclass(frozen=True, slots=True)
class Outlook:
    """The cloud, and what the cluster knows of it.

    cloud: None when it was not asked. problem: why, "" when there is no reason to ask here.
    credentials: where they are.
    computes: Pacemaker's compute nodes; None when the cluster could not be read.
    flagged: nodes that have a recovery record.
    online: nodes of which Pacemaker says so.
    """

    cloud: Cloud | None
    problem: str = ""
    credentials: str = ""
    names: Names = field(default_factory=lambda: Names({}))
    computes: tuple[str, ...] | None = ()
    flagged: frozenset[str] = frozenset()
    online: frozenset[str] = frozenset()

    @property
    def services(self) -> tuple[ComputeService, ...]:
        """Nova's compute services, none if it did not answer."""
        return self.cloud.services if self.cloud else ()

    def by_node(self) -> Mapping[str, str | NovahaError]:
        """Nova's name of each compute node, or why there is none."""
        hosts = frozenset(service.host for service in self.services)
        names = replace(self.names, nodes=lambda: self.computes or ())
        found: dict[str, str | NovahaError] = {}
        for node in self.computes or ():
            try:
                found[node] = names.host(node, hosts)
            except NovahaError as problem:
                found[node] = problem
        return found


def sign_in(outlook: Outlook) -> Iterator[Trouble]:
    """Whether Keystone lets the evacuator in, by its own credentials."""
    cloud = outlook.cloud
    if cloud is None and outlook.problem:
        yield error("", outlook.problem, f"fix {outlook.credentials}")
    elif cloud is None:
        yield not_checked(
            "",
            "there are no credentials on this node, and it needs none",
            "on a controller: novaha doctor",
        )
    elif cloud.no_login:
        yield error("", cloud.failed, _sign_in_remedy(cloud.failed, outlook.credentials))


def _sign_in_remedy(failed: str, credentials: str) -> str:
    if "[keystone]" in failed:
        return f"fix {credentials} as it says"
    if "HTTP 401" in failed:
        return f"set user and password, or the application credential, right in {credentials}"
    if "HTTP" in failed:
        return f"see Keystone's log; is auth_url right in {credentials}?"
    return f"is auth_url right in {credentials}, and Keystone reachable from this node?"


def api(outlook: Outlook) -> Iterator[Trouble]:
    """Whether Nova is found, and speaks what novaha does."""
    cloud = outlook.cloud
    if cloud is None or cloud.no_login:
        yield not_checked("", "nobody is signed in")
    elif cloud.failed:
        yield error(
            "",
            cloud.failed,
            f"set region_name and interface right in {outlook.credentials}; "
            "openstack catalog show compute",
        )


def rights(outlook: Outlook) -> Iterator[Trouble]:
    """Whether the user may do what the evacuator does."""
    cloud = outlook.cloud
    if cloud is None or cloud.failed:
        yield not_checked("", _NO_ANSWER)
        return
    grant = "openstack role add --user USER --project PROJECT admin"
    for what, answer in cloud.refused:
        if "HTTP 403" in answer:
            yield error("", f"may not {what}: {answer}", grant)
        else:
            yield error("", f"cannot {what}: {answer}")
    if not cloud.refused and cloud.roles is not None and "admin" not in cloud.roles:
        yield warning(
            "",
            f"has no role admin, only {', '.join(sorted(cloud.roles)) or 'none'}: it may list, "
            "but whether it may evacuate depends on Nova's policy (context_is_admin)",
            grant,
        )


def rights_to_act(outlook: Outlook) -> Iterator[Trouble]:
    """What was not tried, since it would change something."""
    cloud = outlook.cloud
    if cloud is None or cloud.failed:
        yield not_checked("", _NO_ANSWER)
        return
    yield not_checked(
        "",
        "whether the user may force down, disable, evacuate, stop and reset was not tried: it "
        "would change something",
        "kill a host that you can spare: pcs stonith fence HOST",
    )


def certificates(outlook: Outlook) -> Iterator[Trouble]:
    """The credentials of an administrator go to Keystone, and a token of theirs to Nova."""
    cloud = outlook.cloud
    if cloud is None or (cloud.no_login and not cloud.exposed):
        yield not_checked("", _NO_ANSWER)
        return
    for text in cloud.exposed:
        yield warning("", text, _exposed_remedy(text, outlook.credentials))


def _exposed_remedy(text: str, credentials: str) -> str:
    if "endpoint" in text:
        return "openstack endpoint set --url https://… ID, with a certificate for Nova's API"
    if "insecure" in text:
        return f"in {credentials}: no insecure, and cafile = the file of the CA that signed"
    return f"in {credentials}: auth_url = https://…"


def names(outlook: Outlook) -> Iterator[Trouble]:
    """Each compute node is exactly one host of Nova, and the other way round."""
    if not outlook.services or outlook.computes is None:
        yield not_checked("", _NO_SERVICES if not outlook.services else "the cluster was not read")
        return
    taken: set[str] = set()
    shared: set[str] = set()
    for node, host in outlook.by_node().items():
        if isinstance(host, str):
            taken.add(host)
            continue
        if isinstance(host, SharedHostError):
            taken.add(host.host)
            if host.host in shared:
                continue
            shared.add(host.host)
        candidates = host.hosts if isinstance(host, AmbiguousHostError) else ()
        taken |= {*candidates}
        if isinstance(host, UnknownHostError | AmbiguousHostError | SharedHostError):
            detail, _, _ = str(host).partition(";")
            yield error(
                host.host if isinstance(host, SharedHostError) else node,
                detail,
                _name_remedy(node, host, outlook.credentials),
            )
        else:
            yield error(node, str(host))
    bare_metal = outlook.cloud.bare_metal if outlook.cloud else frozenset()
    for service in outlook.services:
        if service.host in bare_metal:
            continue  # a machine that a tenant has rented: nobody else can run its instance
        twin = next((node for node in outlook.computes if alike(node, service.host)), "")
        if service.host not in taken and twin:
            yield warning(
                service.host,
                f"its name is that of node {twin}, which is another host of Nova by [nova] "
                "host_names or domain: the instances of this one are not protected",
                "openstack compute service list; openstack compute service delete ID  "
                "# if it is out of use",
            )
        elif service.host not in taken:
            yield warning(
                service.host,
                "Nova has this compute host, Pacemaker has not: its instances are not protected"
                + _unless_bare_metal(outlook),
                "pcs cluster node add-remote NODE reconnect_interval=60s op start timeout=20s; "
                "novaha setup --apply",
            )


def _unless_bare_metal(outlook: Outlook) -> str:
    """Where Nova did not tell which hosts are Ironic's."""
    unlisted = outlook.cloud.unlisted if outlook.cloud else ""
    return f", unless it is one of Ironic's, which is not known: {unlisted}" if unlisted else ""


def _name_remedy(node: str, problem: NovahaError, credentials: str) -> str:
    """What decides which host of Nova a node is."""
    if isinstance(problem, AmbiguousHostError):
        name = max(problem.hosts, key=len)
        return (
            f"in {credentials}: [nova] host_names = {node}:{name}\n"
            f"or, where that decides for all hosts: [nova] domain = DOMAIN\n"
            "or, for the one that is out of use: openstack compute service list; "
            "openstack compute service delete ID"
        )
    if isinstance(problem, SharedHostError):
        names = ",".join(f"{name}:NAME_IN_NOVA" for name in problem.nodes)
        return f"in {credentials}: [nova] host_names = {names}"
    return f"in {credentials}: [nova] host_names = {node}:NAME_IN_NOVA"


def services(outlook: Outlook) -> Iterator[Trouble]:
    """What is left over in Nova of a recovery that no record tells of any more."""
    if not outlook.services:
        yield not_checked("", _NO_SERVICES)
        return
    hosts = {host: node for node, host in outlook.by_node().items() if isinstance(host, str)}
    for service in outlook.services:
        node = hosts.get(service.host)
        if service.problem:
            yield warning(
                service.host,
                f"{service.problem}: what is left over there cannot be seen, and a recovery of "
                "it waits",
                f"openstack compute service list --host {q(service.host)}; nova-manage cell_v2 "
                "list_cells",
            )
            continue
        if node in outlook.flagged:
            continue
        set_it = "openstack compute service set"
        if service.forced_down:
            yield warning(
                service.host,
                "it is forced down in Nova, and no recovery will undo that",
                f"{set_it} --up {q(service.host)} nova-compute",
            )
        if disabled_by_us(service):
            yield warning(
                service.host,
                f"it is still disabled by novaha ('{service.disabled_reason}'), without a record",
                f"{set_it} --enable {q(service.host)} nova-compute",
            )
        if not service.up and not service.forced_down and node in outlook.online:
            yield warning(
                service.host,
                "its node is online, and Nova has had no heartbeat of its nova-compute for a while",
                f"crm_resource --locate --resource nova-compute\n"
                f"openstack compute service list --host {q(service.host)}",
            )


def clocks(outlook: Outlook) -> Iterator[Trouble]:
    """What belongs to a recovery is told by comparing times."""
    cloud = outlook.cloud
    if cloud is None or cloud.ahead is None:
        silent = cloud is None or cloud.failed
        yield not_checked("", _NO_ANSWER if silent else "Nova tells no time")
    elif abs(cloud.ahead) > _CLOCKS:
        how = "ahead of" if cloud.ahead > 0 else "behind"
        yield error(
            "",
            f"Nova's clock is {abs(cloud.ahead):.0f} s {how} this node's: a recovery could not "
            "tell its own evacuations from older ones",
            "chronyc tracking\nchronyc makestep",
        )


CLOUD: tuple[Check[Outlook], ...] = (
    Check("sign-in", "Keystone lets the evacuator in", sign_in),
    Check("nova-api", lambda o: f"Nova is spoken to in {o.cloud.version if o.cloud else ''}", api),
    Check("rights", "the user may read what the evacuator reads", rights),
    Check("rights-to-act", "the user may do what the evacuator does", rights_to_act),
    Check("certificates", "Keystone and Nova are reached by TLS, and verified", certificates),
    Check("host-names", "each compute node is exactly one host of Nova", names),
    Check("compute-services", "nothing is left forced down or disabled", services),
    Check("clocks", "Nova's clock is this node's", clocks),
)
