"""Options that nobody reads: oslo.config passes over what it does not know."""

from __future__ import annotations

import difflib

from keystoneauth1 import loading
from oslo_config import cfg, iniparser

from novaha.conf.options import EVACUATOR, KEYSTONE, NOVA, register_opts
from novaha.core.errors import ConfigError

Sections = dict[str, dict[str, list[str]]]


def sections(path: str) -> Sections:
    """A file in oslo.config's format: the values of each option, by section and option.

    Raises ConfigError when it cannot be read.
    """
    found: Sections = {}
    try:
        cfg.ConfigParser(path, found).parse()
    except iniparser.ParseError as error:
        # Without the line itself, which may hold a secret (law 9).
        raise ConfigError(f"{path}: line {error.lineno}: {error.msg}") from None
    except (cfg.Error, OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return found


def unknown_options(path: str) -> list[str]:
    """What stands in the file and means nothing to novaha, with what may have been meant.

    Raises ConfigError when it cannot be read.
    """
    given = sections(path)
    known = _known(given)
    unknown = []
    for section, options in given.items():
        for option in options:
            name = option.replace("-", "_").lower()
            if name in known.get(section, frozenset()):
                continue
            near = difflib.get_close_matches(name, sorted(known.get(section, ())), n=1)
            hint = f" (is {near[0]} meant?)" if near else ""
            unknown.append(f"[{section}] {option}{hint}")
        if section not in known and not options:
            unknown.append(f"[{section}]")
    return unknown


def _known(given: Sections) -> dict[str, frozenset[str]]:
    """The options of each section; those of keystoneauth1's plugin depend on auth_type."""
    conf = cfg.ConfigOpts()
    register_opts(conf)
    known = {name: {*conf[name]} for name in (KEYSTONE, NOVA, EVACUATOR)}
    known[KEYSTONE] |= {"auth_type", "auth_plugin", "auth_section"}
    place = given.get(KEYSTONE, {}).get("auth_section", [KEYSTONE])[-1]
    login = known.setdefault(place, {"auth_type"})
    auth_type = given.get(place, {}).get("auth_type", [""])[-1]
    if auth_type:
        try:
            options = loading.get_auth_plugin_conf_options(auth_type)
        except Exception as error:  # of keystoneauth1 or of stevedore, by what is installed
            raise ConfigError(f"[{place}] auth_type = {auth_type}: {error}") from error
        for option in options:
            login |= {option.dest, *(old.name for old in option.deprecated_opts)}
    return {s: frozenset(n.replace("-", "_") for n in names) for s, names in known.items()}
