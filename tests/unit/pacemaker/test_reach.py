"""Hosts that answer, asked by real sockets on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from novaha.pacemaker import reach
from novaha.pacemaker.reach import Address, answering, speaks


@pytest.fixture
def listening() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Address("127.0.0.1", server.getsockname()[1])


@pytest.fixture
def refusing() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return Address("127.0.0.1", server.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[Address]:
    """A listener whose queue is full: the kernel drops what comes, as a dead host would."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield Address("127.0.0.1", address[1])


def test_a_host_that_accepts_or_refuses_answers(listening: Address, refusing: Address) -> None:
    assert answering({"a": [listening], "b": [refusing]}, 5) == {"a": True, "b": True}


def test_one_address_of_several_is_enough(silent: Address, refusing: Address) -> None:
    found = answering({"a": [silent, refusing], "b": [silent]}, 0.3)
    assert found == {"a": True, "b": False}


def test_a_name_without_address_is_not_taken_for_silence(refusing: Address) -> None:
    unknown = Address("no-such-name.invalid")
    assert answering({"a": [unknown], "b": [refusing]}, 5) == {"b": True}
    assert answering({"a": [unknown, refusing]}, 5) == {"a": True}


@pytest.mark.parametrize("port", [0, 70000, -1])
def test_a_port_that_cannot_be_ends_nothing(port: int, refusing: Address) -> None:
    found = answering({"a": [Address("127.0.0.1", port)], "b": [refusing]}, 0.3)
    assert found["b"] is True


def test_without_descriptors_a_host_is_not_taken_for_silent(
    monkeypatch: pytest.MonkeyPatch, refusing: Address
) -> None:
    monkeypatch.setattr(reach, "_room", lambda: 1)
    found = answering({"a": [refusing], "b": [refusing]}, 5)
    assert found == {"a": True}


def test_nothing_is_left_open(listening: Address, silent: Address) -> None:
    import os

    before = len(os.listdir("/proc/self/fd"))
    answering({"a": [listening], "b": [silent]}, 0.2)
    assert len(os.listdir("/proc/self/fd")) == before


def test_nobody_to_ask() -> None:
    assert answering({}, 5) == {}


def talks(connection: socket.socket) -> None:
    connection.recv(1)
    connection.sendall(b"x")


def closes(connection: socket.socket) -> None:
    connection.recv(1000)


def resets(connection: socket.socket) -> None:
    """What was sent is not read: the kernel tells the other end so."""
    connection.recv(1)


@pytest.mark.parametrize("does", [talks, closes, resets])
def test_a_process_that_says_anything_or_closes_lives(
    does: Callable[[socket.socket], None],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    does(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        assert speaks(Address("127.0.0.1", server.getsockname()[1]), 30)
        thread.join()


def test_a_kernel_that_accepts_for_nobody_is_no_process(listening: Address) -> None:
    assert not speaks(listening, 0.2)


def test_nor_is_one_that_refuses_or_says_nothing(refusing: Address, silent: Address) -> None:
    assert not speaks(refusing, 5)
    assert not speaks(silent, 0.2)
    assert not speaks(Address("no-such-name.invalid"), 0.2)
    assert not speaks(Address("127.0.0.1", 70000), 0.2)
