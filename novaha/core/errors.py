"""Errors carry data; the executables turn them into exit codes and messages."""

from __future__ import annotations

from collections.abc import Iterable

from novaha.core.text import line


class NovahaError(Exception):
    """Base of everything novaha raises on purpose.

    `str()` of it says what is wrong, where, and what to do, without secrets.
    """


class RecordError(NovahaError):
    """A recovery record cannot be understood."""

    def __init__(self, node: str, problem: str) -> None:
        self.node = node
        self.problem = problem
        super().__init__(f"recovery record of {node}: {problem}")


class TransitionError(NovahaError):
    """The recovery state machine has no such step."""

    def __init__(self, state: str, event: str) -> None:
        self.state = state
        self.event = event
        super().__init__(f"a host in recovery state '{state}' cannot take the step '{event}'")


class RecordConflictError(NovahaError):
    """The record in the CIB is no longer the one that the change was based on."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(f"recovery record of {node} was changed by somebody else meanwhile")


class UnknownNodeError(NovahaError):
    """The cluster has no such node."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        hint = f"; it knows {', '.join(self.known)}" if self.known else ""
        super().__init__(f"'{line(name, longest=100)}' is no node of this cluster{hint}")


class AmbiguousNodeError(NovahaError):
    """More than one node of the cluster could be meant."""

    def __init__(self, name: str, nodes: Iterable[str]) -> None:
        self.name = name
        self.nodes = tuple(sorted(nodes))
        super().__init__(
            f"'{line(name, longest=100)}' could be any of the nodes {', '.join(self.nodes)}"
        )


class UnknownHostError(NovahaError):
    """Nova has no compute service for this node."""

    def __init__(self, node: str, hosts: Iterable[str]) -> None:
        self.node = node
        self.hosts = tuple(sorted(hosts))
        super().__init__(
            f"Nova knows no compute host for node {node} (it knows "
            f"{', '.join(self.hosts) or 'none at all'}); if their names differ by more than the "
            f"domain, set [nova] host_names = {node}:NAME_IN_NOVA in novaha.conf"
        )


class AmbiguousHostError(NovahaError):
    """More than one compute host of Nova could be this node."""

    def __init__(self, node: str, hosts: Iterable[str]) -> None:
        self.node = node
        self.hosts = tuple(sorted(hosts))
        super().__init__(
            f"node {node} could be any of Nova's hosts {', '.join(self.hosts)}; "
            f"set [nova] host_names = {node}:NAME_IN_NOVA in novaha.conf (or [nova] domain, if "
            "that of all hosts decides), or delete the service that is out of use: openstack "
            "compute service delete ID"
        )


class SharedHostError(NovahaError):
    """One compute host of Nova could be several nodes."""

    def __init__(self, node: str, host: str, nodes: Iterable[str]) -> None:
        self.node = node
        self.host = host
        self.nodes = tuple(sorted(nodes))
        super().__init__(
            f"the nodes {' and '.join(self.nodes)} are the one host {host} of Nova; "
            f"set [nova] host_names = {self.nodes[0]}:NAME_IN_NOVA,{self.nodes[1]}:NAME_IN_NOVA "
            "in novaha.conf, or remove the node that is out of use"
        )


class ConfigError(NovahaError):
    """The configuration cannot work."""

    def __init__(self, problem: str) -> None:
        super().__init__(line(problem, longest=1000))


class ComputeApiError(NovahaError):
    """Nova or Keystone could not be asked, or did not answer as it must."""

    def __init__(self, what: str, detail: str) -> None:
        self.what = what
        self.detail = detail
        super().__init__(f"{what}: {detail}")


class NotSentError(ComputeApiError):
    """The request did nothing: it never reached Nova, or Nova turned it away unread."""


class UnknownOutcomeError(ComputeApiError):
    """Time-out, lost connection or 5xx: it may have been done. Read before trying again."""


class UnreadableError(UnknownOutcomeError):
    """A list of Nova's has a row of which it cannot be told whom it concerns."""


class RefusedError(ComputeApiError):
    """Nova answered 4xx: it understood the request and did nothing.

    final: Nova will never do this for this instance, whatever is tried.
    """

    def __init__(self, what: str, code: int, detail: str, *, final: bool = False) -> None:
        self.code = code
        self.final = final
        super().__init__(what, f"{detail} (HTTP {code})")


class ClusterToolError(NovahaError):
    """A tool of Pacemaker failed."""

    def __init__(self, argv: Iterable[str], returncode: int | None, stderr: str) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr = stderr
        result = "did not finish in time" if returncode is None else f"exited with {returncode}"
        said = f": {stderr.strip()}" if stderr.strip() else ""
        super().__init__(f"{self.argv[0] if self.argv else '?'} {result}{said}")
