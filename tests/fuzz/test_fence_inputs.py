"""Whatever is put into the fence agent: an `off` that names its host fences it (law 7)."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from novaha.agents import fence_compute
from tests.unit.agents.fakes import FakeCluster

OFF = b"action=off\nplug=compute-1\n"

DELAYS = [
    *("inf", "-inf", "nan", "-1", "1e400", "9" * 5000, "3601", "soon", "1 2", "0x10", "é", "1e9"),
    *("--", "=", "5;reboot", "1,5", "Infinity", "\0"),
]

STREAMS = {
    "carriage returns": b"action=off\r\nplug=compute-1\r\n",
    "no final newline": b"action=off\nplug=compute-1",
    "byte order mark": b"\xef\xbb\xbfaction=off\nplug=compute-1\n",
    "broken encoding": OFF + b"password=\xff\xfe\x80\n",
    "broken key": b"\xff\xfe=1\n" + OFF,
    "binary": OFF + bytes(range(256)) * 50,
    "ten megabytes": OFF + b"x" * 10_000_000,
    "more than is read": OFF + b"y" * 17_000_000,
    "many lines": b"z=1\n" * 200_000 + OFF,
    "repeated keys": b"plug=nobody\naction=status\n" + OFF,
    "no equals sign": b"action\nplug\n" + OFF,
    "no key": b"=\n=1\n" + OFF,
    "empty lines": b"\n\n\n" + OFF,
    "unknown keys": b"future=1\nmulti word=2\n" + OFF,
    "spaces": b"  action =  off \n plug = compute-1 \n",
    "nothing but the host": b"plug=compute-1",
}


def off(text: bytes, out=None, err=None) -> tuple[int, list[str], str]:
    cluster = FakeCluster()
    stdin = io.TextIOWrapper(io.BytesIO(text), "utf-8")
    err = err or io.StringIO()
    slept: list[float] = []
    out = out or io.StringIO()
    code = fence_compute.main([], stdin, out, err, cluster, sleep=slept.append)
    assert not slept
    return code, cluster.flagged, err.getvalue() if isinstance(err, io.StringIO) else ""


@pytest.mark.parametrize("delay", DELAYS)
def test_a_delay_that_makes_no_sense_does_not_lose_the_fencing(delay: str) -> None:
    code, flagged, said = off(OFF + f"delay={delay}\n".encode())
    assert (code, flagged) == (0, ["compute-1"])
    assert "the delay is ignored" in said


@pytest.mark.parametrize("key", ["version", "help", "VERSION", "Help", " version ", "--help"])
@pytest.mark.parametrize("value", ["", "1", "true", "yes", "0", "nonsense", "\xff"])
def test_what_people_ask_for_does_not_replace_an_off(key: str, value: str) -> None:
    assert off(OFF + f"{key}={value}\n".encode("latin-1"))[:2] == (0, ["compute-1"])


@pytest.mark.parametrize("text", STREAMS.values(), ids=STREAMS)
def test_streams(text: bytes) -> None:
    assert off(text)[:2] == (0, ["compute-1"])


def test_an_action_that_may_have_been_cut_off_is_not_guessed() -> None:
    code, flagged, said = off(b"plug=compute-1\n" + b"x" * 17_000_000)
    assert (code, flagged) == (1, [])
    assert "16 MiB" in said


@pytest.mark.parametrize("action", ["reboot", "help", "version", "0ff", "\xff", "off off"])
def test_an_unknown_action_stays_an_error(action: str) -> None:
    text = f"action={action}\nplug=compute-1\n".encode("latin-1")
    assert off(text)[:2] == (1, [])


NAMES = sorted({p.name for p in fence_compute.AGENT.parameters} - {"action", "plug"})


@pytest.mark.parametrize("value", ["", "\xff", "9" * 5000, "-1", "nan", "a\0b", "x" * 100_000])
@pytest.mark.parametrize("name", NAMES)
def test_nonsense_in_what_off_does_not_need(name: str, value: str) -> None:
    assert off(OFF + f"{name}={value}\n".encode("latin-1"))[:2] == (0, ["compute-1"])


@pytest.mark.parametrize("kind", ["pipe", "read pipe", "directory", "full", "link", "nowhere"])
def test_debug_files(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "debug"
    reader = None
    if "pipe" in kind:
        os.mkfifo(path)
        if kind == "read pipe":
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    elif kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "target")
    elif kind == "nowhere":
        path = path / "below"
    else:
        path = Path("/dev/full")
    assert off(OFF + f"debug_file={path}\n".encode())[:2] == (0, ["compute-1"])
    assert not (tmp_path / "target").exists()
    if reader is not None:
        assert os.read(reader, 10) == b""
        os.close(reader)


@pytest.mark.parametrize("which", ["out", "err", "both"])
@pytest.mark.parametrize("how", ["closed", "full", "broken pipe"])
def test_nobody_hears(which: str, how: str) -> None:
    def stream():
        if how == "full":
            return open("/dev/full", "w")
        reader, writer = os.pipe()
        os.close(reader)
        file = os.fdopen(writer, "w")
        if how == "closed":
            file.close()
        return file

    streams = {name: stream() for name in ("out", "err") if which in (name, "both")}
    assert off(OFF + b"verbose=1\ndelay=inf\n", **streams)[:2] == (0, ["compute-1"])
    for file in streams.values():
        file.close()  # does not raise: nothing is left in its buffer
