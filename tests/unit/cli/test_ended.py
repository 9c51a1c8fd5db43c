"""A command that is ended by a signal leaves nothing behind: copies of the CIB hold passwords."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COMMAND = """
import os, signal, sys, tempfile
from novaha.cli import main

# Whoever runs the tests may have them ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))

def hold(args):
    with tempfile.TemporaryDirectory(prefix="novaha-setup-"):
        print("ready", flush=True)
        if sys.argv[1] == "SIG_IGN":
            os.kill(os.getpid(), signal.SIGHUP)
        else:
            sys.stdin.read()
    return 0

main._COMMANDS["setup"] = hold
sys.exit(main.main(["setup"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_its_temporary_files_are_removed(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "SIG_DFL"],
        env={"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As nohup has it."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "SIG_IGN"],
        env={"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
