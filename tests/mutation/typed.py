"""Which mutants the type checker refuses: nobody could land them, whatever the tests say."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.mutants import ROOT, Mutant


def refused(mutants: Sequence[Mutant]) -> set[str]:
    """Their keys. All are checked in one run, each as a module beside the real ones.

    Raises RuntimeError when the checker refuses a module as it is.
    """
    with tempfile.TemporaryDirectory(prefix="novaha-mutation-") as scratch:
        names = {}
        for path in {mutant.path for mutant in mutants}:
            plain = Path(scratch, f"plain_{Path(path).stem}.py")
            plain.write_text((ROOT / path).read_text())
            names[plain.name] = ""
        for number, mutant in enumerate(mutants):
            names[f"mutant_{number}.py"] = mutant.key
            Path(scratch, f"mutant_{number}.py").write_text(mutant.source)
        argv = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context"]
        argv += [str(Path(scratch, name)) for name in names]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout + done.stderr)
    found = {names[Path(line.partition(":")[0]).name] for line in errors}
    if "" in found:
        raise RuntimeError("\n".join(errors))
    return found
