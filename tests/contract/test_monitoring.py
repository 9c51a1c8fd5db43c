"""The alert rules and the metrics, by Prometheus' own promtool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.unit.cli.test_metrics import told

RULES = Path(__file__).resolve().parents[2] / "monitoring" / "prometheus"


def promtool(*argv: str, given: str = "", directory: Path = RULES) -> tuple[int, str]:
    """Its exit code and all that it says."""
    done = subprocess.run(
        ["promtool", *argv],
        cwd=directory,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_rules_do_what_their_tests_say() -> None:
    code, said = promtool("test", "rules", "novaha.rules.test.yml")
    assert code == 0, said


def test_every_alert_is_tested() -> None:
    text = (RULES / "novaha.rules.test.yml").read_text()
    raised = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", text))
    calm = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", text))
    alerts = set(re.findall(r"alert: (\w+)", (RULES / "novaha.rules.yml").read_text()))
    assert raised == calm == alerts


def test_the_tests_notice_a_rule_that_is_never_true(tmp_path: Path) -> None:
    for file in RULES.iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace("== 0\n", "== 7\n"))
    code, said = promtool("test", "rules", "novaha.rules.test.yml", directory=tmp_path)
    assert code == 1
    assert "NovahaNoEvacuator" in said


def test_the_metrics_are_as_prometheus_wants_them() -> None:
    assert promtool("check", "metrics", given=f"{told()}\n") == (0, "")
