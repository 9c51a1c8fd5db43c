"""Errors become exit codes and reasons in one place."""

from __future__ import annotations

import io
import time

import pytest

from novaha.agents import runtime
from novaha.agents.runtime import ActionError
from novaha.contract.ocf import Agent, ExitCode
from novaha.contract.parameters import Parameter, ParameterError
from novaha.core.errors import NovahaError

AGENT = Agent("Some", "1", "s", "l", (Parameter(name="password", shortdesc="p", secret=True),), ())


def run(failure: Exception | None, timeout: int = 20000) -> tuple[int, str]:
    def handler(request, context):
        if failure is not None:
            raise failure
        return ExitCode.SUCCESS

    err = io.StringIO()
    environ = {
        "OCF_RESKEY_password": "pw-4711",
        "OCF_RESKEY_CRM_meta_timeout": str(timeout),
    }
    code = runtime.run(
        AGENT,
        {"start": handler},
        lambda out, err: None,
        ["start"],
        environ,
        io.StringIO(),
        err,
    )
    return code, err.getvalue()


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (None, 0),
        (NovahaError("bad"), 1),
        (ActionError(ExitCode.ERR_INSTALLED, "bad"), 5),
        (ParameterError("x", "bad"), 6),
        (ZeroDivisionError("bad"), 1),
    ],
)
def test_exit_codes(failure: Exception | None, code: int) -> None:
    got, err = run(failure)
    assert got == code
    assert ("ocf-exit-reason:" in err) is (failure is not None)


def test_law_9_no_secret_in_a_reason_or_traceback() -> None:
    assert "pw-4711" not in run(ValueError("could not use pw-4711"))[1]


def test_law_8_an_action_ends_before_its_time_out_and_says_so() -> None:
    def handler(request, context):
        time.sleep(5)
        return ExitCode.SUCCESS

    err = io.StringIO()
    began = time.monotonic()
    code = runtime.run(
        AGENT,
        {"start": handler},
        lambda out, err: None,
        ["start"],
        {"OCF_RESKEY_CRM_meta_timeout": "400"},
        io.StringIO(),
        err,
    )
    assert code == ExitCode.ERR_GENERIC
    assert time.monotonic() - began < 0.4
    assert "start gave up after 0.2 s" in err.getvalue()
