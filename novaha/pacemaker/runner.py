"""The one place that runs a tool of Pacemaker: argv, explicit environment, time-out."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from novaha.core.errors import ClusterToolError

DEFAULT_TIMEOUT = 10.0
"""Seconds. The tools answer in some 10 ms; a cluster without quorum or DC takes longer."""

trace: Callable[[str], None] | None = None
"""Told of each tool that has run, where somebody wants to see the steps."""

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("CIB_file", "CIB_user", "PCMK_", "OCF_RESKEY_CRM_meta_on_node")


@dataclass(frozen=True, slots=True)
class Result:
    """How a tool ended."""

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
        environment = {k: v for k, v in os.environ.items() if k.startswith(_PASSED_ON)}
        environment |= {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", _PATH) + ":" + _PATH}
        try:
            done = subprocess.run(
                argv,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                timeout=timeout,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ClusterToolError(argv, None, f"killed after {timeout:g} s") from None
        except OSError as error:
            raise ClusterToolError(argv, 127, f"cannot be run: {error.strerror}") from None
        stderr = done.stderr.decode("utf-8", "replace")
        return Result(tuple(argv), done.returncode, done.stdout, stderr)


def _tell(argv: Sequence[str], result: str, began: float) -> None:
    if trace is not None:
        trace(f"{shlex.join(argv)}: {result}, {1000 * (time.monotonic() - began):.0f} ms")
