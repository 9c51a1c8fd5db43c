"""Reading the file, and laying a resource's parameters over it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping

from oslo_config import cfg

from novaha.conf import clouds
from novaha.conf.file import Parsed, Sections, Verbatim, check_values, parse
from novaha.conf.options import DEFAULT_FILE, EVACUATOR, GROUPS, KEYSTONE, NOVA, register_opts
from novaha.core import truth
from novaha.core.errors import ConfigError
from novaha.core.text import word

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_PASSWORD_LOGIN = {
    "username": "username",
    "login": "username",
    "password": "password",
    "passwd": "password",
    "tenant_name": "project_name",
    "tenant-name": "project_name",
    "user_domain": "user_domain_name",
    "user-domain": "user_domain_name",
    "project_domain": "project_domain_name",
    "project-domain": "project_domain_name",
}
"""The older agents' parameters to keystoneauth1's options of its plugin `password`."""


def load(parameters: Mapping[str, str] | None = None) -> cfg.ConfigOpts:
    """The configuration for one run.

    parameters: those of the resource or fence device, by the older agents' names; `config` names
    another file. What they set wins over the file. A missing default file is no error.

    Raises ConfigError that names file and option.
    """
    given = {k: v for k, v in (parameters or {}).items() if v != ""}
    path = given.get("config", DEFAULT_FILE)
    conf = Verbatim()
    register_opts(conf)
    # Neither the environment nor another file: one place, and no error that quotes it.
    conf(args=[], project="novaha", default_config_files=[], default_config_dirs=[], use_env=False)
    try:
        parsed = parse(path)
    except FileNotFoundError:
        if "config" in given:
            raise ConfigError(f"configuration file {path} does not exist") from None
    else:
        conf._namespace._add_parsed_config_file(path, parsed.sections, _normalized(parsed))
        _check_lines(parsed)
        check_values(conf, GROUPS, parsed)
        _check_mode(path)
    _overlay(conf, given)
    if conf[KEYSTONE].cloud:
        clouds.check(conf[KEYSTONE].clouds_file)
    return conf


def files(parameters: Mapping[str, str] | None = None) -> list[str]:
    """The files that a configuration consists of: the file of options first, whether it is there or
    not, then what it names. What cannot be used is told by `load`, and nothing is raised here.
    """
    found = [(parameters or {}).get("config") or DEFAULT_FILE]
    try:
        conf = load(parameters)
    except ConfigError:
        return found
    group = conf[KEYSTONE]
    if os.path.exists(conf[EVACUATOR].policy):
        found.append(conf[EVACUATOR].policy)
    if group.cloud:
        secure = os.path.join(os.path.dirname(group.clouds_file), "secure.yaml")
        found += [group.clouds_file, secure]
    return found + [path for path in (group.cafile, group.certfile, group.keyfile) if path]


def _check_mode(path: str) -> None:
    """The file may hold a password: nobody but root and a group may read it (law 9)."""
    if os.stat(path).st_mode & stat.S_IROTH:
        raise ConfigError(
            f"{path} can be read by every user of this machine and may hold a secret: "
            f"chown root:haclient {word(path)}; chmod 640 {word(path)}"
        )


def _normalized(parsed: Parsed) -> Sections:
    """oslo.config takes the names of sections in upper or lower case."""
    found: Sections = {}
    for section, options in parsed.sections.items():
        place = found.setdefault(section if section == "DEFAULT" else section.lower(), {})
        for name, values in options.items():
            place.setdefault(name, []).extend(values)
    return found


def _check_lines(parsed: Parsed) -> None:
    """A slip that oslo.config takes: `password Part=Other`, an indented line after a password."""
    for (section, name), line in parsed.lines.items():
        if name and not _NAME.fullmatch(name):
            raise ConfigError(f"line {line} of {parsed.path} has no name of an option before its =")
        values = parsed.sections[section].get(name, [])
        if section.lower() == KEYSTONE and any("\n" in value for value in values):
            raise ConfigError(
                f"the value in line {line} of {parsed.path} goes on in the next line, which begins "
                "with a blank"
            )


def _overlay(conf: cfg.ConfigOpts, given: Mapping[str, str]) -> None:
    from keystoneauth1 import loading

    def override(name: str, value: object) -> None:
        conf.set_override(name, value, group=KEYSTONE)

    if "auth_url" in given or "auth-url" in given:
        # The plugin's own options are known to oslo.config only once they are registered.
        options = loading.get_auth_plugin_conf_options("password")
        conf.register_opts(options, group=KEYSTONE)
        # One source gives address and credentials: nothing of the file's login is left.
        for option in options:
            if not option.dest.startswith(("project", "tenant")):
                override(option.dest, None)
        override("auth_section", None)
        override("auth_type", "password")
        override("cloud", None)
        override("auth_url", given.get("auth_url") or given.get("auth-url"))
        override("user_domain_name", "Default")
        override("project_domain_name", "Default")
        for parameter, option in _PASSWORD_LOGIN.items():
            if parameter in given:
                override(option, given[parameter])
        for parameter in ("username", "password"):  # of the file's, none is left: see above
            if not conf[KEYSTONE][parameter]:
                raise ConfigError(
                    f"auth_url is given on the resource, but no {parameter}: give both there, "
                    f"or neither and use {DEFAULT_FILE}"
                )
    if "endpoint_type" in given:
        override("interface", given["endpoint_type"].removesuffix("URL"))
    if "region_name" in given:
        override("region_name", given["region_name"])
    if "insecure" in given:
        insecure = truth.parse(given["insecure"])
        if insecure is None:
            raise ConfigError("parameter insecure is neither true nor false")
        override("insecure", insecure)
    if "cacert" in given:
        override("cafile", given["cacert"])
    if "domain" in given:
        conf.set_override("domain", given["domain"], group=NOVA)
