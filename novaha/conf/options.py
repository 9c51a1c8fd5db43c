"""The options, one list a section. No global configuration object: `register_opts(conf)`."""

from __future__ import annotations

import logging

from keystoneauth1 import loading
from oslo_config import cfg, types

from novaha.core import truth
from novaha.core.policy import DEFAULT_FILE as DEFAULT_FILE_OF_POLICY

# It logs the value of an auth_type that it does not find; ours is an error without it (law 9).
logging.getLogger("stevedore").setLevel(logging.CRITICAL)

DEFAULT_FILE = "/etc/novaha/novaha.conf"
CLOUDS_FILE = "/etc/openstack/clouds.yaml"

KEYSTONE = "keystone"
NOVA = "nova"
EVACUATOR = "evacuator"
HISTORY = "history"
WEBHOOK, ALERTMANAGER = "notify_webhook", "notify_alertmanager"
COMMAND, MAIL = "notify_command", "notify_mail"

SINKS = (WEBHOOK, ALERTMANAGER, COMMAND, MAIL)
GROUPS = (KEYSTONE, NOVA, EVACUATOR, HISTORY, *SINKS)
"""The sections whose options are known beforehand."""

_TIMEOUT = 30
"""Seconds for one request to Nova or Keystone."""


class _Truth(types.Boolean):  # type: ignore[misc]  # oslo.config has no types
    """true and false as they may be spelled everywhere in novaha."""

    TRUE_VALUES = sorted(truth.TRUE)
    FALSE_VALUES = sorted(truth.FALSE)


def flag(name: str, default: bool, text: str) -> cfg.Opt:
    """An option that is true or false, as these may be spelled everywhere in novaha."""
    return cfg.Opt(name, type=_Truth(), default=default, help=text)


_USUAL = ("password", "v3password", "v3applicationcredential", "v3token")
"""Values of auth_type: the plugins that sites use, in every release of keystoneauth1."""

_KEYSTONE = [
    cfg.StrOpt("cloud", help="Entry of a clouds.yaml to sign in with, instead of auth_type."),
    cfg.StrOpt(
        "clouds_file",
        default=CLOUDS_FILE,
        help="The clouds.yaml that has `cloud`; a secure.yaml beside it is read, too, and no "
        "other file.",
    ),
    cfg.StrOpt("interface", default="internal", help="Which of Nova's endpoints to use."),
    cfg.StrOpt("region_name", help="Region of the Nova to use."),
]

_NOVA = [
    cfg.DictOpt(
        "host_names",
        default={},
        help="Nova's host names of nodes that are called otherwise in Pacemaker: node:host,…",
    ),
    cfg.StrOpt("domain", default="", help="DNS domain that Nova's host names have in addition."),
]

_EVACUATOR = [
    cfg.StrOpt(
        "policy",
        default=DEFAULT_FILE_OF_POLICY,
        help="The policy file: which instances are recovered, and how. Without that file, all are; "
        "another one than the default has to exist.",
    ),
    cfg.FloatOpt("poll_interval", default=5.0, min=0.1, help="Seconds between idle turns."),
    cfg.FloatOpt(
        "busy_interval", default=1.5, min=0.1, help="Seconds between turns while hosts recover."
    ),
    cfg.IntOpt("max_in_flight", default=64, min=1, help="Evacuations under way at once, in all."),
    cfg.IntOpt(
        "max_requests",
        default=8,
        min=1,
        help="Most requests to Nova's API at once; fewer while it is slow or turns some away, and "
        "one for every two hosts that take instances.",
    ),
    cfg.FloatOpt(
        "answer_wait",
        default=90.0,
        min=1.0,
        help="Seconds after which a request that left no trace in Nova counts as never made.",
    ),
    cfg.FloatOpt("retry_base", default=10.0, min=0.1, help="Seconds before the first retry."),
    cfg.FloatOpt("retry_cap", default=120.0, min=1.0, help="Most seconds between two retries."),
    cfg.FloatOpt(
        "takeover_wait",
        default=30.0,
        min=0.0,
        help="Seconds for the requests of an evacuator that died to appear in Nova.",
    ),
    cfg.FloatOpt(
        "lost_after",
        default=30.0,
        min=5.0,
        help="Seconds without progress after which Nova's log of actions is asked whether an "
        "evacuation has failed; it is then asked for again.",
    ),
    cfg.FloatOpt(
        "stuck_after",
        default=1800.0,
        min=30.0,
        help="Seconds without progress, while Nova and its conductor were up, after which an "
        "evacuation is asked for once more; at the destination that it has, if it has one, and "
        "nowhere else. Longer than any instance takes to boot.",
    ),
    cfg.FloatOpt(
        "patience",
        default=300.0,
        min=0.0,
        help="Seconds that a dead host has to be back before what finds no place elsewhere is "
        "released to come up on it.",
    ),
    cfg.IntOpt(
        "flap_fencings",
        default=3,
        min=0,
        help="A host that was fenced so often within flap_window stays disabled in Nova when it "
        "is back, until `novaha release HOST` lets it in. 0: never.",
    ),
    cfg.FloatOpt(
        "flap_window",
        default=3600.0,
        min=1.0,
        help="Seconds before a host's last fencing in which earlier ones count.",
    ),
    cfg.StrOpt(
        "return",
        default="enabled",
        choices=("enabled", "disabled"),
        help="How a recovered host comes back: into service, or disabled in Nova until `novaha "
        "release HOST` lets it in.",
    ),
    cfg.FloatOpt(
        "return_after",
        default=0.0,
        min=0.0,
        help="Seconds for which the nova-compute of a host that is back has to be up without a "
        "break before Nova may send instances to it.",
    ),
    cfg.StrOpt(
        "confirmed_by_hand",
        default="recover",
        choices=("recover", "tell"),
        help="What to do about a compute host whose fencing an administrator confirmed by hand "
        "(pcs stonith confirm): recover its instances, or tell the command that does.",
    ),
    cfg.FloatOpt(
        "fence_wait",
        default=60.0,
        min=5.0,
        help="Seconds after which a flagged host, of whose fencing Pacemaker knows nothing "
        "(its history is lost when the whole cluster was down), is fenced once more.",
    ),
]

