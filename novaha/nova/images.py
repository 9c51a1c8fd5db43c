"""What a policy goes by and Nova's instances do not show: Glance's images, Keystone's projects."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from novaha.core.errors import RefusedError, UnknownOutcomeError
from novaha.core.groups import Place
from novaha.core.policy.traits import ImageTraits
from novaha.nova import regions
from novaha.nova.attempts import reading
from novaha.nova.compute import Nova
from novaha.nova.deadline import bound
from novaha.nova.failures import by_code, contained
from novaha.nova.session import secrets_of
from novaha.nova.traits import image_traits

NO_IMAGE = ImageTraits({})
"""Of an image that is deleted: nothing is known of it any more, and nothing will be."""


class Catalogue:
    """Nova's places, Glance's images, Keystone's projects. Fulfils novaha.core.ports.Catalogue.

    May be used by several threads at once.
    """

    def __init__(
        self, nova: Nova, session: Session, *, interface: str, region_name: str | None
    ) -> None:
        bound(session)
        self._nova = nova
        self._session = session
        self._interface = interface
        self._region_name = region_name

    def places(self) -> dict[str, Place]:
        """See `Nova.places`."""
        return self._nova.places()

    def image(self, image: str) -> ImageTraits:
        """One image. Raises ComputeApiError."""
        what = f"read image {image}"
        document = self._read(what, "image", "2", f"/images/{quote(image, safe='')}")
        if document is None:
            return NO_IMAGE
        if document.get("id") != image:
            raise UnknownOutcomeError(what, "Glance answers with another image")
        return image_traits(document)

    def has_project(self, project: str) -> bool:
        """Whether Keystone has a project of this id. Raises ComputeApiError."""
        what = f"read project {project}"
        path = f"/projects/{quote(project, safe='')}"
        return self._read(what, "identity", "3", path) is not None

    def _read(self, what: str, service: str, version: str, path: str) -> dict[str, Any] | None:
        """What is there, None when there is nothing."""
        with contained(what, lambda: secrets_of(self._session)):
            try:
                return reading(lambda: self._get(what, service, version, path))
            except RefusedError as error:
                if error.code == 404:
                    return None
                raise

    def _get(self, what: str, service: str, version: str, path: str) -> dict[str, Any]:
        # The region of the Nova whose instances these are, where Keystone has several.
        region = regions.chosen(self._session, self._interface, self._region_name)
        adapter = Adapter(
            self._session,
            service_type=service,
            interface=self._interface,
            region_name=region,
            min_version=version,
            max_version=f"{version}.latest",
        )
        answer = adapter.get(path, raise_exc=False)
        code = int(answer.status_code)
        if code >= 300:
            raise by_code(what, code, str(answer.reason or "no reason given"))
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise UnknownOutcomeError(what, f"the service '{service}' answered no JSON")
        return document
