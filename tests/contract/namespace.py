"""A mount namespace of a test's own: made once, entered by each of its commands."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

LIBRARY = """
mkdir {place}/venv
if [ -n "$(find {venv} ! -type l ! -perm -o=r -print -quit)" ]; then
    cp -rT {venv} {place}/venv
    chmod -R a+rX {place}/venv
else
    mount --bind -o ro {venv} {place}/venv
fi
cp -r {parts} {place}/
chmod -R a+rX {parts_there}
"""


def library(root: Path, place: str, *parts: str) -> str:
    """A script that makes the tests' Python and parts of this tree readable for everyone below
    `place`: pcs and Pacemaker's tools run agents as other users, too."""
    return LIBRARY.format(
        place=place,
        venv=shlex.quote(sys.prefix),
        parts=shlex.join(str(root / part) for part in parts),
        parts_there=shlex.join(f"{place}/{part}" for part in parts),
    )


LAID_OVER = """
mkdir -p {layers}
mount -t tmpfs none {layers}
for place in {places}; do
    upper={layers}$place
    mkdir -p $upper/upper $upper/work
    mount -t overlay o -o lowerdir=$place,upperdir=$upper/upper,workdir=$upper/work $place
done
"""


def laid_over(layers: Path, *places: str) -> str:
    """A script that keeps what is written below these directories in memory, not on the machine.

    layers: a directory of the test's own, empty or to be made.
    """
    return LAID_OVER.format(layers=shlex.quote(str(layers)), places=shlex.join(places))


class Namespace:
    """Ends, with all that is mounted in it, on `close`, or when the process that made it does."""

    def __init__(self, script: str, environment: Mapping[str, str], directory: Path) -> None:
        """`script` prepares it, as bash. Raises AssertionError with what it says if it fails."""
        self._environment = environment
        self._directory = directory
        begin = "set -e\numask 022\nmount --make-rprivate /\n"
        end = "\necho ready\nexec cat >/dev/null\n"
        with (directory / "namespace.log").open("w+") as said:
            self._holder = subprocess.Popen(
                ["unshare", "--mount", "bash", "-c", f"{begin}{script}{end}"],
                env=dict(environment),
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
            assert self._holder.stdout is not None
            line = self._holder.stdout.readline()
            if line != "ready\n":
                self.close()
                said.seek(0)
                raise AssertionError(f"no namespace could be prepared: {line}{said.read()}")

    def run(self, *argv: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command in the test's directory. Raises AssertionError unless it fails or succeeds
        as it should."""
        enter = ("nsenter", "--mount", "--target", str(self._holder.pid), "--")
        there = ("sh", "-c", 'umask 022; cd "$0"; exec "$@"', str(self._directory))
        done = subprocess.run(
            [*enter, *there, *argv],
            env=dict(self._environment),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        return done

    def close(self) -> None:
        """End it."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(30)
