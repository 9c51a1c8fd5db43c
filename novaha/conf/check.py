"""Options that nobody reads: oslo.config passes over what it does not know."""

from __future__ import annotations

import difflib
import re

from keystoneauth1 import loading
from oslo_config import cfg

from novaha.conf.file import Parsed, Sections, parse
from novaha.conf.options import GROUPS, KEYSTONE, register_opts
from novaha.core.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*|DEFAULT")
"""What is shown of names that mean nothing: any other may be part of a secret."""


def sections(path: str) -> Sections:
    """A file in oslo.config's format: the values of each option, by section and option.

    Raises ConfigError when it cannot be read.
    """
    return _parsed(path).sections


def _parsed(path: str) -> Parsed:
    try:
        return parse(path)
    except FileNotFoundError:
        raise ConfigError(f"configuration file {path} does not exist") from None


def unknown_options(path: str) -> list[str]:
    """What stands in the file and means nothing to novaha, with what may have been meant.

    Raises ConfigError when it cannot be read.
    """
    parsed = _parsed(path)
    given = parsed.sections
    known = _known(given)
    unknown = []
    for section, options in given.items():
        for option in options:
            name = option.replace("-", "_").lower()
            if name in known.get(section, frozenset()):
                continue
            near = difflib.get_close_matches(name, sorted(known.get(section, ())), n=1)
            hint = f" (is {near[0]} meant?)" if near else ""
            line = parsed.lines[section, option.replace("-", "_")]
            shown = option if _NAME.fullmatch(option) else f"line {line}"
            unknown.append(f"{_bracket(section)} {shown}{hint}".lstrip())
        if section not in known and not options:
            unknown.append(_bracket(section) or f"line {parsed.lines[section, '']}")
    return unknown


def _bracket(section: str) -> str:
    return f"[{section}]" if _NAME.fullmatch(section) else ""


def _known(given: Sections) -> dict[str, frozenset[str]]:
    """The options of each section; those of keystoneauth1's plugin depend on auth_type."""
    conf = cfg.ConfigOpts()
    register_opts(conf)
    known = {name: {*conf[name]} for name in GROUPS}
    known[KEYSTONE] |= {"auth_type", "auth_plugin", "auth_section"}
    place = given.get(KEYSTONE, {}).get("auth_section", [KEYSTONE])[-1]
    login = known.setdefault(place, {"auth_type"})
    auth_type = given.get(place, {}).get("auth_type", [""])[-1]
    if auth_type:
        try:
            options = loading.get_auth_plugin_conf_options(auth_type)
        except Exception:  # of keystoneauth1 or of stevedore, by what is installed
            raise ConfigError("auth_type names no plugin that is installed") from None
        for option in options:
            login |= {option.dest, *(old.name for old in option.deprecated_opts)}
    return {s: frozenset(n.replace("-", "_") for n in names) for s, names in known.items()}
