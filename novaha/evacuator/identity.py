"""Whom the evacuator runs as, and the rights that it gives up. Standard library only.

A user in group haclient may do all that the evacuator does (measured: docs/facts.md). Where
Pacemaker starts it as root, it becomes such a user before it loads anything else; where there is
none, it keeps one capability of root's.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import grp
import json
import os
import pwd
import resource
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from novaha.evacuator.places import GROUP, USER, EvacuatorError, user_name

__all__ = [
    "EvacuatorError",
    "Identity",
    "become",
    "chosen",
    "commands",
    "conceal",
    "current",
    "remedy",
    "unreadable",
]

_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38

_CAPABILITIES = 64
_CAP_DAC_OVERRIDE = 1
"""All that root needs of its rights: Pacemaker's own files are hacluster's."""

_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, slots=True)
class Identity:
    """An unprivileged user. groups: all of them; haclient is always one, whoever the user is."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def chosen(name: str = "") -> Identity | None:
    """The user of this name, novaha if it is "" and that user exists; None stays who it is.

    Raises EvacuatorError where there is no such user, or no group haclient.
    """
    if os.geteuid() != 0 or name == "root":
        return None
    try:
        entry = pwd.getpwnam(name or USER)
        haclient = grp.getgrnam(GROUP).gr_gid
    except KeyError as error:
        if not name:
            return None
        missing = f"group {GROUP}" if GROUP in str(error) else f"user '{name}'"
        raise EvacuatorError(
            f"there is no {missing} on this node: make it, or set another user"
        ) from None
    if entry.pw_uid == 0:
        return None
    groups = {*os.getgrouplist(entry.pw_name, entry.pw_gid), haclient} - {0}
    return Identity(entry.pw_name, entry.pw_uid, entry.pw_gid, tuple(sorted(groups)))


def become(user: Mapping[str, object] | None) -> None:
    """Give up what this process does not need, for good; what it runs has no more than that.

    user: an Identity as a mapping; None keeps the user.

    Raises EvacuatorError where that cannot be.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        try:
            if user is not None:
                _switch(libc, Identity(**user))  # type: ignore[arg-type]
        except OSError as error:
            raise EvacuatorError(f"root's rights cannot be given up: {error.strerror}") from None
        if user is None:
            with contextlib.suppress(OSError):  # a container in which root has fewer already
                _keep_one(libc)
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    conceal()  # last: a change of the user resets it


def conceal() -> None:
    """Leave no core dump, and let no other process of this user look into this one.

    Its memory holds the password: to be called before that is read.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(ctypes.CDLL(None, use_errno=True), _PR_SET_DUMPABLE, 0)


def _switch(libc: ctypes.CDLL, user: Identity) -> None:
    _bound(libc, keep=())
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


def _keep_one(libc: ctypes.CDLL) -> None:
    """root, and in group haclient to share its files, with one capability."""
    with contextlib.suppress(KeyError):
        os.setgroups([0, grp.getgrnam(GROUP).gr_gid])
    _bound(libc, keep=(_CAP_DAC_OVERRIDE,))
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    only = 1 << _CAP_DAC_OVERRIDE
    data = (ctypes.c_uint32 * 6)(only, only, 0, 0, 0, 0)
    if libc.capset(header, data):
        _fail()


def _bound(libc: ctypes.CDLL, keep: Iterable[int]) -> None:
    """Drop capabilities for whatever is executed, too; those that this kernel does not know end
    it. Where even root may not do that (in a container), it has little to drop."""
    for capability in range(_CAPABILITIES):
        if capability not in keep and libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            if ctypes.get_errno() not in (errno.EINVAL, errno.EPERM):
                _fail()
            return


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, value, 0, 0, 0):
        _fail()


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def current() -> str:
    """The name of the user that this process is."""
    return user_name(os.geteuid())


def unreadable(user: Identity, paths: Iterable[str]) -> dict[str, str]:
    """The files that are there and that the user cannot read, each with what keeps it from that:
    a directory on the way, or the file itself.

    Tried by a process that is the user: access control lists and security modules count.
    """
    wanted = [path for path in dict.fromkeys(paths) if path and os.path.exists(path)]
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgroups(user.groups)
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)
            found = {path: why for path in wanted if (why := _obstacle(path))}
            os.write(writing, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    if not answer:
        raise EvacuatorError(f"it cannot be found out what user {user.name} can read")
    return {str(path): str(why) for path, why in json.loads(answer).items()}


def _obstacle(path: str) -> str:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        way = os.path.dirname(os.path.realpath(path)).split("/")
        places = ["/".join(way[: end + 1]) or "/" for end in range(len(way))]
        shut = (place for place in places if not os.access(place, os.X_OK))
        return next(shut, os.path.realpath(path))
    return ""


def remedy(user: Identity, blocked: Mapping[str, str], ours: str) -> str:
    """What the user cannot read, and how to mend it. ours: the path of novaha.conf."""
    return "; ".join(
        f"user {user.name} cannot read {path} ({_command(user, path, obstacle, ours)})"
        for path, obstacle in blocked.items()
    )


def commands(user: Identity, blocked: Mapping[str, str], ours: str) -> tuple[str, ...]:
    """What mends it, each command once. The arguments are remedy's."""
    every = (_command(user, path, obstacle, ours) for path, obstacle in blocked.items())
    return tuple(dict.fromkeys(every))


def _command(user: Identity, path: str, obstacle: str, ours: str) -> str:
    if path == ours and obstacle == path:
        return f"chgrp {GROUP} {path}; chmod 640 {path}"
    right = "x" if obstacle != os.path.realpath(path) else "r"
    return f"setfacl -m u:{user.name}:{right} {obstacle}"
