"""Who could read the evacuator's secrets on this node: files, the directories above, cores."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from novaha.agents.evacuator_user import Choice
from novaha.cli.doctor.finding import Trouble, error, not_checked, warning
from novaha.cli.layout import EVACUATE_ID
from novaha.core.text import word as q

CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
PROC = Path("/proc")

_OTHERS = 0o007
_GROUP_WRITES = 0o020


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file with credentials that is there. owner, group: names. mode: permission bits.

    open_above: a directory above in which every user may put another file into its place, "" if
        there is none. problem: why it cannot be looked at, "" if it can.
    """

    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0
    open_above: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CoreDumps:
    """Where the memory of the evacuator would go if it crashed.

    pattern: the kernel's, "" when that cannot be read.
    limit: bytes of a core that its process may leave, None without end.
    """

    pattern: str
    limit: int | None


def secret_files(files: Iterable[SecretFile]) -> Iterator[Trouble]:
    """What is asked about clouds.yaml and secure.yaml, and the directories of all of them."""
    for file in files:
        if file.problem:
            yield not_checked(file.path, file.problem)
        if file.open_above:
            yield error(
                file.path,
                f"every user of this machine may put another file into its place: {file.open_above}"
                " can be written by all",
                f"chmod o-w {q(file.open_above)}",
            )
        if os.path.basename(file.path) == "novaha.conf" or file.problem:
            continue  # what it may be itself: see the check of this name
        remedy = f"chown root:haclient {q(file.path)}; chmod 640 {q(file.path)}"
        if file.mode & _OTHERS:
            text = "every user of this machine may get at the secrets in it"
            yield error(file.path, text, remedy)
        elif file.owner != "root" or file.mode & _GROUP_WRITES:
            who = file.group if file.mode & _GROUP_WRITES else file.owner
            yield warning(file.path, f"{who} may change how novaha signs in", remedy)


def core_dumps(found: CoreDumps | None) -> Iterator[Trouble]:
    """The memory of a process that crashes holds its password."""
    if found is None:
        where = f"crm_resource --locate --resource {EVACUATE_ID}"
        yield not_checked("", "the evacuator does not run on this node", where)
    elif found.limit != 0:
        size = "of any size" if found.limit is None else f"of {found.limit} bytes"
        where = f"to {found.pattern}" if found.pattern else "wherever the kernel puts it"
        yield warning(
            "",
            f"if it crashes, a core {size} with its password goes {where}",
            f"pcs resource restart {EVACUATE_ID}",
        )


def evacuator_user(
    uid: int | None, choice: Choice | None, exists: bool, resource: str, makes: str
) -> Iterator[Trouble]:
    """It needs none of root's rights. uid: whom it runs as, None where it does not run.

    choice: whom it would run as if it were started here now; None where that is not known.
    exists: whether there is the user novaha here. makes: the command that makes that user.
    resource: the evacuator's id.
    """
    restart = f"pcs resource restart {q(resource)}"
    update = f"pcs resource update {q(resource)} user="
    runs = "runs as root" if uid == 0 else "would run as root here"
    if choice is None:
        yield not_checked("", "only root can tell whom it would run as")
    elif choice.problem and choice.wanted:
        remedy = "\n".join(choice.commands) or update
        yield error("", f"the evacuator cannot start on this node: {choice.problem}", remedy)
    elif uid:
        return
    elif choice.acls:
        text = f"the evacuator {runs}: with enable-acl=true the user novaha may do nothing"
        yield warning("", text, f"{update}hacluster")
    elif choice.problem:
        every = (*choice.commands, *([restart] if uid == 0 else ()))
        yield warning("", f"the evacuator {runs}: {choice.problem}", "\n".join(every))
    elif choice.user is not None:
        if uid == 0:
            text = f"the evacuator runs as root, and the user {choice.user.name} is there"
            yield warning("", text, restart)
    elif choice.wanted:
        text = f"the evacuator {runs}: its parameter user is {choice.wanted}"
        yield warning("", text, update)
    elif not exists:
        yield warning("", "there is no user novaha, so the evacuator runs as root", makes)


def open_above(path: str) -> str:
    """The first directory above, also behind a link, in which every user may replace what is there.

    "" if there is none. In a sticky one, as /tmp, only the owner may.
    """
    places = dict.fromkeys((Path(path).absolute(), Path(path).resolve()))
    for place in places:
        for directory in place.parents:
            try:
                mode = directory.stat().st_mode
            except OSError:
                continue
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return str(directory)
    return ""


def read_core_dumps(pid: int | None) -> CoreDumps | None:
    """Of the evacuator with this process id; None without one, or when it has ended."""
    if pid is None:
        return None
    try:
        pattern = CORE_PATTERN.read_text("utf-8", "replace").strip()
    except OSError:
        pattern = ""
    try:
        for row in (PROC / str(pid) / "limits").read_text().splitlines():
            if row.startswith("Max core file size"):
                soft = row.removeprefix("Max core file size").split()[0]
                return CoreDumps(pattern, None if soft == "unlimited" else int(soft))
    except (OSError, ValueError, IndexError):
        pass
    return None
