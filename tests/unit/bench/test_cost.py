"""Mark 4: the script that stands beside fence_compute off does what it is there for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from novahabench.marks import cost
from novahabench.world import cib


@pytest.mark.parametrize(("node", "code"), [("compute-2", 0), ("compute-22", 1), ("compute", 1)])
def test_it_writes_an_attribute_of_a_node_that_the_cluster_has(
    tmp_path: Path, node: str, code: int
) -> None:
    script, file = tmp_path / "bare-off", tmp_path / "cib.xml"
    script.write_text(cost._BARE_OFF)
    script.chmod(0o755)
    file.write_text(cib(3))
    before = file.read_text()
    done = subprocess.run(
        [str(script)],
        input=f"action=off\nnodename={node}\n",
        env={**os.environ, "CIB_file": str(file), "PCMK_logfile": "none"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    written = f'<nvpair id="bare-{node}-flag" name="bare" value="1"/>' in file.read_text()
    assert written is (code == 0)
    assert (file.read_text() == before) is (code != 0)
