"""How to sign in: a session of keystoneauth1 from the configuration."""

from __future__ import annotations

from typing import Any

from keystoneauth1 import exceptions as keystone
from keystoneauth1 import loading
from keystoneauth1.session import Session
from oslo_config import cfg

from novaha.core.errors import ConfigError

GROUP = "keystone"


def from_conf(conf: cfg.ConfigOpts) -> tuple[Session, str, str | None]:
    """Session, interface and region by section [keystone].

    Either `cloud` names an entry of a clouds.yaml, or the options are those of keystoneauth1's
    own plugin loading (`auth_type` and what it needs). Nothing is sent yet.

    Raises ConfigError.
    """
    group = conf[GROUP]
    if group.cloud:
        return _from_clouds_yaml(group.cloud, group.interface, group.region_name, group.timeout)
    try:
        auth = loading.load_auth_from_conf_options(conf, GROUP)
        session = loading.load_session_from_conf_options(conf, GROUP, auth=auth)
    except (keystone.ClientException, cfg.Error) as error:
        raise ConfigError(f"[{GROUP}]: {error}") from error
    if auth is None:
        raise ConfigError(
            f"[{GROUP}] names no way to sign in: set auth_type and its options, or cloud; "
            "or give auth_url, username, password and tenant_name to the resource"
        )
    return session, group.interface, group.region_name


def _from_clouds_yaml(
    cloud: str, interface: str, region_name: str | None, timeout: int | None
) -> tuple[Session, str, str | None]:
    try:
        from openstack import config
        from openstack import exceptions as openstack
    except ImportError:
        raise ConfigError(
            f"[{GROUP}] cloud = {cloud} needs openstacksdk: "
            "apt install python3-openstacksdk, or pip install 'novaha[clouds]'"
        ) from None
    try:
        region: Any = config.OpenStackConfig(load_envvars=False).get_one(
            cloud=cloud, **({"region_name": region_name} if region_name else {})
        )
        session = region.get_session()
    except (openstack.SDKException, keystone.ClientException) as error:
        raise ConfigError(f"[{GROUP}] cloud = {cloud}: {error}") from error
    session.timeout = timeout
    return session, region.get_interface("compute") or interface, region.get_region_name() or None


_SECRET = ("password", "secret", "token", "passcode", "access_key")


def secrets_of(session: Session) -> tuple[str, ...]:
    """What the session signs in with, whatever its plugin: values that nothing may show."""
    found: list[str] = []
    auth: Any = session.auth
    for part in (auth, *getattr(auth, "auth_methods", ())):
        for name, value in vars(part).items() if part is not None else ():
            if isinstance(value, str) and any(word in name for word in _SECRET):
                found.append(value)
    return tuple(found)
