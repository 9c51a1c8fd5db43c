"""Whether a service answers, asked the way its clients would ask."""

import ctypes
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from novahalab import layout

TIMEOUT = 3.0  # seconds, for one question
_CLONE_NEWNET = 0x40000000
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def network_of(name: str) -> Iterator[None]:
    """Put this thread into the network namespace of a sandbox.

    So a service is asked from beside it, also while its network is cut.
    """
    with open("/proc/thread-self/ns/net") as home:
        with open(f"/run/netns/{layout.namespace(name)}") as there:
            _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def _setns(descriptor: int) -> None:
    # os.setns exists since Python 3.12 only.
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def http(url: str) -> bool:
    """Whether an API gives an answer that is not its own failure."""
    try:
        with _NO_PROXY.open(url, timeout=TIMEOUT):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def database(address: str, port: int) -> bool:
    """Whether MariaDB greets."""
    return b"MariaDB" in _talk(address, port, b"")


def bus(address: str, port: int) -> bool:
    """Whether RabbitMQ opens an AMQP connection (its first frame is of type 1, a method)."""
    return _talk(address, port, b"AMQP\0\0\x09\x01")[:1] == b"\x01"


def _talk(address: str, port: int, say: bytes) -> bytes:
    try:
        with socket.create_connection((address, port), TIMEOUT) as connection:
            connection.sendall(say)
            return connection.recv(256)
    except OSError:
        return b""


def connected(pids: frozenset[int], address: str, port: int) -> bool:
    """Whether one of these processes has an established connection to that address."""
    host = socket.inet_aton(address)[::-1].hex().upper()
    remote = f"{host}:{port:04X}"
    inodes = set()
    for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[2] == remote and fields[3] == "01":
            inodes.add(f"socket:[{fields[9]}]")
    return any(inodes & _open_files(pid) for pid in pids)


def _open_files(pid: int) -> set[str]:
    files = set()
    try:
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            files.add(os.readlink(descriptor.path))
    except OSError:
        pass  # it ended, or closed the file, meanwhile
    return files
