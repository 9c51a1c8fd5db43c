"""How to sign in: a session of keystoneauth1 from the configuration."""

from __future__ import annotations

import logging
import os
import re
from typing import Any

from keystoneauth1 import exceptions as keystone
from keystoneauth1 import loading
from keystoneauth1.session import Session
from oslo_config import cfg

from novaha.core.errors import ConfigError

GROUP = "keystone"

# Python prints what nobody handles: these libraries warn with whole URLs in it, logins included.
# The evacuator's log has a handler of its own, which masks them.
for _name in ("keystoneauth", "novaclient", "openstack", "stevedore", "urllib3", "novaha"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


def from_conf(conf: cfg.ConfigOpts) -> tuple[Session, str, str | None]:
    """Session, interface and region by section [keystone].

    Either `cloud` names an entry of a clouds.yaml, or the options are those of keystoneauth1's
    own plugin loading (`auth_type` and what it needs). Nothing is sent yet.

    Raises ConfigError.
    """
    group = conf[GROUP]
    if group.cloud:
        return _from_clouds_yaml(group)
    try:
        auth = loading.load_auth_from_conf_options(conf, GROUP)
        session = loading.load_session_from_conf_options(conf, GROUP, auth=auth)
    except keystone.MissingRequiredOptions as error:
        names = ", ".join(option.dest for option in error.options)
        raise ConfigError(f"[{GROUP}] lacks what auth_type needs: {names}") from None
    except keystone.NoMatchingPlugin:
        raise ConfigError("auth_type names no plugin that is installed") from None
    except Exception as error:  # of keystoneauth1, oslo.config or a plugin; it may quote a value
        raise ConfigError(f"[{GROUP}] cannot be used to sign in ({type(error).__name__})") from None
    if auth is None:
        raise ConfigError(
            f"[{GROUP}] names no way to sign in: set auth_type and its options, or cloud; "
            "or give auth_url, username, password and tenant_name to the resource"
        )
    session.session.trust_env = False
    return session, group.interface, group.region_name


def _from_clouds_yaml(group: Any) -> tuple[Session, str, str | None]:
    try:
        from openstack import config
    except ImportError:
        raise ConfigError(
            f"[{GROUP}] cloud needs openstacksdk: "
            "apt install python3-openstacksdk, or pip install 'novaha[clouds]'"
        ) from None
    path = group.clouds_file
    secure = os.path.join(os.path.dirname(path), "secure.yaml")
    chosen = {"region_name": group.region_name} if group.region_name else {}
    try:
        region: Any = config.OpenStackConfig(
            config_files=[path], secure_files=[secure], vendor_files=[], load_envvars=False
        ).get_one(cloud=group.cloud, **chosen)
        session = region.get_session()
    except Exception as error:  # of openstacksdk, keystoneauth1 or Python; it may quote a value
        raise ConfigError(
            f"the entry of {path} that [{GROUP}] cloud names is not there or cannot be used "
            f"({type(error).__name__})"
        ) from None
    session.timeout = group.timeout
    session.session.trust_env = False
    interface = region.get_interface("compute") or group.interface
    return session, interface, region.get_region_name() or None


_SECRET = ("password", "secret", "token", "passcode", "access_key")


def secrets_of(session: Session) -> tuple[str, ...]:
    """What the session signs in with, whatever its plugin: values that nothing may show."""
    found: list[str] = []
    auth: Any = session.auth
    for part in (auth, *getattr(auth, "auth_methods", ())):
        for name, value in vars(part).items() if part is not None else ():
            if isinstance(value, str) and any(word in name for word in _SECRET):
                found.append(value)
    # What stands before the last @ of an address, and in it what stands behind the colon.
    address = str(getattr(auth, "auth_url", None) or "").partition("://")[2]
    login, separator, _ = address.rpartition("@")
    if separator:
        parts = re.split(r"[/?#:]", login)[1:]  # as which a library may quote it
        found += filter(None, [login, login.partition(":")[2], *parts])
    return tuple(found)
