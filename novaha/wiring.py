"""The one place that picks the adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oslo_config import cfg

    from novaha.core.policy.rules import Rules
    from novaha.core.situation import Policy
    from novaha.nova.compute import Nova
    from novaha.nova.examine import Cloud
    from novaha.nova.images import Catalogue
    from novaha.nova.placement import Placement


def conf(parameters: Mapping[str, str] | None = None) -> cfg.ConfigOpts:
    """The configuration; see novaha.conf.load. Raises ConfigError."""
    from novaha.conf.load import load

    return load(parameters)


def policy(configuration: cfg.ConfigOpts) -> Policy:
    """How to recover by the configuration, for whoever plans: the evacuator, and who watches it."""
    from novaha.core.situation import Policy

    options = configuration.evacuator
    return Policy(
        max_in_flight=options.max_in_flight,
        answer_wait=options.answer_wait,
        retry_base=options.retry_base,
        retry_cap=options.retry_cap,
        lost_after=options.lost_after,
        stuck_after=options.stuck_after,
        patience=options.patience,
        flap_fencings=options.flap_fencings,
        flap_window=options.flap_window,
        return_after=options.return_after,
        return_disabled=options["return"] == "disabled",
    )


def rules(path: str) -> Rules:
    """The site's policy in this file; see novaha.conf.policy.load."""
    from novaha.conf.policy import load

    return load(path)


def catalogue(configuration: cfg.ConfigOpts, nova: Nova) -> Catalogue:
    """What a policy goes by besides the instances. Raises ConfigError."""
    from novaha.nova.images import Catalogue
    from novaha.nova.session import from_conf

    session, interface, region_name = from_conf(configuration)
    return Catalogue(nova, session, interface=interface, region_name=region_name)


def placement(configuration: cfg.ConfigOpts) -> Placement:
    """What is left on each host; nothing is sent yet. Raises ConfigError."""
    from novaha.nova.placement import Placement
    from novaha.nova.session import from_conf

    session, interface, region_name = from_conf(configuration)
    return Placement(session, interface=interface, region_name=region_name)


def secrets(configuration: cfg.ConfigOpts) -> tuple[str, ...]:
    """Every value that nothing may show. Raises ConfigError."""
    from novaha.nova.session import from_conf, secrets_of

    return (*secrets_of(from_conf(configuration)[0]), *url_secrets(configuration.history.url))


def url_secrets(url: str | None) -> tuple[str, ...]:
    """The password in a URL, whole and as a library may quote it."""
    from urllib.parse import unquote

    login, separator, _ = (url or "").partition("://")[2].rpartition("@")
    password = login.partition(":")[2]
    if not separator or not password:
        return ()
    return tuple(dict.fromkeys((login, password, unquote(password))))


def operate(configuration: cfg.ConfigOpts) -> dict[str, Any]:
    """What the courier needs to know of the configuration, as plain data; empty: nothing is kept
    and nobody is told.
    """
    from novaha.conf.options import SINKS

    found: dict[str, Any] = {}
    options = configuration.history
    if options.url:
        found["history"] = {
            "url": options.url,
            "keep_days": options.keep_days,
            "keep_events": options.keep_events,
        }
    switch = {"notify_command": "path", "notify_mail": "to"}
    sinks = {
        section.removeprefix("notify_"): dict(configuration[section])
        for section in SINKS
        if configuration[section][switch.get(section, "url")]
    }
    return {**found, "sinks": sinks} if sinks else found


def files(parameters: Mapping[str, str]) -> list[str]:
    """What a process has to be able to read that signs in by these parameters: the file of options
    first, whether it is there or not, then what that names, and the libraries. Nothing is raised.
    """
    from importlib.util import find_spec

    from novaha.conf.load import files as named

    libraries = ("os", "novaha", "lxml", "oslo_config", "keystoneauth1", "novaclient")
    specs = [find_spec(name) for name in libraries]
    return [*named(parameters), *(str(spec.origin) for spec in specs if spec and spec.origin)]


def nova(configuration: cfg.ConfigOpts) -> Nova:
    """Nova by the configuration; nothing is sent yet. Raises ConfigError."""
    from novaha.nova.compute import Nova
    from novaha.nova.session import from_conf

    session, interface, region_name = from_conf(configuration)
    return Nova(session, interface=interface, region_name=region_name)


def check_region(nova: Nova, seconds: float) -> None:
    """Raise RegionError where Keystone says that it is not clear which Nova is meant.

    seconds: for which a Keystone that is silent is waited for; then nothing is raised.
    """
    import threading

    from novaha.core.errors import NovahaError
    from novaha.nova.regions import RegionError

    unclear: list[RegionError] = []

    def look() -> None:
        try:
            nova.find()
        except RegionError as error:
            unclear.append(error)
        except NovahaError:
            pass  # what keeps Nova from answering is found out by the first turn

    thread = threading.Thread(target=look, name="region", daemon=True)
    thread.start()
    thread.join(seconds)
    if unclear:
        raise unclear[0]


def check_nova(parameters: Mapping[str, str] | None = None) -> int:
    """Sign in and list the compute services; how many there are.

    Raises ConfigError or ComputeApiError that says what is wrong.
    """
    return len(nova(conf(parameters)).services())


def examine(configuration: cfg.ConfigOpts, say: Callable[[str], None]) -> Cloud:
    """What Keystone and Nova answer; see novaha.nova.examine. Raises ConfigError."""
    from novaha.nova.examine import examine as look
    from novaha.nova.session import from_conf

    return look(*from_conf(configuration), say)
