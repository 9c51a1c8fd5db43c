"""Nova's API at one microversion: JSON objects in and out, an error of ours for all else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import novaclient
from keystoneauth1 import exceptions as keystone
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from novaclient import api_versions, client

from novaha.core.errors import NotSentError, UnknownOutcomeError
from novaha.core.text import line
from novaha.nova.failures import by_code
from novaha.nova.reader import Row, rows

MOST_PAGES = 1000
"""Of one list; each has at least 50 entries where anybody has set that."""

_WHAT = "negotiate the version of Nova's API"


class Api:
    """One microversion of one Nova. url: of its endpoint, None for that of the catalogue."""

    def __init__(
        self, session: Session, version: Any, options: Mapping[str, Any], url: str | None
    ) -> None:
        more = {"endpoint_override": url} if url else {}
        self.version = version
        self.client = client.Client(version, session=session, **options, **more).client

    def get(self, what: str, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The object that Nova answers with."""
        return self._object(
            what, "GET", f"{path}?{urlencode(sorted(query.items()))}" if query else path
        )

    def put(self, what: str, path: str, body: Mapping[str, Any]) -> Any:
        """The object that Nova answers with."""
        return self._object(what, "PUT", path, body)

    def post(self, what: str, path: str, body: Mapping[str, Any]) -> None:
        """Returns when Nova has accepted."""
        answer, shown = self._send(what, "POST", path, body)
        if shown is None and "<" in (answer.text or "")[:200]:
            # A page of something in between: Nova may have been asked, or not.
            raise UnknownOutcomeError(what, self._no_json(path))

    def pages(
        self,
        what: str,
        path: str,
        key: str,
        marker: str,
        search: Mapping[str, str],
        enough: Callable[[list[Row]], bool] = lambda page: False,
    ) -> list[Row]:
        """Every page of a list, up to the first that is `enough`.

        Nova says whether there is another one, and how long a page is: novaclient asks for servers
        until a page is empty, which doubles the requests, and for one page of migrations only.
        """
        query = dict(search)
        found: list[Row] = []
        markers: set[str] = set()
        for _ in range(MOST_PAGES):
            body = self.get(what, path, query)
            page = rows(what, body, key)
            found += page
            links = body.get(f"{key}_links")
            more = isinstance(links, list) and any(
                isinstance(link, Mapping) and link.get("rel") == "next" for link in links
            )
            if not more or enough(page):
                return found
            last = page[-1].get(marker) if page else None
            if not isinstance(last, str) or last in markers:
                raise UnknownOutcomeError(what, f"Nova's list '{key}' has no end")
            markers.add(last)
            query["marker"] = last
        raise UnknownOutcomeError(what, f"Nova's list '{key}' has no end after {MOST_PAGES} pages")

    def _object(self, what: str, method: str, path: str, body: Any = None) -> Any:
        _, shown = self._send(what, method, path, body)
        if not isinstance(shown, dict):
            raise UnknownOutcomeError(what, self._no_json(path))
        return shown

    def _send(self, what: str, method: str, path: str, body: Any = None) -> tuple[Any, Any]:
        more = {} if body is None else {"body": body}
        answer, shown = self.client.request(path, method, raise_exc=False, **more)
        code = int(answer.status_code)
        if code >= 300:  # a redirection that leads nowhere is no consent
            raise by_code(what, code, _message(shown) or str(answer.reason or "no reason given"))
        return answer, shown

    def _no_json(self, path: str) -> str:
        return f"Nova's API at {line(self._url())}{path.partition('?')[0]} answered no JSON"

    def _url(self) -> str:
        return str(self.client.get_endpoint() or "").rstrip("/")


def _message(body: object) -> str:
    """Nova's words about an error."""
    inner = next(iter(body.values()), None) if isinstance(body, Mapping) and body else None
    message = inner.get("message") if isinstance(inner, Mapping) else inner
    return message if isinstance(message, str) else ""


def find(session: Session, options: Mapping[str, Any]) -> tuple[Any, str | None]:
    """The newest microversion that Nova offers, and where: None for the catalogue's endpoint.

    An endpoint that names no version is looked up from there by keystoneauth1.
    """
    first = Api(session, api_versions.APIVersion("2.1"), options, None)
    endpoint = first.client.get_endpoint()
    if not endpoint:
        where = f"interface {options['endpoint_type']}, region {options['region_name'] or 'any'}"
        raise NotSentError(_WHAT, f"Keystone's catalogue has no endpoint of Nova ({where})")
    answer, shown = first.client.request(str(endpoint), "GET", raise_exc=False)
    code = int(answer.status_code)
    if code >= 500 or code in (401, 413, 429):
        raise by_code(_WHAT, code, _message(shown) or str(answer.reason))
    offered = _offered(shown) if code < 300 else None
    if offered is not None:
        return offered, None
    if code < 300 and not isinstance(shown, Mapping):
        raise NotSentError(_WHAT, f"Nova's API at {line(endpoint)} answered no JSON")
    adapter = Adapter(
        session=session,
        service_type="compute",
        interface=options["endpoint_type"],
        region_name=options["region_name"],
        min_version="2.1",
        max_version="2.latest",
    )
    try:
        data = adapter.get_endpoint_data()
    except (keystone.DiscoveryFailure, TypeError, ValueError, LookupError, AttributeError):
        data = None  # keystoneauth1 takes its documents for what they should be
    newest = api_version(".".join(map(str, data.max_microversion or ()))) if data else None
    if data is None or newest is None:
        raise NotSentError(_WHAT, "Nova tells no microversions")
    return newest, str(data.url)


def _offered(body: object) -> Any:
    """What the document of one version says; None where it is another document."""
    version = body.get("version") if isinstance(body, Mapping) else None
    text = version.get("version") if isinstance(version, Mapping) else None
    return api_version(text) if isinstance(text, str) else None


def api_version(text: str) -> Any:
    """A microversion, None where that is none."""
    try:
        return api_versions.APIVersion(text) if text else None
    except novaclient.exceptions.UnsupportedVersion:
        return None
