"""One spelling of true, wherever a boolean is read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from lxml import etree

from novaha.agents import fence_compute
from novaha.cli import configuration
from novaha.conf.load import load
from novaha.contract import fence
from novaha.contract.parameters import Parameter, ParameterError, to_bool
from novaha.core import truth
from novaha.core.errors import ConfigError

PACKAGE = Path(truth.__file__).parents[1]

TRUE = ("1", "true", "True", "TRUE", "yes", "YES", "on", "On", "y", "Y", "t", "T", " yes ")
FALSE = ("0", "false", "False", "no", "NO", "off", "n", "f", " off")
NEITHER = ("perhaps", "2", "-1", "yess", "tr ue", "ja", "ye")


@pytest.mark.parametrize(("text", "value"), [(t, True) for t in TRUE] + [(t, False) for t in FALSE])
def test_each_reader_takes_it_alike(text: str, value: bool, tmp_path: Path) -> None:
    assert truth.parse(text) is value
    assert truth.is_true(text, default=not value) is value
    assert to_bool("flag", text) is value
    Parameter(name="flag", shortdesc="a flag", type="boolean").check(text)
    request = fence.parse(fence_compute.AGENT, [], [f"verbose={text}", f"quiet={text}"])
    assert (request.verbose, request.quiet) == (value, value)
    file = tmp_path / "novaha.conf"
    file.write_text(f"[keystone]\ninsecure = {text}\nsplit_loggers = {text}\n")
    file.chmod(0o640)
    by_file = load({"config": str(file)}).keystone
    assert (by_file.insecure, by_file.split_loggers) == (value, value)
    file.write_text(f"[keystone]\ninsecure = {not value}\n")
    assert load({"config": str(file), "insecure": text}).keystone.insecure is value


@pytest.mark.parametrize("text", NEITHER)
def test_what_is_neither_is_refused_or_the_default(text: str, tmp_path: Path) -> None:
    assert truth.parse(text) is None
    assert truth.is_true(text) is False
    assert truth.is_true(text, default=True) is True
    with pytest.raises(ParameterError):
        to_bool("flag", text)
    file = tmp_path / "novaha.conf"
    file.write_text("")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="insecure is neither true nor false"):
        load({"config": str(file), "insecure": text})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((t, True) for t in ("true", "TRUE", "on", "yes", "y", "1")),
        *((t, False) for t in ("false", "off", "no", "n", "0")),
        # To Pacemaker these are no booleans: the option keeps its default (crm_str_to_boolean).
        *((t, None) for t in ("t", "f", "T", " true", "", "perhaps", "2")),
    ],
)
def test_the_cib_is_read_as_pacemaker_reads_it(text: str, value: bool | None) -> None:
    for default in (True, False):
        wanted = default if value is None else value
        assert truth.in_cib(text, default=default) is wanted
        root = etree.fromstring(
            "<cib><configuration><crm_config><cluster_property_set>"
            f'<nvpair name="startup-fencing" value="{text}"/>'
            "</cluster_property_set></crm_config></configuration></cib>"
        )
        now = configuration.read(root, {})
        assert now.is_on("startup-fencing", default=default) is wanted


def test_nothing_else_reads_a_boolean() -> None:
    """No other collection of words for true or false, and no other type of oslo.config's."""
    words = truth.TRUE | truth.FALSE
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path == Path(truth.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Tuple | ast.Set | ast.List):
                texts = {e.value for e in node.elts if isinstance(e, ast.Constant)}
                if (
                    len({t.lower() for t in texts if isinstance(t, str)} & words - {"on", "off"})
                    > 1
                ):
                    found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
            if isinstance(node, ast.Attribute) and node.attr == "BoolOpt":
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    # The one that gives keystoneauth1's own options our spelling.
    assert [place.partition(":")[0] for place in found] == ["conf/options.py"]
