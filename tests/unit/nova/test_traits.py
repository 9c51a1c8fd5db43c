"""What a policy goes by, from Nova's and Glance's documents: what makes no sense is not known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from keystoneauth1 import session, token_endpoint

from novaha.core.errors import ComputeApiError, NotSentError
from novaha.core.policy.traits import ImageTraits, Traits
from novaha.nova.images import NO_IMAGE, Catalogue
from novaha.nova.traits import image_traits, traits
from tests.serving import serving
from tests.unit.nova.test_reader import SERVER, changed

FLAVOR = {
    "original_name": "m1.tiny",
    "ephemeral": 0,
    "swap": 512,
    "disk": 1,
    "extra_specs": {"hw:cpu_policy": "shared"},
}
ROW = {
    **SERVER,
    "tenant_id": "p1",
    "flavor": FLAVOR,
    "image": {"id": "i1", "links": []},
    "tags": ["web"],
    "metadata": {"HA_Enabled": "True"},
}


def test_a_whole_row() -> None:
    assert traits(ROW) == Traits(
        "p1",
        "m1.tiny",
        {"hw:cpu_policy": "shared"},
        "i1",
        ("web",),
        {"HA_Enabled": "True"},
        local_disk=True,
    )


def test_a_row_that_shows_nothing() -> None:
    assert traits({"id": "i1"}) == Traits()


@pytest.mark.parametrize("odd", [None, 7, "", [], {}, "x", ["x"], {"x": 1}, True])
@pytest.mark.parametrize("field", ["tenant_id", "flavor", "image", "tags", "metadata"])
def test_nothing_that_makes_no_sense_is_taken_for_something(field: str, odd: Any) -> None:
    found = traits(changed(ROW, **{field: odd}))
    assert isinstance(found, Traits)
    for value in (found.project, found.flavor, found.image):
        assert value is None or isinstance(value, str)
    for texts in (found.extra_specs, found.metadata):
        assert texts is None or all(isinstance(v, str) for v in texts.values())


@pytest.mark.parametrize(
    ("image", "ephemeral", "wanted"),
    [
        ({"id": "i1"}, 0, True),
        ({"id": "i1"}, 5, True),
        ({"id": "i1"}, None, True),
        ("", 0, False),
        ("", 5, True),
        ("", None, None),
        ("", "0", None),
        (None, 0, None),
        (None, 5, True),
        ({}, 0, None),
    ],
)
def test_what_counts_as_a_local_disk(image: Any, ephemeral: Any, wanted: bool | None) -> None:
    row = changed(ROW, image=image, flavor={**FLAVOR, "ephemeral": ephemeral})
    assert traits(row).local_disk is wanted


def test_extra_specs_that_nova_does_not_show_are_not_none() -> None:
    """Nova leaves them out where its policy does not let the user see them."""
    without = {k: v for k, v in FLAVOR.items() if k != "extra_specs"}
    assert traits(changed(ROW, flavor=without)).extra_specs is None
    assert traits(changed(ROW, flavor={**FLAVOR, "extra_specs": {}})).extra_specs == {}


IMAGE = {
    "id": "i1",
    "name": "debian",
    "status": "active",
    "tags": ["gold"],
    "size": 1024,
    "os_hidden": False,
    "disk_format": "raw",
    "os_type": "linux",
    "evacuable": "true",
    "odd": 7,
}


def test_properties_are_what_somebody_has_set() -> None:
    found = image_traits(IMAGE)
    assert found == ImageTraits({"os_type": "linux", "evacuable": "true"}, ("gold",))


class Api(ThreadingHTTPServer):
    """answers: code and body by path. asked: the paths."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        if not self.path.startswith(("/images/", "/projects/")):
            code, body = 404, b"{}"  # no document of versions: the endpoint is taken as it is
        else:
            self.server.asked.append(self.path)
            code, body = self.server.answers.get(self.path, (404, b"{}"))
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api()) as server:
        yield server


@pytest.fixture
def catalogue(api: Api) -> Catalogue:
    url = f"http://127.0.0.1:{api.server_port}"
    found = session.Session(token_endpoint.Token(url, "token"), timeout=10)
    nova: Any = None
    return Catalogue(nova, found, interface="internal", region_name=None)


def test_one_image(api: Api, catalogue: Catalogue) -> None:
    api.answers["/images/i1"] = (200, json.dumps(IMAGE).encode())
    assert catalogue.image("i1").tags == ("gold",)
    assert api.asked == ["/images/i1"]


def test_an_image_that_is_deleted_has_nothing(catalogue: Catalogue) -> None:
    assert catalogue.image("i1") == NO_IMAGE


def test_an_id_is_no_path(api: Api, catalogue: Catalogue) -> None:
    catalogue.image("../x?y")
    assert api.asked == ["/images/..%2Fx%3Fy"]


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (503, b"<html>"),
        (403, b"{}"),
        (401, b"{}"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"id": "i2"}'),
        (300, b"{}"),
    ],
)
def test_any_other_answer_tells_nothing_of_the_image(
    api: Api, catalogue: Catalogue, answer: tuple[int, bytes]
) -> None:
    api.answers["/images/i1"] = answer
    with pytest.raises(ComputeApiError):
        catalogue.image("i1")


def test_a_service_that_is_away(catalogue: Catalogue, api: Api) -> None:
    api.server_close()
    with pytest.raises((NotSentError, ComputeApiError)):
        catalogue.image("i1")


def test_projects(api: Api, catalogue: Catalogue) -> None:
    api.answers["/projects/p1"] = (200, b'{"project": {}}')
    assert catalogue.has_project("p1")
    assert not catalogue.has_project("p2")
