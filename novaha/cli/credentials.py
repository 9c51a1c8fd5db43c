"""The parameters of the cluster's resources, as Pacemaker gives them to their agents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from novaha.cli.configuration import Configuration
from novaha.core.errors import ConfigError

SECRET = "lrm://"  # noqa: S105 (where a secret stands that is not in the CIB, see cibsecret(8))

SECRETS = Path("/var/lib/pacemaker/lrm/secrets")


def as_given(now: Configuration, agent: str) -> dict[str, str]:
    """What the resource of this agent is given. Raises ConfigError where a secret is not here."""
    return with_secrets(now, agent, now.parameters(agent))


def with_secrets(now: Configuration, agent: str, given: Mapping[str, str]) -> dict[str, str]:
    """These of its parameters, with the secrets that cibsecret(8) keeps. Raises ConfigError."""
    resource = now.resource(agent)
    parameters = dict(given)
    for name, value in given.items():
        if resource is not None and value.startswith(SECRET):
            file = SECRETS / resource.id / name
            try:
                parameters[name] = file.read_text().strip()
            except OSError as error:
                raise ConfigError(f"{file}: {error.strerror}; see cibsecret(8)") from error
    return parameters
