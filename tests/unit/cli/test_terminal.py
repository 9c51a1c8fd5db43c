"""The edge to the terminal: whatever others' texts hold, it is shown and not obeyed."""

from __future__ import annotations

import json

import pytest

from novaha.cli import status, terminal
from novaha.cli.doctor import command
from novaha.cli.doctor.finding import Finding, Verdict
from novaha.cli.migrate import back

CLEAR = "\x1b\x07\r\x9b\u202e\x7f"


def printed(text: str) -> None:
    assert all(char.isprintable() or char == "\n" for char in text)


def test_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(f"a{CLEAR}b", 7)
    terminal.warn(f"c{CLEAR}")
    out, err = capsys.readouterr()
    assert (out, err) == ("a b\n7\n", "c \n")


@pytest.mark.parametrize("text", [CLEAR, "\udcff", "\x00", "é"])
def test_json_stays_json(text: str) -> None:
    shown = terminal.as_json({"name": text})
    assert json.loads(shown) == {"name": text}
    assert shown.isascii()
    printed(shown)


def answer(text: str) -> dict[str, object]:
    host = {"node": text, "state": text, "owner": text, "fenced": text, "detail": text}
    host |= {"total": 1, "settled": 0}
    one = {"id": text, "name": text, "progress": text, "where": text, "detail": text}
    return {
        "evacuator": None,
        "evacuator_on": text,
        "problem": text,
        "notices": [text],
        "missing": [],
        "hosts": [{**host, "instances": [one, one]}],
    }


def test_a_name_makes_no_line_of_its_own_in_status() -> None:
    """An instance may be called as its owner likes."""
    plain = status.table(answer("x")).splitlines()
    assert len(status.table(answer("x\nHOST compute-9 recovered")).splitlines()) == len(plain)


def test_a_text_makes_no_line_of_its_own_in_doctor() -> None:
    finding = Finding("records", Verdict.ERROR, "a\nb", f"c\nd{CLEAR}", "first\nsecond")
    rows = command.shown([finding]).splitlines()
    assert [row.split()[-1] for row in rows[1:4]] == ["d", "first", "second"]
    assert "a b" in rows[1]


PATCH = b"""<diff format="2"><change operation="create" path="/cib/configuration/resources">
<primitive id="e"><instance_attributes id="i"><nvpair id="a" name="password" value="S3cret"/>
<nvpair id="b" name="auth_url" value="http://k"/></instance_attributes></primitive></change>
<change operation="modify" path="//nvpair[@id='p']"><change-list>
<change-attr name="value" operation="set" value="S3cret"/></change-list>
<change-result><nvpair id="p" name="passwd" value="S3cret"/></change-result></change>
<change operation="modify" path="//nvpair[@id='q']"><change-list>
<change-attr name="value" operation="set" value="plain"/></change-list>
<change-result><nvpair id="q" name="priority" value="plain"/></change-result></change></diff>"""


def test_law_9_a_difference_is_shown_without_its_passwords() -> None:
    shown = back.shown(PATCH)
    assert "S3cret" not in shown
    assert shown.count("***") == 3
    assert 'value="http://k"' in shown
    assert shown.count('value="plain"') == 2
    assert back.shown(b"") == ""
