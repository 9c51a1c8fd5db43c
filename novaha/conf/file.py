"""A file of options, read so that no error shows what stands in it (law 9)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Any, NoReturn

from oslo_config import cfg, iniparser

from novaha.core.errors import ConfigError

Sections = dict[str, dict[str, list[str]]]

_MOST = 4 << 20
"""Bytes of a configuration file."""


class Verbatim(cfg.ConfigOpts):  # type: ignore[misc]  # oslo.config has no types
    """Options whose values mean what is written: `$` is no reference to another option."""

    def _substitute(self, value: Any, *_: Any, **__: Any) -> Any:
        return value


def read_bytes(path: str, most: int = _MOST) -> bytes:
    """What is in a regular file; a FIFO or a device is refused and never waited for.

    most: bytes. Raises ConfigError; FileNotFoundError where there is none.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ConfigError(f"{path} is no regular file")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(f"{path} is no regular file")
            raw = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError("the path of the configuration file is none") from None
    if len(raw) > most:
        raise ConfigError(f"{path} is too long for a configuration file")
    return raw


def read(path: str) -> str:
    """The text of a regular file. Raises as `read_bytes`."""
    raw = read_bytes(path)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"line {line} of {path} is not UTF-8") from None


class Parsed(iniparser.BaseParser):  # type: ignore[misc]
    """The values of each option, by section and option, and the last line of each."""

    def __init__(self, path: str, text: str) -> None:
        """Raises ConfigError that names the line."""
        super().__init__()
        self.path = path
        self.sections: Sections = {}
        self.lines: dict[tuple[str, str], int] = {}
        self._section = ""
        self._at = 0
        self.parse(text.split("\n"))

    def _split_key_value(self, line: str) -> tuple[str, list[str]]:
        self._at = self.lineno
        places = [place for place in (line.find(":"), line.find("=")) if place >= 0]
        if not places:
            self._wrong("has no =")
        key, value = line[: min(places)].strip(), line[min(places) + 1 :].strip()
        if not key:
            self._wrong("has no name of an option before its =")
        if not self._section:
            self._wrong("stands before the first [section]")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]  # as oslo.config does
        return key, [value]

    def assignment(self, key: str, value: list[str]) -> None:
        self.sections[self._section].setdefault(key, []).append("\n".join(value))
        self.lines[self._section, key.replace("-", "_")] = self._at

    def new_section(self, section: str) -> None:
        self._section = section
        self.sections.setdefault(section, {})
        self.lines.setdefault((section, ""), self.lineno)

    def error_unexpected_continuation(self, line: str) -> NoReturn:
        self._wrong("begins with a blank, which continues a value, and there is none before it")

    def error_no_section_end_bracket(self, line: str) -> NoReturn:
        self._wrong("begins with [ and does not end with ]")

    def error_no_section_name(self, line: str) -> NoReturn:
        self._wrong("has no name of a section between [ and ]")

    def _wrong(self, problem: str) -> NoReturn:
        raise ConfigError(f"line {self.lineno} of {self.path} {problem}")


def parse(path: str) -> Parsed:
    """A file in oslo.config's format. Raises ConfigError; FileNotFoundError where there is none."""
    return Parsed(path, read(path))


def check_values(conf: cfg.ConfigOpts, groups: Iterable[str], parsed: Parsed) -> None:
    """oslo.config looks at a value only when asked for it: ask now, not in the night.

    Raises ConfigError that names the line, and not the value.
    """
    for group in groups:
        for name in conf[group]:
            try:
                conf[group][name]
            except (cfg.Error, ValueError):
                line = parsed.lines.get((group, name), 0)
                raise ConfigError(
                    f"line {line} of {parsed.path}: the value of {name} is none that it takes"
                ) from None
