"""Environment and arguments to one request (OCF resource agent API 1.1)."""

from __future__ import annotations

import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from novaha.contract import ocf
from novaha.contract.parameters import Parameter

AGENT = ocf.Agent(
    name="Some",
    version="1",
    shortdesc="short & sweet",
    longdesc="<long>",
    parameters=(
        Parameter(name="config", shortdesc="c", default="/etc/x"),
        Parameter(name="password", shortdesc="p", secret=True),
        Parameter(name="older", shortdesc="o", deprecated=True, replaced_by="config"),
    ),
    actions=(ocf.Action("monitor", timeout=20, interval=10, depth=0),),
)


def test_exit_codes_are_those_of_the_standard() -> None:
    assert {code.name: int(code) for code in ocf.ExitCode} == {
        "SUCCESS": 0,
        "ERR_GENERIC": 1,
        "ERR_ARGS": 2,
        "ERR_UNIMPLEMENTED": 3,
        "ERR_PERM": 4,
        "ERR_INSTALLED": 5,
        "ERR_CONFIGURED": 6,
        "NOT_RUNNING": 7,
        "DEGRADED": 190,
        "DEGRADED_PROMOTED": 191,
    }


def test_everything_from_the_environment() -> None:
    request = ocf.parse(
        AGENT,
        ["monitor", "whatever"],
        {
            "OCF_RESKEY_config": "/a",
            "OCF_RESKEY_password": "pw",
            "OCF_RESKEY_unknown": "x",
            "OCF_RESKEY_CRM_meta_timeout": "20500",
            "OCF_RESKEY_CRM_meta_interval": "10000",
            "OCF_RESKEY_CRM_meta_clone": "2",
            "OCF_CHECK_LEVEL": "10",
            "OCF_OUTPUT_FORMAT": "xml",
            "OCF_RESOURCE_INSTANCE": "some:2",
            "PCMK_service": "crm_resource",
        },
    )
    assert request.action == "monitor"
    assert request.parameters == {"config": "/a", "password": "pw"}
    assert request.given == {"config", "password"}
    assert (request.timeout, request.interval) == (20.5, 10.0)
    assert (request.clone, request.check_level, request.output_format) == (2, 10, "xml")
    assert request.instance == "some:2"
    assert request.by_hand
    assert not request.is_probe
    assert request.rsctmp == Path("/run/resource-agents")


def test_defaults_and_probe() -> None:
    request = ocf.parse(AGENT, ["monitor"], {"OCF_RESKEY_config": "", "HA_RSCTMP": "/tmp/x"})
    assert request.parameters == {"config": "/etc/x"}
    assert request.is_probe
    assert not request.by_hand
    assert (request.timeout, request.instance, request.clone) == (20.0, "Some", None)
    assert request.rsctmp == Path("/tmp/x")


@given(st.dictionaries(st.sampled_from(["timeout", "interval", "clone"]), st.text()))
def test_parsing_never_fails(meta: dict[str, str]) -> None:
    """A stop must work with any configuration."""
    environ = {f"OCF_RESKEY_CRM_meta_{name}": value for name, value in meta.items()}
    request = ocf.parse(AGENT, ["stop"], {**environ, "OCF_CHECK_LEVEL": "deep"})
    assert request.timeout >= 0


def test_law_9_a_request_does_not_show_its_secrets() -> None:
    request = ocf.parse(AGENT, ["start"], {"OCF_RESKEY_password": "pw-4711"})
    assert "pw-4711" not in repr(request)
    assert request.secrets == ("pw-4711",)


def test_law_9_exit_reasons_are_one_bounded_line_without_secrets() -> None:
    stream = io.StringIO()
    ocf.write_exit_reason(stream, "bad\n  word pw-4711 " + "x" * 1000, ["pw-4711"])
    text = stream.getvalue()
    assert text.startswith("ocf-exit-reason:bad word *** xxx")
    assert text.count("\n") == 1
    assert len(text) < 450


def test_metadata_escapes_what_xml_needs() -> None:
    text = ocf.metadata(AGENT)
    assert "short &amp; sweet" in text
    assert "&lt;long&gt;" in text
    assert '<deprecated><replaced-with name="config"/></deprecated>' in text
    assert '<action name="monitor" timeout="20s" interval="10s" depth="0"/>' in text