_HISTORY = [
    cfg.StrOpt(
        "url",
        secret=True,
        help="Database in which each event is kept, as SQLAlchemy writes it: "
        "sqlite:////var/lib/novaha/history.db, mysql+pymysql://USER:PASSWORD@HOST/novaha or "
        "postgresql+psycopg2://USER:PASSWORD@HOST/novaha. Unset: no history is kept.",
    ),
    cfg.FloatOpt("keep_days", default=400.0, min=1.0, help="Days for which an event is kept."),
    cfg.IntOpt(
        "keep_events",
        default=1_000_000,
        min=1000,
        help="Most events that are kept; of more the oldest ones go. A million takes some 500 MB.",
    ),
]

_TOLD = [
    cfg.StrOpt(
        "severity",
        default="warning",
        choices=("debug", "info", "warning", "critical"),
        help="The least that is told.",
    ),
    cfg.ListOpt(
        "events",
        default=[],
        help="If set, only these are told, whatever their severity: `host failure`, codes of "
        "attention, names of events; with commas between.",
    ),
]

_CAFILE = cfg.StrOpt(
    "cafile", default="", help="Certificates that the receiver's is verified by; else the system's."
)

_SINKS = {
    WEBHOOK: [
        cfg.StrOpt(
            "url",
            default="",
            help="Where notices are sent by POST: https://, or http:// on this machine itself. "
            "Unset: nowhere.",
        ),
        cfg.StrOpt(
            "secret_file", default="", help="A file with the key that requests are signed with."
        ),
        flag("shared_storage", True, "The value of on_shared_storage in what is sent."),
        _CAFILE,
    ],
    ALERTMANAGER: [
        cfg.StrOpt(
            "url", default="", help="Alertmanager, without /api/v2/alerts. Unset: no alerts."
        ),
        cfg.StrOpt(
            "token_file", default="", help="A file with a token that is sent as Authorization."
        ),
        _CAFILE,
    ],
    COMMAND: [
        cfg.StrOpt(
            "path",
            default="",
            help="A program that gets each notice as JSON on standard input, as the evacuator's "
            "user. Unset: none.",
        ),
    ],
    MAIL: [
        cfg.StrOpt("server", default="localhost", help="The mail server: HOST or HOST:PORT."),
        cfg.StrOpt("sender", default="", help="The address that mails come from."),
        cfg.ListOpt("to", default=[], help="Addresses, with commas between. Unset: no mail."),
        cfg.StrOpt("user", default="", help="User to sign in as. Unset: without."),
        cfg.StrOpt("password_file", default="", help="A file with that user's password."),
        flag(
            "tls",
            True,
            "STARTTLS with a verified certificate. false for a server on this machine only.",
        ),
        _CAFILE,
    ],
}
"""The options of each sink; those of _TOLD come to each."""


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Every option by its section, for the manual page.

    Those of keystoneauth1's plugins are not among them: they depend on auth_type.
    """
    return [
        (KEYSTONE, [*_KEYSTONE, *loading.get_auth_common_conf_options(), *_session()]),
        (NOVA, [*_NOVA]),
        (EVACUATOR, [*_EVACUATOR]),
        (HISTORY, [*_HISTORY]),
        *((name, [*options, *_TOLD]) for name, options in _SINKS.items()),
    ]


def every_opt() -> list[tuple[str, list[cfg.Opt]]]:
    """`list_opts` and the options of the usual plugins, for oslo.config's generator and validator.

    The entry point `novaha` of oslo.config.opts.
    """
    sections = list_opts()
    keystone = dict(sections)[KEYSTONE]
    known = {option.dest for option in keystone}
    for plugin in _USUAL:
        for option in loading.get_auth_plugin_conf_options(plugin):
            if option.dest not in known:
                known.add(option.dest)
                keystone.append(option)
    return sections


def _session() -> list[cfg.Opt]:
    """keystoneauth1's options of a session, with our default, our truth and plain help."""
    options: list[cfg.Opt] = loading.get_session_conf_options()
    for option in options:
        if option.dest == "timeout":
            option.default = _TIMEOUT
        if isinstance(option, cfg.BoolOpt):
            option.type = _Truth()
        if option.dest == "insecure":  # its help says the opposite
            option.help = "Do not verify the certificates of Keystone and Nova."
    return options


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register every option of novaha in `conf`."""
    conf.register_opts(_KEYSTONE, group=KEYSTONE)
    loading.register_auth_conf_options(conf, KEYSTONE)
    conf.register_opts(_session(), group=KEYSTONE)
    conf.register_opts(_NOVA, group=NOVA)
    conf.register_opts(_EVACUATOR, group=EVACUATOR)
    conf.register_opts(_HISTORY, group=HISTORY)
    for name, options in _SINKS.items():
        conf.register_opts([*options, *_TOLD], group=name)
