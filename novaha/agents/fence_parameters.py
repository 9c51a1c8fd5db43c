"""What fence_compute accepts: its own few parameters, and all that its predecessors took.

Nova is told by the evacuator, so what a predecessor needed to reach Nova or a device has no
meaning here. It stays declared, or `pcs stonith update` of an older configuration would fail.
"""

from __future__ import annotations

from novaha.contract.parameters import Parameter, ParameterType

OF_EVERY_AGENT = {
    p.name: p
    for p in (
        Parameter(
            name="action", letter="o", longopt="action", default="off", shortdesc="Fencing action"
        ),
        Parameter(
            name="plug",
            letter="n",
            longopt="plug",
            aliases=("port",),
            shortdesc="Pacemaker's name of the compute node",
        ),
        Parameter(
            name="separator",
            letter="C",
            longopt="separator",
            default=",",
            shortdesc="Separator for CSV created by 'list' operation",
        ),
        Parameter(
            name="delay",
            longopt="delay",
            type="second",
            default="0",
            shortdesc="Wait X seconds before fencing is started",
        ),
        Parameter(
            name="quiet",
            letter="q",
            longopt="quiet",
            type="boolean",
            shortdesc="Disable logging to stderr; does not affect --debug-file",
        ),
        Parameter(
            name="verbose", letter="v", longopt="verbose", type="boolean", shortdesc="Verbose mode"
        ),
        Parameter(
            name="debug_file",
            letter="D",
            longopt="debug-file",
            aliases=("debug",),
            shortdesc="Write debug information to given file",
        ),
        Parameter(
            name="version",
            letter="V",
            longopt="version",
            type="boolean",
            shortdesc="Display version information and exit",
        ),
        Parameter(
            name="help",
            letter="h",
            longopt="help",
            type="boolean",
            shortdesc="Display help and exit",
        ),
    )
}
"""What every fence agent of ours takes, by name."""

_OWN = (
    OF_EVERY_AGENT["action"],
    OF_EVERY_AGENT["plug"],
    Parameter(
        name="domain",
        letter="d",
        longopt="domain",
        shortdesc="DNS domain in which the hosts live, where plugs have it and node names have not",
    ),
    Parameter(
        name="compute_domain",
        longopt="compute-domain",
        aliases=("compute-domain",),
        deprecated=True,
        replaced_by="domain",
        shortdesc="Older name of domain",
    ),
    Parameter(
        name="power_agents",
        longopt="power-agents",
        shortdesc="Fence agents that novaha does not know and whose success proves that nothing "
        "runs on the host any more",
    ),
    *(p for name, p in OF_EVERY_AGENT.items() if name not in ("action", "plug")),
)


def _older(
    name: str,
    shortdesc: str,
    letter: str = "",
    type: ParameterType = "string",
    aliases: tuple[str, ...] = (),
    secret: bool = False,
) -> Parameter:
    return Parameter(
        name=name,
        letter=letter,
        longopt=name.replace("_", "-"),
        aliases=aliases,
        type=type,
        secret=secret,
        deprecated=True,
        shortdesc=shortdesc,
    )


_OLDER = (
    _older("auth_url", "Not used: fencing needs no Keystone", "k", aliases=("auth-url",)),
    _older("username", "Not used: fencing needs no Keystone", "l", aliases=("login",)),
    _older(
        "password", "Not used: fencing needs no Keystone", "p", aliases=("passwd",), secret=True
    ),
    _older(
        "password_script", "Not used: fencing needs no Keystone", "S", aliases=("passwd_script",)
    ),
    _older("tenant_name", "Not used: fencing needs no Keystone", "t", aliases=("tenant-name",)),
    _older("user_domain", "Not used: fencing needs no Keystone", "u", aliases=("user-domain",)),
    _older(
        "project_domain", "Not used: fencing needs no Keystone", "P", aliases=("project-domain",)
    ),
    _older("endpoint_type", "Not used: fencing needs no Nova", "e", aliases=("endpoint-type",)),
    _older("region_name", "Not used: fencing needs no Nova", aliases=("region-name",)),
    _older("insecure", "Not used: fencing needs no Keystone", type="boolean"),
    _older(
        "instance_filtering",
        "Not used: every instance is recovered, whatever its image or flavor is tagged with",
        type="boolean",
        aliases=("instance-filtering",),
    ),
    _older(
        "no_shared_storage",
        "Not used: Nova finds that out by itself",
        type="boolean",
        aliases=("no-shared-storage",),
    ),
    _older(
        "record_only",
        "Not used: a fencing is always only recorded",
        type="boolean",
        aliases=("record-only",),
    ),
    _older("verbose_level", "Not used", type="integer"),
    _older("plug_separator", "Not used: one plug at a time"),
    _older("disable_timeout", "Not used: there is no device to wait for"),
    _older("login_timeout", "Not used: there is no device to wait for", type="second"),
    _older("power_timeout", "Not used: there is no device to wait for", type="second"),
    _older("power_wait", "Not used: there is no device to wait for", type="second"),
    _older("shell_timeout", "Not used: there is no device to wait for", type="second"),
    _older("stonith_status_sleep", "Not used: there is no device to wait for", type="second"),
    _older("retry_on", "Not used: there is no device to wait for", type="integer"),
)

PARAMETERS: tuple[Parameter, ...] = _OWN + _OLDER
