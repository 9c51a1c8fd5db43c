"""The executables as Pacemaker runs them, on the real tools and a CIB in a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = Path(__file__).with_name("without")

CIB = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0"
     admin_epoch="0">
  <configuration>
    <crm_config/>
    <nodes><node id="1" uname="controller-1"/><node id="2" uname="controller-2"/></nodes>
    <resources>
      <primitive id="compute-1" class="ocf" provider="pacemaker" type="remote"/>
      <primitive id="compute-2" class="ocf" provider="pacemaker" type="remote"/>
      <primitive id="ipmi-1" class="stonith" type="fence_ipmilan">
        <instance_attributes id="ipmi-1-a">
          <nvpair id="ipmi-1-hosts" name="pcmk_host_list" value="compute-1"/>
        </instance_attributes>
      </primitive>
      <primitive id="ipmi-2" class="stonith" type="fence_ipmilan">
        <instance_attributes id="ipmi-2-a">
          <nvpair id="ipmi-2-hosts" name="pcmk_host_map" value="compute-2:7"/>
        </instance_attributes>
      </primitive>
    </resources>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    """The tests are about the real tools; without them they say nothing."""
    missing = [t for t in ("cibadmin", "pcs", "crm_resource") if shutil.which(t) is None]
    assert not missing, f"install pacemaker-cli-utils and pcs first: {missing} not found"


@pytest.fixture
def cib(tmp_path: Path) -> Path:
    """A cluster of two controllers and two remote nodes, in a file that the tools work on."""
    file = tmp_path / "cib.xml"
    file.write_text(CIB)
    return file


@pytest.fixture
def environment(tmp_path: Path, cib: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """What an executable sees. crm_node needs a live cluster: it alone is a stand-in.

    With the mark `tools`, it cannot import the libraries of which Debian 12 has older releases.
    """
    tools = tmp_path / "bin"
    tools.mkdir()
    crm_node = tools / "crm_node"
    crm_node.write_text(f'#!/bin/sh\ncat "{tmp_path}/node"\n')
    crm_node.chmod(0o755)
    (tmp_path / "node").write_text("compute-1\n")
    first = f"{WITHOUT}:" if request.node.get_closest_marker("tools") else ""
    return {
        "PATH": f"{tools}:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"{first}{ROOT}",
        "CIB_file": str(cib),
        "HA_RSCTMP": str(tmp_path / "rsctmp"),
    }


@pytest.fixture
def execute(environment: dict[str, str]) -> Run:
    """Run one of our executables from the checkout."""

    def run(
        name: str, *args: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / name), *args],
            input=stdin,
            env={**environment, **(env or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def on_node(tmp_path: Path) -> Callable[[str], None]:
    """Choose which node the executables believe to be on."""
    return lambda node: (tmp_path / "node").write_text(f"{node}\n") and None


@pytest.fixture
def query(environment: dict[str, str]) -> Callable[[str], str]:
    """What the CIB holds at an xpath, "" when nothing."""

    def run(path: str) -> str:
        done = subprocess.run(
            ["cibadmin", "--query", "--xpath", path],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.stdout if done.returncode == 0 else ""

    return run
