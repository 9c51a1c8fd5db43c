"""Standard input and options to one request (FenceAgentAPI)."""

from __future__ import annotations

import pytest

from novaha.agents.fence_compute import AGENT
from novaha.contract import fence
from novaha.contract.fence import Action, Request
from novaha.contract.parameters import ParameterError


def lines(*text: str) -> Request:
    return fence.parse(AGENT, [], [f"{line}\n" for line in text])


def options(*argv: str) -> Request:
    return fence.parse(AGENT, argv, ["action=list"])


def test_exit_codes_are_those_of_fence_agents() -> None:
    assert [int(code) for code in fence.ExitCode] == [0, 1, 2]


def test_lines() -> None:
    request = lines(
        "# a comment", "", "action=OFF", " plug = one ", "plug=two", "nodename=n", "future=1"
    )
    assert request.action is Action.OFF
    assert (request.plug, request.nodename) == ("two", "n")
    assert request.ignored == ()


def test_off_is_what_is_done_when_nobody_says() -> None:
    assert lines("plug=one").action is Action.OFF


def test_todays_name_wins_over_the_older_wherever_it_stands() -> None:
    assert lines("plug=new", "port=old").plug == "new"
    assert lines("port=old").plug == "old"
    assert lines("login=me").given["username"] == "me"
    assert lines("debug=/x").debug_file == "/x"


def test_domain_and_its_older_names() -> None:
    assert lines("domain=.example.org").domain == "example.org"
    assert lines("compute-domain=example.org").domain == "example.org"
    assert lines("compute_domain=old", "domain=new").domain == "new"


def test_what_means_nothing_is_named_but_what_was_replaced_is_not() -> None:
    request = lines("no_shared_storage=1", "auth_url=http://k", "compute_domain=x", "delay=1")
    assert request.ignored == ("auth_url", "no_shared_storage")


def test_options_as_they_were() -> None:
    request = options(
        *("-o", "status", "-n", "one", "-k", "http://k", "-l", "u", "-p", "p", "-t", "t"),
        *("-d", "example.org", "-e", "publicURL", "--region-name", "r", "--insecure"),
        *("--record-only", "--instance-filtering", "--no-shared-storage", "-u", "D", "-P", "D"),
        *("--delay=1.5", "-C", ";", "-vvv", "-D", "/x", "-q"),
    )
    assert request.action is Action.STATUS
    assert (request.plug, request.domain, request.separator) == ("one", "example.org", ";")
    assert (request.delay, request.verbose, request.quiet) == (1.5, True, True)
    assert request.debug_file == "/x"


def test_standard_input_is_not_read_when_there_are_options() -> None:
    assert options("-n", "one").action is Action.OFF


@pytest.mark.parametrize(
    ("argv", "action"),
    [
        (["-h"], Action.HELP),
        (["--version"], Action.VERSION),
        (["-o", "meta-data"], Action.METADATA),
    ],
)
def test_help_version_metadata(argv: list[str], action: Action) -> None:
    assert options(*argv).action is action


@pytest.mark.parametrize("argv", [["--nonsense"], ["-o"], ["-o", "reboot"], ["off"]])
def test_wrong_options_are_errors(argv: list[str]) -> None:
    with pytest.raises(ParameterError):
        options(*argv)


def test_a_flag_that_cannot_be_read_does_not_keep_a_host_unfenced() -> None:
    assert lines("action=off", "plug=one", "verbose=very").verbose is True


def test_law_9_a_request_does_not_show_what_was_given() -> None:
    assert "pw-4711" not in repr(lines("password=pw-4711"))


def test_help_tells_what_an_older_option_means() -> None:
    lines = {
        line.split()[0].partition("=")[0]: line
        for line in fence.usage(AGENT).splitlines()
        if "--" in line
    }
    assert "means nothing" not in lines["--compute-domain"]
    assert "Older name of domain" in lines["--compute-domain"]
    assert "(accepted, means nothing)" in lines["--no-shared-storage"]
