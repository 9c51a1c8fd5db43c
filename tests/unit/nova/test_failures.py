"""What a failed request says: it did nothing, it may have been done, or it was refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import requests
from keystoneauth1 import exceptions as keystone
from keystoneauth1 import session, token_endpoint
from novaclient import exceptions as nova

from novaha.core.errors import NotSentError, RefusedError, UnknownOutcomeError
from novaha.nova.failures import translated


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, RefusedError),
        (403, RefusedError),
        (404, RefusedError),
        (409, RefusedError),
        (401, NotSentError),
        (429, NotSentError),
        (500, UnknownOutcomeError),
        (502, UnknownOutcomeError),
        (503, UnknownOutcomeError),
        (504, UnknownOutcomeError),
    ],
)
def test_law_2_answers_by_code(code: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=str(code)), translated("evacuate x"):
        raise nova.ClientException(code, "as it may be")


def test_law_2_keystones_answers_by_code() -> None:
    with pytest.raises(UnknownOutcomeError), translated("evacuate x"):
        raise keystone.GatewayTimeout()
    with pytest.raises(NotSentError), translated("evacuate x"):
        raise keystone.EndpointNotFound()


def _get(port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    with translated("evacuate x"):
        session.Session(auth=token_endpoint.Token(url, "token"), timeout=1).get(url)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_law_2_a_refused_connection_did_nothing(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(NotSentError) as caught:
        _get(port)
    assert str(caught.value).endswith("Connection refused"), "short enough for a table"


def test_law_2_an_answer_that_does_not_come_is_unknown(listener: socket.socket) -> None:
    with pytest.raises(UnknownOutcomeError):
        _get(listener.getsockname()[1])


def test_law_2_a_connection_cut_after_the_request_is_unknown(listener: socket.socket) -> None:
    def read_and_hang_up() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.close()

    listener.settimeout(5)
    thread = threading.Thread(target=read_and_hang_up)
    thread.start()
    with pytest.raises(UnknownOutcomeError):
        _get(listener.getsockname()[1])
    thread.join()


def test_what_is_no_failure_of_the_request_passes() -> None:
    with pytest.raises(KeyError), translated("x"):
        raise KeyError("a bug")
    assert issubclass(requests.exceptions.Timeout, OSError)
