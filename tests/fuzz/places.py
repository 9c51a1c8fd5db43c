"""Area "files and sockets": what may stand, or answer, where the evacuator's files are."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from novaha.evacuator import client, pidfile, places
from novaha.evacuator.server import Server
from tests.fuzz.agents import ESCAPES
from tests.fuzz.kinds import SECRET, VALUE, Kind, Outcome, kind

ERROR = "EvacuatorError"


def called(function: Callable[[], object]) -> Outcome:
    try:
        function()
    except Exception as error:
        return Outcome(type(error).__name__, str(error))
    return Outcome(VALUE)


def kinds() -> Iterator[Kind]:
    """All of the area."""
    yield from _pid_files()
    yield from _in_place()
    yield from _questions()
    yield from _answers()


CONTENTS = {
    "nothing": b"",
    "blanks": b"  \n",
    "a word": b"soon\n",
    "zero": b"0\n",
    "minus one": b"-1\n",
    "one": b"1\n",
    "this process": f"{os.getpid()}\n".encode(),
    "a huge number": b"9" * 5000,
    "past the last": b"4194305\n",
    "two numbers": b"1 2\n",
    "three numbers": b"1 2 3\n",
    "another boot": b"1 1 00000000-0000-0000-0000-000000000000\n",
    "zeros": b"\0" * 100,
    "noise": bytes(range(256)),
    "broken encoding": b"\xff\xfe",
    "other digits": "٣٣\n".encode(),
    "a fraction": b"1.5\n",
    "a sign": b"+1\n",
    "an exponent": b"1e3\n",
    "an underscore": b"1_000\n",
    "JSON": b'{"pid": 1}\n',
    "escapes": ESCAPES.encode(),
    "long": b"1" * 1_000_000,
    "the secret": SECRET.encode(),
}


def _pid_files() -> Iterator[Kind]:
    """Nobody is found, and nobody signalled, by a pid file of nonsense."""
    for name, content in CONTENTS.items():
        for what, ask in (
            ("pid", lambda place: client.pid(place)),
            ("terminate", lambda place: client.terminate(place)),
            ("hold", lambda place: pidfile.hold(place).close()),
        ):

            def run(
                place: Path,
                content: bytes = content,
                ask: Callable[[Path], object] = ask,
                what: str = what,
            ) -> Outcome:
                (place / pidfile.NAME).write_bytes(content)
                found: list[object] = []
                outcome = called(lambda: found.append(ask(place)))
                if what == "pid" and found not in ([None], []):
                    return Outcome(f"found {found}")
                if what == "terminate" and found not in ([True], []):
                    return Outcome(f"not gone {found}")
                return outcome

            yield kind("files and sockets", f"pid file, {what}", name, run, VALUE)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


IN_PLACE: dict[str, Callable[[Path], object]] = {
    "a directory": lambda path: path.mkdir(),
    "a named pipe": _fifo,
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a file": lambda path: (
        path.with_name("other").write_bytes(b"keep"),
        path.symlink_to(path.with_name("other")),
    ),
    "a second name of a file": lambda path: (
        path.with_name("other").write_bytes(b"keep"),
        path.hardlink_to(path.with_name("other")),
    ),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a socket": lambda path: _bound(path),
}


def _bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def _in_place() -> Iterator[Kind]:
    """No link is followed and no pipe waited for, and nothing of others is written to."""
    for name, make in IN_PLACE.items():
        for what, use in (
            ("pid file", lambda place: pidfile.hold(place / "x").close()),
            ("run directory", lambda place: places.run_directory(place / "x" / pidfile.NAME)),
            ("log directory", lambda place: places.log_directory(place / "x" / pidfile.NAME)),
            (
                "log",
                lambda place: os.close(
                    places.open_file(place / "x" / pidfile.NAME, os.O_WRONLY | os.O_CREAT, 0o640)
                ),
            ),
        ):

            def run(
                place: Path,
                make: Callable[[Path], object] = make,
                use: Callable[[Path], object] = use,
            ) -> Outcome:
                (place / "x").mkdir()
                make(place / "x" / pidfile.NAME)
                outcome = called(lambda: use(place))
                other = place / "x" / "other"
                if other.exists() and other.read_bytes() != b"keep":
                    return Outcome("somebody else's file was written to")
                return outcome

            fine = name == "a directory" and "directory" in what
            right = (VALUE,) if fine else (ERROR,)
            says = "" if fine else "evacuator.pid"
            yield kind("files and sockets", f"in place of the {what}", name, run, right, says)
        if name not in ("a directory",):

            def bind(place: Path, make: Callable[[Path], object] = make) -> Outcome:
                make(place / client.SOCKET)
                outcome = called(lambda: Server(place / client.SOCKET, {}))
                other = place / "other"
                if other.exists() and other.read_bytes() != b"keep":
                    return Outcome("somebody else's file was written to")
                return outcome

            yield kind("files and sockets", "in place of the socket", name, bind, VALUE)


QUESTIONS = {
    "nothing": b"\n",
    "no newline": b"health",
    "a word": b"nonsense\n",
    "upper case": b"HEALTH\n",
    "two": b"health status\n",
    "zeros": b"\0" * 50 + b"\n",
    "noise": bytes(range(256)) + b"\n",
    "broken encoding": b"\xff\xfe\n",
    "long": b"x" * 5000 + b"\n",
    "longer": b"x" * 500_000,
    "JSON": b'{"question": "health"}\n',
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path": b"../../etc/passwd\n",
    "an attribute": b"__class__\n",
    "escapes": ESCAPES.encode() + b"\n",
    "a command": b"terminate\n",
    "the secret": SECRET.encode() + b"\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\n",
    "Telnet": b"\xff\xfb\x01\xff\xfb\x03\n",
}


def _questions() -> Iterator[Kind]:
    """A question that is none is told so, and the next one is answered."""
    for name, question in QUESTIONS.items():

        def run(place: Path, question: bytes = question) -> Outcome:
            answers = {"health": lambda: {"pid": 7, "problem": SECRET + ESCAPES}}
            server = Server(place / "s", answers, (SECRET,))
            server.start()
            try:
                with socket.socket(socket.AF_UNIX) as one:
                    one.settimeout(5)
                    one.connect(str(place / "s"))
                    said = b""
                    try:
                        one.sendall(question)
                        one.shutdown(socket.SHUT_WR)
                        while part := one.recv(65536):
                            said += part
                    except (BrokenPipeError, ConnectionResetError):
                        pass
                after = client._line if False else None
                assert after is None
                with socket.socket(socket.AF_UNIX) as other:
                    other.settimeout(5)
                    other.connect(str(place / "s"))
                    other.sendall(b"health\n")
                    again = json.loads(other.recv(65536))
                    if again.get("pid") != 7:
                        return Outcome("the next question is not answered")
            finally:
                server.close()
            return Outcome(VALUE, said.decode("utf-8", "replace"))

        says = "" if name in ("long", "longer", "no newline") else "unknown question"
        yield kind("files and sockets", "questions", name, run, VALUE, says)


ANSWERS = {
    **{
        f"content: {name}": content
        for name, content in CONTENTS.items()
        if name not in ("long", "JSON")
    },
    "half of an object": b'{"pid": ',
    "a list": b"[1]\n",
    "a text": b'"pid"\n',
    "null": b"null\n",
    "true": b"true\n",
    "infinity": b"Infinity\n",
    "deep": b"[" * 100_000 + b"\n",
    "a page": b"<html></html>\n",
    "broken UTF-8": b'{"pid": "\xff"}\n',
}


def _answers() -> Iterator[Kind]:
    """Whoever answers in the place of the evacuator."""
    for name, answer in ANSWERS.items():

        def run(place: Path, answer: bytes = answer) -> Outcome:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(place / client.SOCKET))
                listener.listen(1)

                def serve() -> None:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(answer)

                thread = threading.Thread(target=serve, daemon=True)
                thread.start()
                outcome = called(lambda: client.ask("health", place, timeout=2.0))
                thread.join()
            return outcome

        right = (ERROR,)
        yield kind(
            "files and sockets",
            "answers",
            name,
            run,
            right,
            "does not answer on its socket|answers nonsense",
        )
