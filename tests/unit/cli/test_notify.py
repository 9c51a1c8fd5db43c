"""`novaha notify test`."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaha.cli import notify
from novaha.cli.main import parser
from novaha.cli.notify import NotNotifiedError
from novaha.core.errors import NovahaError
from tests.unit.operate.receivers import Received, http


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise NovahaError("no cluster")

    monkeypatch.setattr(notify, "local_node", none)


def run(tmp_path: Path, conf: str, *argv: str) -> int:
    file = tmp_path / "novaha.conf"
    file.write_text(conf)
    file.chmod(0o640)
    args = parser().parse_args(["notify", "test", *argv, "--config", str(file)])
    return notify.run(args, tmp_path / "none")


def test_it_says_who_has_taken_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    received = Received()
    command = f"[notify_command]\npath = {tmp_path}/none\n"
    with http(received) as port:
        webhook = f"[notify_webhook]\nurl = http://127.0.0.1:{port}/\nseverity = critical\n"
        assert run(tmp_path, webhook) == 0
        assert capsys.readouterr().out.split() == ["SINK", "RESULT", "webhook", "taken"]
        with pytest.raises(NotNotifiedError, match="1 of 2 receivers have not taken it"):
            run(tmp_path, webhook + command)
        assert "No such file or directory" in capsys.readouterr().out
        assert run(tmp_path, webhook + command, "--sink", "webhook") == 0
    assert {body["event_type"] for body in received.bodies} == {"test"}
    assert "nothing is wrong" in received.bodies[0]["payload"]["summary"]
    assert len({body["id"] for body in received.bodies}) == 3


@pytest.mark.parametrize("argv", [[], ["--sink", "mail"]])
def test_nobody_to_notify(tmp_path: Path, argv: list[str]) -> None:
    with pytest.raises(NotNotifiedError, match="nobody is notified: set url, path or to"):
        run(tmp_path, "[notify_mail]\nseverity = info\n", *argv)
