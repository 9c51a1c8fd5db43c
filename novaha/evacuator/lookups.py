"""What the site's policy goes by and no list of instances shows: zones, aggregates, images.

It is asked beside the turn. A turn waits for an answer for a moment only, and goes on without: what
depends on it then waits by itself, and is decided when the answer is there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import replace
from typing import Any

from novaha.core.errors import NovahaError
from novaha.core.groups import Place
from novaha.core.policy.match import OF_IMAGE, OF_PLACE
from novaha.core.policy.rules import Rules
from novaha.core.policy.traits import ImageTraits
from novaha.core.ports import Catalogue
from novaha.core.recovery import RecoveryState
from novaha.core.view import HostView

LOG = logging.getLogger(__name__)

_PLACES_FRESH = 60.0
"""Seconds for which zones and aggregates count: operators change them, and seldom."""

_IMAGES_FRESH = 600.0
"""The same for the properties and tags of an image."""

_PATIENCE = 2.0
"""Seconds for which a turn waits for answers."""

_PLACES = ""
"""The key of zones and aggregates among the ids of images."""


class Lookups:
    """Asks each thing once at a time, and again where that failed.

    pool: of its own: a service that hangs keeps nobody waiting who does not need it.
    """

    def __init__(self, catalogue: Catalogue, pool: Executor, clock: Callable[[], float]) -> None:
        self._catalogue = catalogue
        self._pool = pool
        self._clock = clock
        self._places: Mapping[str, Place] | None = None
        self._images: dict[str, ImageTraits] = {}
        self._given: dict[str, ImageTraits] = {}
        self._read_at: dict[str, float] = {}
        self._asked: dict[str, Future[Any]] = {}
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Why something that is needed cannot be read, "" when it could."""
        return next(iter(self._problems.values()), "")

    def complete(self, views: Sequence[HostView], rules: Rules) -> list[HostView]:
        """The same views with what the policy goes by, as far as it was read."""
        dead = [v for v in views if v.record.state is not RecoveryState.RECOVERED]
        images = {i.traits.image for v in dead for i in v.inventory.instances if i.traits.image}
        with_instances = any(v.inventory.instances for v in dead)
        needed = {_PLACES} if rules.keys & OF_PLACE and with_instances else set()
        needed |= images if rules.keys & OF_IMAGE else set()
        self._problems = {k: text for k, text in self._problems.items() if k in needed}
        if not needed:
            return list(views)
        self._ask(needed)
        if missing := [self._asked[key] for key in needed if self._lacks(key)]:
            wait(missing, _PATIENCE)
            self._collect()
        places = self._places or {}
        read = {i: t for i in images if (t := self._images.get(i)) is not None}
        if read != self._given:
            self._given = read  # else the same object: it need not be compared with itself
        return [
            replace(
                view,
                inventory=replace(
                    view.inventory,
                    place=places.get(view.host or ""),
                    images=self._given,
                ),
            )
            for view in views
        ]

    def keep_warm(self, rules: Rules) -> None:
        """Have zones and aggregates at hand before a host dies, without waiting for the answer."""
        self._collect()
        if rules.keys & OF_PLACE:
            self._ask([_PLACES])

    def _lacks(self, key: str) -> bool:
        known = self._places is not None if key == _PLACES else key in self._images
        return not known and key in self._asked

    def _ask(self, keys: Iterable[str]) -> None:
        """Ask for what is not fresh and not asked for already."""
        self._collect()
        now = self._clock()
        for key in keys:
            fresh = _PLACES_FRESH if key == _PLACES else _IMAGES_FRESH
            if key in self._asked or now < self._read_at.get(key, float("-inf")) + fresh:
                continue
            self._asked[key] = (
                self._pool.submit(self._catalogue.places)
                if key == _PLACES
                else self._pool.submit(self._catalogue.image, key)
            )

    def _collect(self) -> None:
        """Take what has been answered. What was known before stays where that failed."""
        for key, future in list(self._asked.items()):
            if not future.done():
                continue
            del self._asked[key]
            try:
                found = future.result()
            except NovahaError as error:
                self._problems[key] = str(error)
                continue
            except Exception:
                LOG.exception("look up what the policy goes by")
                self._problems[key] = "internal error, see the log"
                continue
            self._problems.pop(key, None)
            self._read_at[key] = self._clock()
            if key == _PLACES:
                self._places = found
            else:
                self._images[key] = found
