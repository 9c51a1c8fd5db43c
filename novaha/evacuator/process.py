"""The process: lock, log, signals; builds the loop and lets it turn."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from oslo_config import cfg

from novaha import wiring
from novaha.core import text, truth
from novaha.core.errors import NovahaError
from novaha.core.events import Sink
from novaha.evacuator import identity, pidfile, status
from novaha.evacuator.act import Actor
from novaha.evacuator.address import BELL, TURNS
from novaha.evacuator.client import HUNG_AFTER, JOURNAL, SOCKET
from novaha.evacuator.confirmed_by_hand import Confirmations
from novaha.evacuator.early import EarlyReading
from novaha.evacuator.held import HeldHosts
from novaha.evacuator.journal import Journal, log
from novaha.evacuator.keeping import Keeping
from novaha.evacuator.loop import Loop, Pace, SupersededError
from novaha.evacuator.metrics import Metrics
from novaha.evacuator.missing import MissingFencings
from novaha.evacuator.names import KnownNodes, Names
from novaha.evacuator.observe import Observer
from novaha.evacuator.older_flags import Adoption
from novaha.evacuator.places import EvacuatorError
from novaha.evacuator.prefetch import AT_ONCE
from novaha.evacuator.publish import Publisher
from novaha.evacuator.server import Server
from novaha.evacuator.site_policy import of_site
from novaha.evacuator.stream import Everybody, Stream
from novaha.evacuator.wakeup import listen, open_pipe
from novaha.pacemaker import configuration
from novaha.pacemaker.changes import Changes
from novaha.pacemaker.cib import RecordStore, local_node
from novaha.pacemaker.fencing import FenceHistory
from novaha.pacemaker.live import Digests, OlderFlags
from novaha.pacemaker.storm import PacemakerStorm

LOG = logging.getLogger("novaha")

SUPERSEDED = 3

_WRITERS = 4
"""Hosts about which the cluster and Nova are told something at once."""

_FENCINGS = 8
"""Fencings of ours that are waited for at once."""

_LOOKUPS = 4
"""What a policy goes by that is read at once."""

_REGION = 3.0
"""Seconds in which Keystone may say that it is not clear which region's Nova is meant."""

_LAST_WORDS, _LAST_EVENTS = 0.5, 0.5
"""Seconds in which what the others were told is taken away, and the last events reach the journal;
`stop` kills after three."""

_LONGEST = 2000
"""Characters of one line in the log."""


