"""What packages say of themselves is what novaha says."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from novaha import __version__

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"


def test_every_version_is_this_one() -> None:
    changelog = (PACKAGING / "debian/changelog").read_text()
    assert changelog.startswith(f"novaha ({__version__}) ")
    spec = (PACKAGING / "rpm/novaha.spec").read_text()
    assert re.search(rf"^Version: +{re.escape(__version__)}$", spec, re.M)


def test_the_rpm_needs_what_setup_cfg_says() -> None:
    """dh_python3 reads that by itself; a spec file has to repeat it."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = set()
    for line in setup["options"]["install_requires"].split("\n"):
        if found := re.fullmatch(r"([\w.-]+)>=(\d+\.\d+)[\d.]*", line):
            name = found[1].removeprefix("python-").replace(".", "-")
            wanted.add(f"python3-{name} >= {found[2]}")
    spec = (PACKAGING / "rpm/novaha.spec").read_text()
    stated = re.findall(r"^Requires: +(python3-[\w-]+ >= [\d.]+|python3-\w+)$", spec, re.M)
    assert wanted == {line for line in stated if not line.startswith("python3-novaha")}
