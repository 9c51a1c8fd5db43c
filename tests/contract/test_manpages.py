"""The manual pages: read by the real man and groff without a warning, and complete."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from oslo_config import cfg

from novaha.agents import fence_compute
from novaha.cli import manpages
from novaha.cli.main import _COMMANDS
from novaha.conf.options import GROUPS, list_opts, register_opts

PAGES = manpages.pages()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    assert manpages.main([str(tmp_path)]) == 0
    return tmp_path


def shown(file: Path) -> str:
    """The page as man shows it, without its line breaks."""
    done = subprocess.run(
        ["man", "--warnings=w", "--nj", "--nh", "-l", str(file)],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return re.sub(r"\s+", " ", done.stdout)


@pytest.mark.parametrize("name", PAGES)
def test_no_warning_of_groff(directory: Path, name: str) -> None:
    file = directory / f"man{name[-1]}" / name
    groff = ["groff", "-man", "-ww", "-z", "-K", "utf8", str(file)]
    done = subprocess.run(groff, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("agent", manpages.OCF_AGENTS, ids=lambda agent: agent.name)
def test_everything_that_a_resource_agent_declares(directory: Path, agent) -> None:
    text = shown(directory / "man7" / f"ocf_openstack_{agent.name}.7")
    assert f"ocf_openstack_{agent.name} - {agent.shortdesc}" in text
    assert agent.longdesc in text
    for parameter in agent.parameters:
        assert f" {parameter.name} {parameter.longdesc or parameter.shortdesc}" in text
    for action in agent.actions:
        assert re.search(rf" {action.name} [^(]*Suggested minimum timeout: {action.timeout}s", text)
    for section in ("SYNOPSIS", "SUPPORTED ACTIONS", "EXAMPLE PCS", "EXAMPLE CRM SHELL"):
        assert f" {section} " in text
    assert f" ocf:openstack:{agent.name} " in text


def test_everything_that_the_fence_agent_declares(directory: Path) -> None:
    text = shown(directory / "man8" / "fence_compute.8")
    for parameter in fence_compute.AGENT.parameters:
        assert f"--{parameter.longopt}" in text
        assert re.search(rf"\({parameter.name}[,)]", text)
        assert parameter.shortdesc in text
    for action in ("on", "off", "status", "list", "monitor", "metadata", "validate-all"):
        assert re.search(rf" ACTIONS (.* )?{action} [A-Z].* EXIT STATUS ", text)
    assert "pcs stonith level add 1 compute-1 ipmi-1 fence-nova" in text


def test_every_command_with_its_options(directory: Path) -> None:
    text = shown(directory / "man8" / "novaha.8")
    for command in _COMMANDS:
        assert f" {command} novaha {command} " in text
    for option in ("--watch", "--apply", "--only", "--uninstall", "--force", "--version"):
        assert f" {option} " in text
    assert "%(default)s" not in text
    assert "Pacemaker" in text
    assert "pacemaker looks" not in text


def test_every_option_of_the_configuration(directory: Path) -> None:
    text = shown(directory / "man5" / "novaha.conf.5")
    for section, options in list_opts():
        assert f" [{section}] " in text
        for option in options:
            assert f" {option.dest} {' '.join(option.help.split())}" in text
    assert "(default: 30)" in text


def test_the_listed_options_are_those_that_are_read() -> None:
    conf = cfg.ConfigOpts()
    register_opts(conf)
    read = {(name, option) for name in GROUPS for option in conf[name]}
    assert {(s, option.dest) for s, options in list_opts() for option in options} == read
    listed = {(s, o.dest): o.default for s, options in list_opts() for o in options}
    assert listed["keystone", "timeout"] == conf["keystone"].timeout