class Lines(logging.Formatter):
    """A log's line as anybody may see it; a traceback has a line for each of its own.

    secrets: values that are masked; more of them become known while the process starts.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")
        self.secrets: tuple[str, ...] = ()

    def format(self, record: logging.LogRecord) -> str:
        rows = super().format(record).splitlines() if record.exc_info else [super().format(record)]
        return "\n".join(text.line(row, self.secrets, _LONGEST) for row in rows)


def main(settings: Mapping[str, Any] | None = None) -> int:
    """Run with the settings that `client.launch` gives, on standard input if they are not read yet;
    returns the exit code.
    """
    lines = Lines()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("keystoneauth").setLevel(logging.WARNING)
    try:
        if settings is None:
            settings = json.load(sys.stdin)
        parameters = settings["parameters"]
        lines.secrets = tuple(filter(None, [parameters.get("password")]))
        if truth.is_true(parameters.get("verbose", "")):
            LOG.setLevel(logging.DEBUG)
        run_dir = Path(settings["run_dir"])
        lock = pidfile.hold(run_dir)
        node = local_node()
        # Of the resource's action that started it. attrd_updater takes it for the node that is
        # asked about, also where it is asked about all.
        os.environ.pop("OCF_RESKEY_CRM_meta_on_node", None)
        me = f"{node}#{uuid4().hex[:8]}"
        conf = wiring.conf(parameters)
        lines.secrets += wiring.secrets(conf)
        measured = Metrics(lambda name: _fenced(loop, name))
        events = Stream((log, Journal(Path(settings["log_dir"]) / JOURNAL).write, measured.take))
        kept = Keeping(wiring.operate(conf), settings, node)
        loop, early = build(conf, me, Everybody((kept, events)))
        note = str(settings.get("note", ""))
        publisher = _serve(loop, (events, kept), measured, run_dir, node, lines.secrets, note)
    except (NovahaError, EvacuatorError, OSError, KeyError, ValueError) as error:
        LOG.error("%s", error)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stop(loop))
    if loop.held is not None:
        threading.Thread(target=loop.held.run, args=(loop.stopping,), daemon=True).start()
    threading.Thread(target=early.run, args=(loop.stopping,), name="early", daemon=True).start()
    threading.Thread(target=publisher.run, args=(loop.stopping,), daemon=True).start()
    kept.run(loop.stopping)
    if note:
        LOG.warning("%s", note)
    LOG.info("evacuator %s begins, as user %s", me, identity.current())
    try:
        loop.run()
    except SupersededError as error:
        LOG.error("%s", error)
        return _leave(SUPERSEDED, lock, events, publisher, kept)
    LOG.info("evacuator %s ends", me)
    return _leave(0, lock, events, publisher, kept)


def build(conf: cfg.ConfigOpts, me: str, journal: Sink) -> tuple[Loop, EarlyReading]:
    """The loop with its real adapters, and what reads early for it.

    Raises ConfigError, and RegionError where Keystone has several Novas and none is chosen.
    """
    compute = wiring.nova(conf)
    wiring.check_region(compute, _REGION)
    options = conf.evacuator
    records = RecordStore()
    fencing = FenceHistory()
    # Pools of their own: requests that hang must not keep anybody from looking.
    readers = ThreadPoolExecutor(options.max_requests, "read")
    ahead = ThreadPoolExecutor(AT_ONCE, "ahead")
    senders = ThreadPoolExecutor(options.max_requests, "send")
    nodes = KnownNodes(fencing.compute_nodes)
    names = Names(conf.nova.host_names, conf.nova.domain, nodes)
    observer = Observer(
        compute, fencing, names, me, readers, ahead, time.monotonic, options.lost_after
    )
    loop = Loop(
        records=records,
        configuration=configuration.read,
        missing=MissingFencings(
            fencing,
            journal,
            ThreadPoolExecutor(_FENCINGS, "fence"),
            options.fence_wait,
            time.monotonic,
        ),
        observer=observer,
        actor=Actor(
            records,
            fencing,
            compute,
            journal,
            me,
            senders,
            time.monotonic,
            options.takeover_wait,
            options.max_requests,
        ),
        journal=journal,
        confirmations=Confirmations(
            records,
            fencing,
            journal,
            recover=options.confirmed_by_hand == "recover",
            last_seen=observer.last_seen,
        ),
        adoption=Adoption(
            OlderFlags(),
            records,
            fencing,
            compute.services,
            names.host,
            journal,
            now=lambda: datetime.now(UTC),
            clock=time.monotonic,
        ),
        held=HeldHosts(PacemakerStorm(), observer.all_last_seen, journal, time.monotonic),
        policy=wiring.policy(conf),
        pace=Pace(options.poll_interval, options.busy_interval),
        me=me,
        pool=ThreadPoolExecutor(_WRITERS, "write"),
        clock=time.monotonic,
        site_policy=of_site(conf, compute, ThreadPoolExecutor(_LOOKUPS, "policy")),
    )
    early = EarlyReading(
        Changes().any,
        records,
        observer.read_ahead,
        nodes.keep_warm,
        time.monotonic,
        lambda: loop.turning,
    )
    return loop, early


def _serve(
    loop: Loop,
    told: tuple[Stream, Keeping],
    measured: Metrics,
    run_dir: Path,
    node: str,
    secrets: tuple[str, ...],
    note: str,
) -> Publisher:
    """Answer on the socket; returns who tells the other controllers.

    told: whom events go to. note: what an operator has to see to as long as this process runs, ""
    if there is nothing.
    """
    events, kept = told

    def ring() -> dict[str, Any]:
        loop.wakeup.wake()
        return {"ok": True}

    def health() -> status.Health:
        now = time.monotonic()
        return status.Health(
            pid=os.getpid(),
            node=node,
            user=identity.current(),
            turn_age=now - loop.turned_at,
            problem=loop.problem,
            failing_for=loop.failing.seconds(now),
            nova_problem=loop.nova_problem,
            nova_silent_for=loop.nova_silent.seconds(now),
            attention=(*loop.attention, *filter(None, [note, events.problem(), *kept.problems()])),
        )

    def answer() -> dict[str, Any]:
        return status.own(health(), loop.notices, loop.reports)

    def turns() -> dict[str, bool]:
        return {"turns": time.monotonic() - loop.turned_at <= HUNG_AFTER}

    answers = {
        TURNS: turns,
        "ring": ring,
        "health": lambda: health().data(),
        "status": answer,
        "metrics": lambda: measured.data(answer(), datetime.now(UTC)),
    }
    server = Server(run_dir / SOCKET, answers, secrets)
    pipe = open_pipe(run_dir / BELL)
    server.start()
    listen(pipe, loop.wakeup)
    return Publisher(Digests(), node, answer, secrets)


def _fenced(loop: Loop, node: str) -> datetime | None:
    """When the host of a node was flagged, None for one that is not in recovery."""
    found = (report.record.fenced for report in loop.reports if report.record.node == node)
    return next(found, None)


def _stop(loop: Loop) -> None:
    loop.stopping.set()
    loop.wakeup.wake()


def _leave(
    code: int, lock: IO[bytes], events: Stream, publisher: Publisher, kept: Keeping | None = None
) -> int:
    """End at once: threads may sit in requests to a dead Nova, and what they do is in Nova."""
    publisher.end(_LAST_WORDS)
    if kept is not None:
        kept.close(_LAST_EVENTS)
    if untold := events.close(_LAST_EVENTS):
        LOG.warning("%d events are not in the journal: it could not be written to in time", untold)
    LOG.debug("releasing %s", lock.name)
    logging.shutdown()
    os._exit(code)
