"""Area "configuration": novaha.conf, clouds.yaml and secure.yaml in every state of disrepair."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from novaha import wiring
from novaha.agents.nova_parameters import CREDENTIALS
from novaha.conf.check import unknown_options
from tests.fuzz.kinds import SECRET, VALUE, Kind, Outcome, call, kind

LOGIN = f"""[keystone]
auth_type = password
auth_url = https://keystone:5000/v3
username = novaha
password = {SECRET}
project_name = admin
user_domain_name = Default
project_domain_name = Default
"""

SLIPS: dict[str, tuple[str, str]] = {
    "no equals sign": (f"[keystone]\npassword {SECRET}\n", "line 2 of .* has no ="),
    "no name": (f"[keystone]\n= {SECRET}\n", "line 2 of .* has no name of an option"),
    "no name, a colon": (f"[keystone]\n: {SECRET}\n", "line 2 of .* has no name of an option"),
    "two words": (f"[keystone]\npassword {SECRET} = x\n", "line 2 of .* has no name of an option"),
    "indented at once": (f"[keystone]\n  {SECRET}\n", "line 2 of .* begins with a blank"),
    "indented after a value": (
        f"[keystone]\npassword = x\n  {SECRET}\n",
        "the value in line 2 of .* goes on in the next line",
    ),
    "a tab": (f"[keystone]\npassword = x\n\t{SECRET}\n", "goes on in the next line"),
    "before a section": (f"password = {SECRET}\n", "line 1 of .* stands before the first"),
    "a section without end": (f"[keystone\npassword = {SECRET}\n", "line 1 of .* does not end"),
    "a section without a name": (f"[]\npassword = {SECRET}\n", "line 1 of .* has no name of a sec"),
    "a quote too many": (
        f'[keystone]\n"password = {SECRET}\n',
        "line 2 of .* has no name of an op",
    ),
    "a dollar": (f"[keystone]\n$password = {SECRET}\n", "line 2 of .* has no name of an option"),
    "a dash": (f"[keystone]\n- {SECRET}\n", "line 2 of .* has no ="),
    "YAML": (f"keystone:\n  password: {SECRET}\n", "line 1 of .* stands before the first"),
    "JSON": (f'{{"keystone": {{"password": "{SECRET}"}}}}\n', "line 1 of"),
    "shell": (f"export OS_PASSWORD={SECRET}\n", "line 1 of .* stands before the first"),
    "a merge": (f"[keystone]\n<<<<<<< HEAD\npassword {SECRET}\n", "line 2 of .* has no ="),
    "a page": (f"<html>{SECRET}</html>\n", "line 1 of"),
    "a long line": (f"[keystone]\n{SECRET * 10_000}\n", "line 2 of .* has no ="),
    "escapes": (f"[keystone]\n\x1b[2J{SECRET}\n", "line 2 of .* has no ="),
}

NUMBERS = ("", "soon", "-1", "nan", "1e", "0x10", "1,5", "--", "None", "1 2", "é", "\x1b[2J", "[]")
FLOATS = ("poll_interval", "busy_interval", "fence_wait", "retry_base", "lost_after", "stuck_after")
INTEGERS = ("max_in_flight", "max_requests")


def _loaded(text: bytes, mode: int = 0o640, **parameters: str) -> Callable[[Path], Outcome]:
    def run(place: Path) -> Outcome:
        file = place / "novaha.conf"
        file.write_bytes(text)
        file.chmod(mode)
        return call(lambda: wiring.secrets(wiring.conf({"config": str(file), **parameters})))

    return run


def kinds() -> Iterator[Kind]:
    """All of the area."""
    yield kind("configuration", "whole", "as it should be", _loaded(LOGIN.encode()), VALUE)
    for name, (text, says) in SLIPS.items():
        for ending in ("\n", "\r\n", "\r"):
            run = _loaded(text.replace("\n", ending).encode())
            table = f"slips{ {chr(10): '', chr(13) + chr(10): ', DOS', chr(13): ', Mac'}[ending] }"
            yield kind("configuration", table, name, run, "NovahaError", says)

        def unknown(place: Path, text: str = text) -> Outcome:
            file = place / "novaha.conf"
            file.write_text(text)
            return call(lambda: list(unknown_options(str(file))))

        taken = "goes on" in says or "name of an op" in says
        right = ("NovahaError", VALUE) if taken else ("NovahaError",)
        yield kind("configuration", "slips, doctor", name, unknown, right)
    yield from _values()
    yield from _bytes()
    yield from _files()
    yield from _logins()
    yield from _parameters()
    yield from _clouds()


def _values() -> Iterator[Kind]:
    from novaha.conf.options import list_opts

    for section, options in list_opts():
        for option in options:
            kinds_of = type(option.type).__name__
            if kinds_of not in ("Float", "Integer", "_Truth", "Boolean", "Dict"):
                continue
            for value in NUMBERS:
                if value == "" and kinds_of != "Dict":
                    pass
                text = f"{LOGIN}\n[{section}]\n{option.dest} = {value}\n".replace(
                    "\n[keystone]\n", "\n"
                )
                fine = _takes(kinds_of, value)
                right = (
                    (VALUE, "NovahaError")
                    if fine is None
                    else (VALUE,)
                    if fine
                    else ("NovahaError",)
                )
                says = f"line \\d+ of .*the value of {option.dest} is none that it takes"
                yield kind(
                    "configuration",
                    f"values, {option.dest}",
                    value or "nothing",
                    _loaded(text.encode()),
                    right,
                    says if right == ("NovahaError",) else "",
                )


def _takes(kind_of: str, value: str) -> bool | None:
    """Whether a type takes the value; None where it may, by its bounds or its release."""
    if kind_of in ("Float", "Integer"):
        return None if value in ("", "nan", "-1", "é", "1 2") else False
    if kind_of == "Dict":
        return None
    return None if value == "" else False


def _bytes() -> Iterator[Kind]:
    login = LOGIN.encode()
    for name, text, right, says in (
        ("a byte order mark", b"\xef\xbb\xbf" + login, VALUE, ""),
        ("DOS", login.replace(b"\n", b"\r\n"), VALUE, ""),
        ("no final newline", login.rstrip(), VALUE, ""),
        ("comments", b"# " + SECRET.encode() + b"\n; x\n" + login, VALUE, ""),
        ("empty", b"", "NovahaError", "names no way to sign in"),
        ("blanks", b"\n\n \n\t\n", "NovahaError", "names no way to sign in|begins with a blank"),
        ("Latin-1", login + b"# \xe9\n", "NovahaError", "line 9 of .* is not UTF-8"),
        ("UTF-16", LOGIN.encode("utf-16"), "NovahaError", "line 1 of .* is not UTF-8"),
        ("noise", bytes(range(256)), "NovahaError", "is not UTF-8"),
        ("zeros", b"\0" * 500, "NovahaError", "line 1 of .* has no ="),
        ("a zero in a value", login + b"[nova]\ndomain = a\0b\n", (VALUE, "NovahaError"), ""),
        ("too long", b"#" * (5 << 20), "NovahaError", "is too long for a configuration file"),
        ("surrogates", login + b"# \xed\xa0\x80\n", "NovahaError", "is not UTF-8"),
        ("a binary", b"\x7fELF" + b"\0" * 64, "NovahaError", "line 1 of"),
        ("repeated sections", login + login, VALUE, ""),
        ("upper case", login.replace(b"[keystone]", b"[KEYSTONE]"), VALUE, ""),
        ("unknown options", login + b"[nova]\nfuture = 1\n[other]\nx = y\n", VALUE, ""),
        ("many lines", login + b"# x\n" * 100_000, VALUE, ""),
        ("many options", login + b"[other]\n" + b"a = b\n" * 20_000, VALUE, ""),
    ):
        yield kind("configuration", "bytes", name, _loaded(text), right, says)


def _files() -> Iterator[Kind]:
    """What may stand in the place of a file."""

    def at(make: Callable[[Path], str], **more: str) -> Callable[[Path], Outcome]:
        return lambda place: call(lambda: wiring.conf({"config": make(place), **more}))

    def fifo(place: Path) -> str:
        os.mkfifo(place / "fifo")
        return str(place / "fifo")

    def link(place: Path) -> str:
        (place / "link").symlink_to("link")
        return str(place / "link")

    def dangling(place: Path) -> str:
        (place / "link").symlink_to("nowhere")
        return str(place / "link")

    def below(place: Path) -> str:
        (place / "file").touch()
        return str(place / "file/novaha.conf")

    for name, make, says in (
        ("a named pipe", fifo, "is no regular file"),
        ("a directory", lambda place: str(place), "is no regular file"),
        ("a device", lambda place: "/dev/zero", "is no regular file"),
        ("a full device", lambda place: "/dev/full", "is no regular file"),
        ("a terminal", lambda place: "/dev/tty", "is no regular file|cannot be read"),
        ("a link to itself", link, "cannot be read"),
        ("a link to nowhere", dangling, "does not exist"),
        ("nowhere", lambda place: str(place / "none"), "does not exist"),
        ("below a file", below, "cannot be read"),
        ("a name too long", lambda place: "/" + "x" * 5000, "/xxx"),
        ("a zero in its name", lambda place: "/a\0b", "the path of the configuration file is none"),
        ("escapes in its name", lambda place: "/\x1b[2J", "does not exist"),
        ("proc", lambda place: "/proc/self/mem", "cannot be read|is not"),
        ("no right", lambda place: "/proc/1/mem", "cannot be read|is not|UTF"),
    ):
        yield kind("configuration", "files", name, at(make), "NovahaError", says)
    for mode in (0o644, 0o604, 0o606, 0o666, 0o777, 0o647):
        run = _loaded(LOGIN.encode(), mode)
        says = "can be read by every user of this machine"
        yield kind("configuration", "modes", f"{mode:o}", run, "NovahaError", says)
    for mode in (0o600, 0o640, 0o660, 0o400, 0o440):
        yield kind("configuration", "modes", f"{mode:o}", _loaded(LOGIN.encode(), mode), VALUE)


def _logins() -> Iterator[Kind]:
    """A login that lacks something, or has something else."""
    for number, line in enumerate(LOGIN.splitlines()[1:], start=2):
        name = line.partition(" ")[0]
        without = "\n".join(x for x in LOGIN.splitlines() if x != line)
        right = (VALUE, "NovahaError")
        yield kind("configuration", "logins", f"no {name}", _loaded(without.encode()), right)
        for value in ("", SECRET, "\x1b[2J", "http://[", "$password", "%(x)s", "null", "{", "'"):
            text = LOGIN.replace(line, f"{name} = {value}")
            says = "auth_type names no plugin" if name == "auth_type" and value else ""
            must = ("NovahaError",) if says else right
            run = _loaded(text.encode())
            yield kind("configuration", f"logins, {name}", f"{number}: {value}", run, must, says)
    for plugin in (
        *("token", "v3token", "v2password", "v3password", "none", "noauth", "http_basic"),
        *("v3applicationcredential", "v3oidcpassword", "v3totp", "gnocchi-basic", "Password"),
        *("password ", "../password", "os.system", "-", "v3kerberos", "admin_token", SECRET),
    ):
        text = LOGIN.replace("auth_type = password", f"auth_type = {plugin}")
        run = _loaded(text.encode())
        yield kind("configuration", "plugins", plugin, run, (VALUE, "NovahaError"))


def _parameters() -> Iterator[Kind]:
    """The resource's own parameters over the file."""
    whole = {"auth_url": "https://k:5000/v3", "username": "u", "password": SECRET}
    whole["tenant_name"] = "p"
    for password in (
        "Sec$ret",
        "pa$$word",
        "%(x)s",
        "a=b",
        "[x]",
        "#x",
        ";x",
        '"x"',
        "x y",
        "é",
        "$",
    ):
        given = {**whole, "password": password}

        def run(place: Path, given: dict[str, str] = given) -> Outcome:
            conf = wiring.conf(given)
            return Outcome(VALUE if conf.keystone.password == given["password"] else "another")

        yield kind("configuration", "passwords", password, run, VALUE)
    for parameter in CREDENTIALS:
        for value in ("\x1b[2J", "x" * 50_000, "$x", "http://[", "\0", "perhaps", SECRET):
            given = {**whole, parameter.name: value}
            run = _given(given)
            right = (VALUE, "NovahaError")
            yield kind("configuration", f"parameters, {parameter.name}", value[:9], run, right)
    for missing in ("username", "password"):
        given = {k: v for k, v in whole.items() if k != missing}
        says = f"auth_url is given on the resource, but no {missing}"
        yield kind(
            "configuration", "parameters", f"no {missing}", _given(given), "NovahaError", says
        )
    for value in ("perhaps", "2", "nein", "-1", "\x1b[2J", "true false"):
        says = "parameter insecure is neither true nor false"
        run = _given({**whole, "insecure": value})
        yield kind("configuration", "insecure", value, run, "NovahaError", says)
    for value in ("t", "y", "on", "1", "True", "yes", "f", "n", "off", "0", "False", "no"):
        yield kind("configuration", "insecure", value, _given({**whole, "insecure": value}), VALUE)


