"""clouds.yaml, looked at before openstacksdk reads it: that passes over a broken file."""

from __future__ import annotations

import importlib
import os

from novaha.conf.file import read
from novaha.core.errors import ConfigError


def check(path: str) -> None:
    """Raise ConfigError where `path`, or secure.yaml beside it, cannot be used."""
    try:
        importlib.import_module("yaml")
    except ImportError:
        return  # comes with openstacksdk, and that is asked for later
    _check_yaml(path)
    secure = os.path.join(os.path.dirname(path), "secure.yaml")
    if os.path.exists(secure):
        _check_yaml(secure)


def _check_yaml(path: str) -> None:
    """openstacksdk passes over a broken file, and logs the line. Raises ConfigError."""
    yaml = importlib.import_module("yaml")  # it has no types

    try:
        text = read(path)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist: set clouds_file in [keystone]") from None
    try:
        clouds = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"line {line} of {path} is no YAML") from None
    if not isinstance(clouds, dict) or not isinstance(clouds.get("clouds"), dict):
        raise ConfigError(f"{path} has no mapping 'clouds'")
