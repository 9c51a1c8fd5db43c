"""The policy file: what it may say, and where a mistake stands."""

from __future__ import annotations

import copy
import os
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from novaha.conf import policy
from novaha.conf.marked import FileError, Problem, parse
from novaha.conf.schema import check
from novaha.core.errors import ConfigError
from novaha.core.policy.match import Condition, Key
from novaha.core.policy.order import Group
from novaha.core.policy.rules import Rule, Rules, Treatment

WHOLE = """\
version: 1
default: leave
local_disks: leave
shared_storage:
  - aggregate_metadata: {storage: shared}
tenant_metadata: true
rules:
  - name: lab
    match: {project: [p1, p2], zone: az1}
    action: notify
  - preset: evacuable
    local_disks: evacuate
  - name: web
    match:
      name: web-*
      flavor_extra_spec: {"hw:numa_nodes": "*"}
      server_metadata: {HA: true}
    except:
      - host: compute-9
      - image_property: {os_type: [windows, hurd]}
    action: stopped
    local_disks: evacuate
    group: front
  - {match: {name: x}, action: evacuate, priority: 90}
groups:
  front: {after: [db], priority: 20, delay: 2.5}
  db: {active_for: 10, timeout: 60}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


def loaded(file: Path, text: str) -> Rules:
    file.write_text(text)
    return policy.load(str(file))


def wrong(file: Path, text: str) -> tuple[Problem, ...]:
    file.write_text(text)
    with pytest.raises(FileError) as caught:
        policy.load(str(file))
    assert f"{file}:{caught.value.problems[0].line}:" in str(caught.value)
    return caught.value.problems


def test_a_whole_file(file: Path) -> None:
    rules = loaded(file, WHOLE)
    assert (rules.default, rules.lose_local_disks) == (Treatment.LEAVE, False)
    assert rules.shared == ((Condition(Key.AGGREGATE_METADATA, ("shared",), "storage"),),)
    names = [rule.name for rule in rules.rules]
    assert names == [
        "lab",
        *(f"evacuable: {p}" for p in ("flavor", "image property", "image tag")),
        "web",
        "rule 4",
    ]
    assert rules.rules[0] == Rule(
        "lab",
        8,
        (Condition(Key.PROJECT, ("p1", "p2")), Condition(Key.ZONE, ("az1",))),
        (),
        Treatment.NOTIFY,
    )
    assert [r.lose_local_disks for r in rules.rules] == [None, True, True, True, True, None]
    assert [(r.priority, r.group) for r in rules.rules[-2:]] == [(50, "front"), (90, "")]
    assert rules.groups == {
        "front": Group("front", 20, ("db",), 0.0, 2.5, 300.0),
        "db": Group("db", 50, (), 10, 0.0, 60),
    }
    assert rules.rules[-2].match == (
        Condition(Key.NAME, ("web-*",)),
        Condition(Key.FLAVOR_EXTRA_SPEC, ("*",), "hw:numa_nodes"),
        Condition(Key.SERVER_METADATA, (True,), "HA"),
    )
    assert rules.rules[-2].unless == (
        (Condition(Key.HOST, ("compute-9",)),),
        (Condition(Key.IMAGE_PROPERTY, ("windows", "hurd"), "os_type"),),
    )


def test_the_shortest_file_changes_nothing_but_local_disks(file: Path) -> None:
    assert loaded(file, "version: 1\n") == Rules(path=str(file))


@pytest.mark.parametrize(("value", "shared"), [("true", ((),)), ("false", ())])
def test_shared_storage_everywhere_or_nowhere(file: Path, value: str, shared: Any) -> None:
    assert loaded(file, f"version: 1\nshared_storage: {value}\n").shared == shared


RULE = "version: 1\nrules:\n  - match: {name: a}\n    action: leave\n"


GROUPS = "version: 1\ngroups:\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, 1, "it is empty"),
        ("# nothing\n", 1, 1, "it is empty"),
        ("- 1\n", 1, 1, "this is no mapping"),
        ("version: 2\n", 1, 10, "one of these belongs here: 1"),
        ("version: '1'\n", 1, 10, "one of these belongs here: 1"),
        ("version: true\n", 1, 10, "one of these belongs here: 1"),
        ("default: leave\n", 1, 1, "the key version is missing"),
        ("version: 1\ndefualt: leave\n", 2, 1, "there is no key defualt here; is default meant?"),
        ("version: 1\ndefault: keep\n", 2, 10, "one of these belongs here: evacuate, leave, "),
        ("version: 1\ndefault:\n", 2, 9, "one of these belongs here"),
        ("version: 1\nrules: {}\n", 2, 8, "this is no list"),
        ("version: 1\nrules:\n  - leave\n", 3, 5, "this is no mapping"),
        (RULE + "    x: 1\n", 5, 5, "there is no key x here"),
        (RULE.replace("leave", "leaf"), 4, 13, "one of these"),
        (RULE.replace("{name: a}", "{}"), 3, 12, "at least 1 key belongs here"),
        (RULE.replace("name: a", "nmae: a"), 3, 13, "there is no key nmae here; is name meant?"),
        (RULE.replace("name: a", "name: 7"), 3, 19, "this is no text to YAML: put it into quotes"),
        (RULE.replace("name: a", "name: yes"), 3, 19, "this is no text to YAML"),
        (RULE.replace("name: a", "name: 2026-01-01"), 3, 19, "this is no text to YAML"),
        (RULE.replace("name: a", "name: 1e3"), 3, 19, ""),
        (RULE.replace("name: a", "name:"), 3, 18, "there is no value; a text belongs here"),
        (RULE.replace("name: a", "name: ''"), 3, 19, "at least 1 character belongs here"),
        (RULE.replace("name: a", "name: []"), 3, 19, "at least 1 entry belongs here"),
        (RULE.replace("name: a", "name: [a, 7]"), 3, 23, "this is no text to YAML"),
        (RULE.replace("name: a", "name: {a: b}"), 3, 19, "this is no text"),
        (RULE.replace("name: a", "image_property: os"), 3, 29, "this is no mapping"),
        (RULE.replace("name: a", "image_property: {os: 7}"), 3, 34, "this is no text to YAML"),
        (RULE.replace("name: a", "boots_from_volume: 'x'"), 3, 32, "this is no boolean"),
        (
            RULE.replace("name: a", "server_metadata: {a: b}"),
            3,
            13,
            "tenants write server_metadata",
        ),
        ("version: 1\nrules:\n  - preset: HA_Enabled\n", 3, 13, "tenants write server_metadata"),
        ("version: 1\nrules:\n  - preset: evacuabel\n", 3, 13, "one of these belongs here"),
        (
            "version: 1\nrules:\n  - preset: evacuable\n    action: leave\n",
            4,
            5,
            "action means nothing beside preset",
        ),
        ("version: 1\nrules:\n  - match: {name: a}\n", 3, 5, "either an action or a preset"),
        ("version: 1\nrules:\n  - action: leave\n", 3, 5, "a rule without match matches all"),
        (RULE + "    local_disks: evacuate\n", 5, 5, "local_disks means nothing here"),
        (
            RULE + "  - {name: rule 1, match: {name: b}, action: leave}\n",
            5,
            12,
            "in line 3 has this",
        ),
        (RULE + "    priority: 7\n", 5, 5, "priority means nothing here"),
        (RULE.replace("leave", "evacuate") + "    priority: 101\n", 5, 15, "the most is 100"),
        (RULE.replace("leave", "evacuate") + "    priority: -1\n", 5, 15, "the least is 0"),
        (RULE.replace("leave", "evacuate") + "    priority: 1.5\n", 5, 15, "no whole number"),
        (RULE.replace("leave", "evacuate") + "    group: x\n", 5, 12, "no group of this name"),
        (
            RULE.replace("leave", "stopped") + "    group: x\n    priority: 1\ngroups: {x: {}}\n",
            6,
            5,
            "has the group's priority",
        ),
        (GROUPS + "  a: {after: [b]}\n", 3, 3, "'a' comes after 'b', and groups has none"),
        (GROUPS + "  a: {after: [a]}\n", 3, 3, "each other: a after a"),
        (
            GROUPS + "  x: {}\n  a: {after: [b, x]}\n  b: {after: [c]}\n  c: {after: [a]}\n",
            4,
            3,
            "these groups wait for each other: a after b after c after a",
        ),
        (
            GROUPS + "  a: {after: [b], priority: 80}\n  b: {priority: 79}\n",
            3,
            3,
            "'a' has priority 80 and comes after 'b' with 79: a higher priority cannot wait",
        ),
        (GROUPS + "  a: {delay: -1}\n", 3, 14, "the least is 0"),
        (GROUPS + "  a: {after: b}\n", 3, 14, "this is no list"),
        ("version: 1\nversion: 1\n", 2, 1, "this key stands here twice"),
        ("version: 1\nrules: [\n", 3, 1, "this is no YAML"),
        ("version: 1\n\tdefault: leave\n", 2, 1, "this is no YAML"),
        ("version: 1\n---\nversion: 1\n", 2, 1, "this is no YAML"),
        ("version: &a 1\ndefault: *a\n", 1, 10, "anchors and aliases are not read here"),
        ("version: !!python/name:os.system 1\n", 1, 10, "tags are not read here"),
        ("version: !!int x\n", 1, 10, "this is no value"),
        ("? [a, b]\n: 1\n", 1, 3, "a key has to be a text"),
        ("version: 1\x07\n", 1, 1, "a character that YAML does not allow"),
        ("version: 1\nrules: " + "[" * 50 + "]" * 50 + "\n", 2, 27, "it is nested too deeply"),
        ("version: 1\nrules: " + "[" * 5000 + "]" * 5000 + "\n", 2, 27, "it is nested too deeply"),
    ],
)
def test_a_mistake_has_line_and_column(
    file: Path, text: str, line: int, column: int, said: str
) -> None:
    if said == "":
        assert loaded(file, text)  # 1e3 is a text to YAML 1.1
        return
    problem = wrong(file, text)[0]
    assert said in problem.text
    assert (problem.line, problem.column) == (line, column)


def test_every_mistake_is_told_and_in_order(file: Path) -> None:
    text = "version: 3\ndefault: x\nrules:\n  - match: {nmae: a}\n    action: y\n"
    assert [p.line for p in wrong(file, text)] == [1, 2, 4, 5]


def test_a_hundred_mistakes_are_one_short_message(file: Path) -> None:
    text = "version: 1\nrules:\n" + "  - x\n" * 100
    file.write_text(text)
    with pytest.raises(FileError, match="there are 80 more mistakes"):
        policy.load(str(file))


def test_nothing_of_the_file_is_shown_that_may_be_a_secret(file: Path) -> None:
    """Somebody may name another file, or paste a password into this one (law 9)."""
    for text in (
        "[keystone]\npassword = Swordf1sh!\n",
        "password: Swordf1sh!\n",
        "version: 1\nSwordf1sh!: 1\n",
        "version: Swordf1sh!\n",
        "version: 1\n'Swordf1sh!\n",
        "version: 1\nSwordf1sh!\n",
        "version: *Swordf1sh\n",
        "version: !Swordf1sh 1\n",
        "%Swordf1sh x\n---\n",
    ):
        file.write_text(text)
        with pytest.raises(FileError) as caught:
            policy.load(str(file))
        assert "Swordf1sh" not in str(caught.value), text


def test_a_file_that_is_none(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        policy.load(str(file))
    file.write_bytes(b"version: 1 # \xff\n")
    with pytest.raises(ConfigError, match=r"line 1 of .* is not UTF-8"):
        policy.load(str(file))
    file.write_text("version: 1 #" + "x" * (1 << 18))
    with pytest.raises(ConfigError, match="longer than a policy may be, 256 KiB"):
        policy.load(str(file))
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="no regular file"):
        policy.load(str(file))


def test_a_file_that_anybody_may_write(file: Path) -> None:
    file.write_text("version: 1\n")
    file.chmod(0o646)
    with pytest.raises(ConfigError, match="chmod o-w"):
        policy.load(str(file))


@pytest.mark.parametrize(
    ("rules", "lines"),
    [
        ("[{match: {name: a*}, action: leave}, {match: {name: ab}, action: evacuate}]", 1),
        ("[{match: {name: ab}, action: leave}, {match: {name: a*}, action: evacuate}]", 0),
        (
            "[{match: {name: a}, except: {zone: x}, action: leave}, "
            "{match: {name: a}, action: stopped}]",
            0,
        ),
        ("[{match: {name: a, zone: z}, except: {zone: z}, action: leave}]", 1),
        ("[{match: {name: a, zone: z}, except: {zone: y}, action: leave}]", 0),
        ("[{preset: evacuable}, {match: {image_tag: evacuable}, action: leave}]", 1),
        ("[{match: {name: a}, action: leave}, {match: {name: a, zone: b}, action: leave}]", 1),
        ("[{except: {zone: z}, action: leave}, {match: {name: a}, action: leave}]", 0),
    ],
)
def test_rules_that_can_never_decide(file: Path, rules: str, lines: int) -> None:
    found = policy.never_matching(loaded(file, f"version: 1\nrules: {rules}\n"))
    assert len(found) == lines


def test_our_own_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(policy.schema())


def _mutants(count: int) -> list[Any]:
    """Documents near a right one, most of them wrong in some place."""
    chance = random.Random(1)
    values: tuple[Any, ...] = (None, True, 1, 0, "", "x", "leave", [], ["a"], {}, {"a": "b"}, 7.5)
    found = []
    for _ in range(count):
        document = yaml.safe_load(WHOLE)
        for _ in range(chance.randint(1, 3)):
            place: Any = document
            while True:
                keys = list(place) if isinstance(place, dict) else list(range(len(place)))
                if not keys:
                    break
                key = chance.choice(keys)
                inner = place[key]
                if isinstance(inner, dict | list) and inner and chance.random() < 0.7:
                    place = inner
                    continue
                if isinstance(place, dict) and chance.random() < 0.2:
                    place[chance.choice(("x", "name", "match", "zone"))] = copy.deepcopy(inner)
                else:
                    place[key] = copy.deepcopy(chance.choice(values))
                break
        found.append(document)
    return found


def test_the_schema_means_the_same_to_every_validator() -> None:
    """An editor that checks the file by the published schema says what we say."""
    judge = jsonschema.Draft7Validator(policy.schema())
    verdicts = set()
    for document in _mutants(120):
        item = parse("x", yaml.safe_dump(document))
        assert item.plain() == document
        ours = not check(policy.schema(), item)
        assert ours is judge.is_valid(document), document
        verdicts.add(ours)
    assert verdicts == {True, False}
