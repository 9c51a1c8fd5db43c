"""The evacuator's own user on this machine, made and removed with the agents."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Iterator

from novaha.core.errors import ClusterToolError
from novaha.evacuator.places import GROUP, USER
from novaha.pacemaker.runner import Runner

COMMENT = "novaha evacuator"
"""By which a user that novaha has made is known."""


def make(run: Runner | None = None) -> Iterator[str]:
    """Make the user, in Pacemaker's group; yields what was done.

    Nothing fails here: without the user the evacuator runs as root.
    """
    run = run or Runner()
    try:
        members = grp.getgrnam(GROUP)
    except KeyError:
        yield f"user {USER}: not made, there is no group {GROUP} yet; install Pacemaker first"
        return
    try:
        entry = pwd.getpwnam(USER)
        if USER in members.gr_mem or entry.pw_gid == members.gr_gid:
            yield f"user {USER}: as it should be"
            return
        argv, done = ["usermod", "--append", "--groups", GROUP, USER], f"is in group {GROUP} now"
    except KeyError:
        argv = ["useradd", "--system", "--user-group", "--groups", GROUP, "--no-create-home"]
        argv += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
        argv += ["--comment", COMMENT, USER]
        done = "made, for the evacuator"
    try:
        run(argv)
    except ClusterToolError as error:
        yield f"user {USER}: not made, the evacuator runs as root ({error})"
        return
    yield f"user {USER}: {done}"


def remove(run: Runner | None = None) -> Iterator[str]:
    """Remove the user if novaha has made it; yields what was done."""
    run = run or Runner()
    try:
        if pwd.getpwnam(USER).pw_gecos != COMMENT:
            return
        run(["userdel", USER])
    except KeyError:
        return
    except ClusterToolError as error:
        yield f"user {USER}: not removed ({error})"
        return
    yield f"user {USER}: removed"
