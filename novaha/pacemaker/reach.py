"""Whether hosts answer on the network, asked of many at once.

A TCP connection that is accepted or refused is an answer: the host's kernel lives, and so may its
guests. Silence, an unreachable network, or a name that cannot be resolved in time is none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import resource
import selectors
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PORT = 3121
"""Of pacemaker_remote, where nobody has said otherwise."""

_RESOLVERS = 32
"""Names that are resolved at once."""

_SPARE_FILES = 64
"""Descriptors that are left for everything else."""

_ANSWERS = frozenset({0, errno.ECONNREFUSED, errno.ECONNRESET})
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a host can be asked."""

    host: str
    port: int = PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def answering(addresses: Mapping[str, Sequence[Address]], seconds: float) -> dict[str, bool]:
    """Which of the named hosts answer at any of their addresses within `seconds`.

    Ends as soon as every host has answered. A host that cannot be asked at any address is missing
    in the result: its name has no address, or this process has no descriptors left. Never raises
    OSError.
    """
    end = time.monotonic() + seconds
    resolved = _resolve({a.host for each in addresses.values() for a in each}, seconds / 2)
    wanted = [
        (name, family, (ip, address.port))
        for name, each in addresses.items()
        for address in each
        for family, ip in resolved.get(address.host, ())
    ]
    answers = {name: False for name, _, _ in wanted}
    with selectors.DefaultSelector() as selector:
        room = _room()
        for name in _begin(selector, wanted[:room]):
            answers[name] = True
        for name, _, _ in wanted[room:]:
            if not answers.get(name):
                answers.pop(name, None)
        _wait(selector, answers, end)
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    return answers


def speaks(address: Address, seconds: float) -> bool:
    """Whether a process answers a TLS client there within `seconds`.

    The kernel of a host that hangs accepts a connection. Only a process says something to it, or
    closes it: pacemaker_remote does one of both to a client that does not know its key. Never
    raises OSError.
    """
    import ssl  # rarely needed, and slow to load

    hello = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
    end = time.monotonic() + seconds
    try:
        with socket.create_connection((address.host, address.port), seconds) as connection:
            connection.sendall(hello.read())
            connection.settimeout(max(0.01, end - time.monotonic()))
            connection.recv(1)
    except (ConnectionRefusedError, TimeoutError):
        return False
    except ConnectionResetError:
        return True
    except (OSError, UnicodeError, OverflowError):
        return False
    return True


def _begin(
    selector: selectors.BaseSelector,
    wanted: Sequence[tuple[str, socket.AddressFamily, tuple[str, int]]],
) -> list[str]:
    """Begin all connections; the hosts that answer at once."""
    at_once = []
    for name, family, target in wanted:
        try:
            connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            continue
        try:
            code = connection.connect_ex(target)
        except (OSError, OverflowError):  # a port that cannot be
            code = errno.EINVAL
        if code in _UNDER_WAY:
            selector.register(connection, selectors.EVENT_WRITE, name)
            continue
        connection.close()
        if code in _ANSWERS:
            at_once.append(name)
    return at_once


def _wait(selector: selectors.BaseSelector, answers: dict[str, bool], end: float) -> None:
    """Take answers until `end`; those that came while this process was busy count, too."""
    late = False
    while selector.get_map() and not all(answers.values()) and not late:
        left = max(0.0, end - time.monotonic())
        late = not left
        for key, _ in selector.select(left):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            selector.unregister(connection)
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in _ANSWERS:
                answers[key.data] = True
            connection.close()


def _resolve(
    names: set[str], seconds: float
) -> dict[str, tuple[tuple[socket.AddressFamily, str], ...]]:
    """The addresses of the names. One whose resolver does not answer in time has none.

    A name server is unreachable in just the hour in which this is asked.
    """
    found = {name: _look_up(name, socket.AI_NUMERICHOST) for name in names}
    slow = queue.SimpleQueue[str]()
    for name in sorted(name for name, addresses in found.items() if not addresses):
        slow.put(name)

    def resolve() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                name = slow.get_nowait()
                found[name] = _look_up(name, 0)

    # Daemon threads: nobody waits for them when this process ends.
    count = min(_RESOLVERS, slow.qsize())
    threads = [threading.Thread(target=resolve, daemon=True) for _ in range(count)]
    end = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(found)


def _look_up(name: str, flags: int) -> tuple[tuple[socket.AddressFamily, str], ...]:
    try:
        entries = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        return ()
    return tuple({(family, str(address[0])) for family, _, _, _, address in entries})


def _room() -> int:
    """How many connections this process can have; its limit is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        wanted = hard if hard != resource.RLIM_INFINITY else 65536
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            pass
    try:
        used = len(os.listdir("/proc/self/fd"))
    except OSError:
        used = _SPARE_FILES
    return max(1, soft - used - _SPARE_FILES)
