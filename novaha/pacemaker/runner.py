"""The one place that runs a tool of Pacemaker: argv, explicit environment, time-out."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from novaha.core.errors import ClusterToolError
from novaha.core.text import line

DEFAULT_TIMEOUT = 10.0
"""Seconds. The tools answer in some 10 ms; a cluster without quorum or DC takes longer."""

MOST_OUTPUT = 64 << 20
"""Bytes: the configuration and status of a thousand hosts is a tenth of it."""

_MOST_ERRORS = 1 << 20
_AT_ONCE = 1 << 16
_LAST_LINES = 4
_LAST_WAIT = 1.0
_MARKUP = re.compile(r"[<>]|\b\w+=[\"']")

trace: Callable[[str], None] | None = None
"""Told of each tool that has run, where somebody wants to see the steps."""

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("CIB_file", "CIB_user", "PCMK_", "OCF_RESKEY_CRM_meta_on_node")


def search_path(given: str) -> str:
    """`given` without its empty and relative entries, then the system's own directories.

    An empty or relative entry means the working directory: whoever has root run a command there
    would have their own program run as root.
    """
    absolute = [entry for entry in given.split(os.pathsep) if entry.startswith("/")]
    return os.pathsep.join(dict.fromkeys([*absolute, *_PATH.split(os.pathsep)]))


@dataclass(frozen=True, slots=True)
class Result:
    """How a tool ended. stderr: as one line that may be shown, without markup."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: str


class Runner:
    """Runs tools. Tests give another one."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout: float = DEFAULT_TIMEOUT,
        accept: frozenset[int] = frozenset({0}),
        stdin: bytes | None = None,
    ) -> Result:
        """Run `argv` and return its result.

        timeout: seconds after which the tool is killed.
        accept: exit codes that are answers and not failures.

        Raises ClusterToolError when the tool is missing, too slow, or exits otherwise.
        """
        began = time.monotonic()
        try:
            result = self._ended(argv, timeout, stdin)
        except ClusterToolError as error:
            _tell(argv, str(error.returncode or "no exit code"), began)
            raise
        _tell(argv, f"exit code {result.returncode}", began)
        if result.returncode not in accept:
            raise ClusterToolError(argv, result.returncode, result.stderr)
        return result

    def _ended(self, argv: Sequence[str], timeout: float, stdin: bytes | None) -> Result:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
            )
        except OSError as error:
            raise ClusterToolError(argv, 127, f"cannot be run: {error.strerror}") from None
        except ValueError as error:  # a null byte in an argument, say
            raise ClusterToolError(argv, 127, f"cannot be run: {line(error)}") from None
        with _ended_afterwards(process):
            try:
                stdout, stderr = _Conversation(process, stdin or b"").until(timeout)
            except TimeoutError:
                raise ClusterToolError(argv, None, f"killed after {timeout:g} s") from None
            except OverflowError:
                why = f"killed after {MOST_OUTPUT >> 20} MiB of output"
                raise ClusterToolError(argv, None, why) from None
        return Result(tuple(argv), process.returncode, stdout, _said(stderr))


def detach(argv: Sequence[str]) -> None:
    """Start a tool that outlives this process, and that nobody waits for.

    Raises ClusterToolError when it cannot be run.
    """
    none = subprocess.DEVNULL
    try:
        subprocess.Popen(
            argv, stdin=none, stdout=none, stderr=none, env=_environment(), start_new_session=True
        )
    except OSError as error:
        raise ClusterToolError(argv, 127, f"cannot be run: {error.strerror}") from None


def _environment() -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if k.startswith(_PASSED_ON)}
    environment |= {"LC_ALL": "C.UTF-8", "PATH": search_path(os.environ.get("PATH", ""))}
    if os.geteuid() != 0:
        # Of a user that is not root, Pacemaker 3.0.3 closes the standard input as it opens
        # its log (docs/facts.md): what is written there would be lost.
        environment["PCMK_logfile"] = "none"
    return environment


class _Conversation:
    """Writes to a tool and reads what it prints, all of it bounded."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes) -> None:
        self._process = process
        self._left = memoryview(stdin)
        self._stdout = bytearray()
        self._stderr = bytearray()

    def until(self, timeout: float) -> tuple[bytes, bytes]:
        """What it printed, when it has ended.

        timeout: seconds. Raises TimeoutError, and OverflowError when it prints without end.
        """
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as open_ones:
            for stream, what in (
                (self._process.stdin, selectors.EVENT_WRITE),
                (self._process.stdout, selectors.EVENT_READ),
                (self._process.stderr, selectors.EVENT_READ),
            ):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    open_ones.register(stream, what)
            while open_ones.get_map():
                ready = open_ones.select(max(0.0, end - time.monotonic()))
                if not ready:
                    raise TimeoutError
                for key, _ in ready:
                    if self._is_done(key.fileobj):
                        open_ones.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]
        try:
            self._process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return bytes(self._stdout), bytes(self._stderr)

    def _is_done(self, stream: object) -> bool:
        """Write or read once; whether that was the last of it."""
        if self._process.stdin is not None and stream is self._process.stdin:
            return self._write(self._process.stdin)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        if stream is self._process.stderr:
            part = os.read(self._process.stderr.fileno(), _AT_ONCE)
            self._stderr += part[: max(0, _MOST_ERRORS - len(self._stderr))]
            return not part
        part = os.read(self._process.stdout.fileno(), _AT_ONCE)
        self._stdout += part
        if len(self._stdout) > MOST_OUTPUT:
            raise OverflowError
        return not part

    def _write(self, stream: IO[bytes]) -> bool:
        try:
            self._left = self._left[os.write(stream.fileno(), self._left[:_AT_ONCE]) :]
        except BrokenPipeError:  # it has read enough, and its exit code tells the rest
            return True
        return not self._left


@contextlib.contextmanager
def _ended_afterwards(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """The tool does not outlive this, nor is it waited for when it has been killed."""
    try:
        yield
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        if process.returncode is None:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LAST_WAIT)


def _said(stderr: bytes) -> str:
    """What a tool says of its failure, as one line.

    Of a change that the schema refuses cibadmin prints the whole configuration, passwords of fence
    devices included: nothing of a line with markup is handed on.
    """
    lines = stderr.decode("utf-8", "replace").splitlines()
    words = [found for found in lines if found.strip() and not _MARKUP.search(found)]
    words = [found for found in words if not found.strip().isdigit()]
    return line("; ".join(found.strip() for found in words[-_LAST_LINES:]))


def _tell(argv: Sequence[str], result: str, began: float) -> None:
    if trace is not None:
        trace(f"{shlex.join(argv)}: {result}, {1000 * (time.monotonic() - began):.0f} ms")
