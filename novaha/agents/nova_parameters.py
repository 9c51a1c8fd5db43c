"""How an agent reaches Nova: the parameters of the older agents, and the file that replaces them.

None has a default here: what is given on the resource wins over the configuration file, and a
default would too.
"""

from __future__ import annotations

from dataclasses import replace

from novaha.contract.parameters import Parameter

DEFAULT_CONFIG = "/etc/novaha/novaha.conf"

CONFIG = Parameter(
    name="config",
    default=DEFAULT_CONFIG,
    reloadable=True,
    shortdesc="Configuration file",
    longdesc=(
        "Configuration file with the credentials and everything that can be tuned. It may be "
        "missing when the credentials are given on the resource."
    ),
)

_PREFER = (
    "Prefer the configuration file: parameters of a resource are readable in the CIB, unless "
    "cibsecret(8) keeps them."
)

# What says how to reach Nova is read anew where it is needed, so none of it needs a restart.
_OLDER_CREDENTIALS: tuple[Parameter, ...] = (
    Parameter(
        name="auth_url",
        shortdesc="Keystone URL",
        longdesc=f"URL of Keystone, as http://192.0.2.10:5000/v3. {_PREFER}",
    ),
    Parameter(name="username", shortdesc="User name", longdesc=f"User name in Keystone. {_PREFER}"),
    Parameter(
        name="password",
        secret=True,
        shortdesc="Password",
        longdesc=f"The user's password. {_PREFER}",
    ),
    Parameter(
        name="tenant_name",
        shortdesc="Project name",
        longdesc="Project (tenant) that the user has its role in.",
    ),
    Parameter(
        name="user_domain",
        shortdesc="Domain of the user",
        longdesc="Keystone domain of the user; Keystone's default domain if not set.",
    ),
    Parameter(
        name="project_domain",
        shortdesc="Domain of the project",
        longdesc="Keystone domain of the project; Keystone's default domain if not set.",
    ),
    Parameter(
        name="domain",
        shortdesc="DNS domain of the hosts",
        longdesc=(
            "DNS domain in which the compute hosts live, when Nova knows them by their full "
            "names and the cluster by their short ones."
        ),
    ),
    Parameter(
        name="endpoint_type",
        shortdesc="Endpoint type",
        longdesc="Nova's endpoint to use: internalURL, publicURL or adminURL.",
    ),
    Parameter(
        name="region_name",
        shortdesc="Region name",
        longdesc="Region whose Nova is meant, where Keystone has several.",
    ),
    Parameter(
        name="insecure",
        type="boolean",
        shortdesc="Do not verify TLS certificates",
        longdesc="Do not verify the certificates of Keystone and Nova.",
    ),
)

OLDER_CREDENTIALS = tuple(replace(p, reloadable=True) for p in _OLDER_CREDENTIALS)

CREDENTIALS = (
    *OLDER_CREDENTIALS,
    Parameter(
        name="cacert",
        shortdesc="CA certificates",
        longdesc="File with the certificates of the authorities that are trusted.",
        reloadable=True,
    ),
)

NO_SHARED_STORAGE = Parameter(
    name="no_shared_storage",
    type="boolean",
    reloadable=True,
    deprecated=True,
    shortdesc="Not used: Nova finds out by itself whether storage is shared",
)

VERBOSE = Parameter(
    name="verbose",
    type="boolean",
    reloadable=True,
    default="false",
    shortdesc="Log more",
    longdesc="Log what is observed and decided, not only what is done.",
)

NOT_CALLED = "Not used: the agent calls no fence agent"

EVACUATION_DELAY = Parameter(
    name="evacuation_delay",
    type="integer",
    reloadable=True,
    deprecated=True,
    shortdesc="Not used: the recovery record says when the host is ready",
)

DEBUG_FILE = Parameter(name="debug_file", deprecated=True, reloadable=True, shortdesc=NOT_CALLED)
