"""Seeing a recovery without being the one who does it: for `novaha status` on any controller."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from novaha import wiring
from novaha.core.errors import NovahaError, RecordError
from novaha.core.record import Record
from novaha.core.steps import HostReport
from novaha.evacuator import client, confirmed_by_hand, digest, status
from novaha.evacuator.held import HeldHosts
from novaha.evacuator.isolation import planned
from novaha.evacuator.journal import Journal
from novaha.evacuator.ledger import Ledger
from novaha.evacuator.names import KnownNodes, Names
from novaha.evacuator.observe import Observer
from novaha.evacuator.site_policy import of_site
from novaha.pacemaker.cib import RecordStore
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.live import Digests
from novaha.pacemaker.storm import PacemakerStorm

if TYPE_CHECKING:
    from oslo_config import cfg

NOT_ASKED = "Nova is not asked here"
"""The problem of a snapshot by one who has no credentials of Nova."""


def look(
    parameters: Mapping[str, str] | None = None,
    given: Callable[[], Mapping[str, str]] = dict,
    *,
    without_nova: bool = False,
) -> dict[str, Any]:
    """The state of every flagged host: from the evacuator here, else from the CIB and Nova, with
    what the evacuator tells the other controllers.

    parameters: where to find the configuration, as for novaha.conf.load. given: what the
    evacuator's own resource is given, which is asked only where the evacuator does not answer;
    `parameters` win. With both, this plans by the same settings as the evacuator.
    without_nova: neither the configuration is read nor Nova asked.

    Raises ClusterToolError when the CIB cannot be read. A Nova that cannot be asked only costs
    the instances; the answer says so.
    """
    try:
        if client.pid() is not None:
            return client.ask("status")
    except client.EvacuatorError:
        pass  # it hangs, or does not answer this user; the CIB and Nova tell as much
    store = RecordStore()
    records = store.read_all()
    sane = {node: r for node, r in records.items() if not isinstance(r, RecordError)}
    problem, reports = "", [HostReport(record, None, "") for record in sane.values()]
    notices: tuple[str, ...] = ()
    try:
        if without_nova:
            problem = NOT_ASKED
        else:
            conf = wiring.conf({**given(), **(parameters or {})})
            if conf.evacuator.confirmed_by_hand == "tell":
                notices = confirmed_by_hand.to_be_told(store, FenceHistory())
            reports = _from_nova(sane, conf)
    except NovahaError as error:
        problem = str(error)
    with suppress(NovahaError):  # there may be no brake, and no attribute manager to be asked
        held = HeldHosts(PacemakerStorm(), _nobody_heard, Journal(None), time.monotonic)
        notices += held.look()
    broken = {node: error for node, error in records.items() if isinstance(error, RecordError)}
    seen = status.looked(problem, notices, reports, broken)
    with suppress(NovahaError):  # no attribute manager: it is all that can be seen
        now = datetime.now(UTC)
        told = digest.newest(Digests().read().values(), now)
        return seen if told is None else digest.added(seen, told, now)
    return seen


def _nobody_heard() -> Callable[[str], datetime | None]:
    return lambda node: None


def _from_nova(records: Mapping[str, Record], conf: cfg.ConfigOpts) -> list[HostReport]:
    if not records:
        return []
    policy = wiring.policy(conf)
    nodes = KnownNodes(FenceHistory().compute_nodes)
    names = Names(conf.nova.host_names, conf.nova.domain, nodes)
    reports: list[HostReport] = []
    with ThreadPoolExecutor(conf.evacuator.max_requests) as pool:
        compute = wiring.nova(conf)
        site_policy = of_site(conf, compute, pool)
        policy = site_policy.applied(policy)
        for owner in {record.owner for record in records.values()}:
            theirs = {node: r for node, r in records.items() if r.owner == owner}
            observer = Observer(
                compute,
                FenceHistory(),
                names,
                owner,
                pool,
                pool,
                time.monotonic,
                float("inf"),
            )
            observer.doubts.verify(theirs.values())  # that is for whoever does the recovery
            ledger = Ledger()
            ledger.follow(theirs, 0.0)
            views = observer.views(theirs, ledger)
            views, policy = site_policy.complete(views, policy)
            decided, _ = planned(views, policy, time.monotonic(), float("-inf"))
            reports += decided.reports
    return sorted(reports, key=lambda report: report.record.node)