def _given(given: dict[str, str]) -> Callable[[Path], Outcome]:
    return lambda place: call(lambda: wiring.secrets(wiring.conf(given)))


_CLOUD = f"""clouds:
  site:
    auth:
      auth_url: https://keystone:5000/v3
      username: novaha
      password: '{SECRET}'
      project_name: admin
      user_domain_name: Default
      project_domain_name: Default
    region_name: R
"""


def _clouds() -> Iterator[Kind]:
    def run(clouds: bytes | None, secure: bytes | None = None, name: str = "site"):  # type: ignore[no-untyped-def]
        def go(place: Path) -> Outcome:
            file = place / "clouds.yaml"
            if clouds is not None:
                file.write_bytes(clouds)
            if secure is not None:
                (place / "secure.yaml").write_bytes(secure)
            conf = f"[keystone]\ncloud = {name}\nclouds_file = {file}\n".encode()
            return _loaded(conf)(place)

        return go

    whole = _CLOUD.encode()
    yield kind("configuration", "clouds.yaml", "as it should be", run(whole), VALUE)
    not_yaml = "is no YAML|has no mapping 'clouds'|is not UTF-8"
    unusable = "is not there or cannot be used|" + not_yaml
    for name, text, says in (
        ("missing", None, "does not exist: set clouds_file"),
        ("empty", b"", "has no mapping 'clouds'"),
        ("null", b"null", "has no mapping 'clouds'"),
        ("a list", b"[1]", "has no mapping 'clouds'"),
        ("a text", SECRET.encode(), not_yaml),
        ("no clouds", b"cloud:\n  site: {}\n", "has no mapping 'clouds'"),
        ("clouds is a list", b"clouds: [site]\n", "has no mapping 'clouds'"),
        ("clouds is null", b"clouds:\n", "has no mapping 'clouds'"),
        ("an open bracket", b"clouds: {site: {auth: {password: " + SECRET.encode(), not_yaml),
        ("a tab", b"clouds:\n\tsite:\n", "line 2 of .* is no YAML"),
        ("an open quote", b"clouds:\n  site:\n    password: '" + SECRET.encode(), not_yaml),
        ("a colon", b"clouds:\n  site:\n    password: a: " + SECRET.encode(), "is no YAML"),
        ("an alias", b"clouds: *nobody\n", "is no YAML"),
        ("a tag", b"clouds: !!python/object/apply:os.system ['true']\n", "is no YAML"),
        ("an own tag", b"clouds: !secret x\n", "is no YAML"),
        ("two documents", whole + b"---\n" + whole, "is no YAML"),
        ("a percent sign", b"%" + SECRET.encode(), "is no YAML"),
        ("an at sign", b"clouds: @" + SECRET.encode(), "is no YAML"),
        ("zeros", b"\0" * 50, not_yaml),
        ("Latin-1", b"clouds: \xe9\n", "is not UTF-8"),
        ("noise", bytes(range(256)), not_yaml),
        ("deep", b"[" * 3_000, "is no YAML"),
        ("a date that is none", b"clouds: {a: 2026-99-99}\n", unusable),
        ("another cloud", whole.replace(b"site:", b"other:"), unusable),
        ("a cloud of null", b"clouds:\n  site:\n", unusable),
        ("a cloud of text", b"clouds:\n  site: " + SECRET.encode(), unusable),
        ("a cloud of a list", b"clouds:\n  site: [1]\n", unusable),
        ("a login of text", b"clouds:\n  site:\n    auth: x\n", unusable),
        ("a login of a list", b"clouds:\n  site:\n    auth: [x]\n", unusable),
        ("no login", b"clouds:\n  site: {}\n", unusable),
        ("an unknown plugin", whole + b"    auth_type: " + b"C4nary\n", unusable),
        ("an unknown profile", whole + b"    profile: nobody\n", ""),
        ("a profile elsewhere", whole + b"    profile: http://127.0.0.1:1/x\n", ""),
    ):
        right = "NovahaError" if says else (VALUE, "NovahaError")
        yield kind("configuration", "clouds.yaml", name, run(text), right, says)
    for name, text in (
        ("empty", b""),
        ("a slip", b"clouds:\n  site:\n    auth:\n      password " + SECRET.encode()),
        ("a tab", b"clouds:\n\tx: " + SECRET.encode()),
        ("a text", SECRET.encode()),
        ("a list", b"- " + SECRET.encode()),
        ("noise", bytes(range(256))),
        ("zeros", b"\0" * 10),
        ("an open quote", b"clouds: '" + SECRET.encode()),
    ):
        says = r"secure\.yaml|cannot be used"
        run_it = run(whole, text)
        yield kind("configuration", "secure.yaml", name, run_it, "NovahaError", says)
    for name in ("", "other", "../site", "\x1b[2J", "clouds", "SITE", SECRET, "openstack"):
        right = ("NovahaError",)
        yield kind("configuration", "cloud names", name, run(whole, None, name), right)
