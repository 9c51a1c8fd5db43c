"""fence_compute as pacemaker-fenced and people run it."""

from __future__ import annotations

import re
import subprocess
import time

import pytest

from novaha.cli import manpages

AGENT = "fence_agents/fence_compute"
RECORD = "//nodes/node[@uname='compute-1']/instance_attributes[@id='novaha-compute-1']"


def fence_id(text: str) -> str:
    found = re.search(r'name="novaha-fence-id" value="([^"]+)"', text)
    assert found
    return found.group(1)


def test_law_3_off_writes_the_record_before_it_answers(execute, query) -> None:
    done = execute(AGENT, stdin="action=off\nnodename=compute-1\nplug=compute-1\n")
    assert done.returncode == 0, done.stderr
    record = query(RECORD)
    assert 'name="novaha-recovery" value="pending"' in record
    assert 'name="novaha-hold" value="true"' in record


def test_law_3_a_second_fencing_has_another_fence_id(execute, query) -> None:
    execute(AGENT, "-o", "off", "-n", "compute-1")
    first = fence_id(query(RECORD))
    assert execute(AGENT, "-o", "off", "-n", "compute-1").returncode == 0
    assert fence_id(query(RECORD)) != first


FENCE_NOVA = '<primitive id="fence-nova" class="stonith" type="fence_compute"/></resources>'
LEVEL = '<fencing-topology><fencing-level id="l" index="1" target="compute-1" devices="{}"/>'


@pytest.mark.parametrize(
    ("devices", "unproven"),
    [("fence-nova", True), ("ipmi-1,fence-nova", False), ("", True), ("fence-nova,ipmi-1", False)],
)
def test_law_1_off_notes_when_no_power_device_takes_part(
    execute, query, cib, devices: str, unproven: bool
) -> None:
    text = cib.read_text().replace("</resources>", FENCE_NOVA)
    level = LEVEL.format(devices) + "</fencing-topology>" if devices else ""
    cib.write_text(text.replace("</configuration>", level + "</configuration>"))
    assert execute(AGENT, "-o", "off", "-n", "compute-1").returncode == 0
    assert ('name="novaha-marks" value="unproven"' in query(RECORD)) is unproven


def test_law_1_a_fencing_by_a_power_device_takes_the_note_away(execute, query, cib) -> None:
    before = cib.read_text()
    cib.write_text(before.replace("</resources>", FENCE_NOVA))
    execute(AGENT, "-o", "off", "-n", "compute-1")
    assert "unproven" in query(RECORD)
    level = LEVEL.format("ipmi-1,fence-nova") + "</fencing-topology></configuration>"
    cib.write_text(cib.read_text().replace("</configuration>", level))
    assert execute(AGENT, "-o", "off", "-n", "compute-1").returncode == 0
    assert "unproven" not in query(RECORD)


def test_law_7_fencing_needs_nobody_but_the_cluster(execute) -> None:
    """Credentials that lead nowhere, no configuration file: off works all the same."""
    done = execute(
        AGENT,
        stdin="action=off\nplug=compute-1\nauth_url=http://192.0.2.1:5000\nusername=x\n"
        "password=secret-word\nno_shared_storage=1\nsomething_new=1\n",
    )
    assert done.returncode == 0
    assert "no_shared_storage" in done.stderr
    assert "secret-word" not in done.stderr + done.stdout


def test_law_3_off_fails_when_the_record_cannot_be_written(execute, cib) -> None:
    """It can be read here, but the tools refuse to change what a later Pacemaker wrote."""
    cib.write_text(cib.read_text().replace('feature_set="3.', 'feature_set="99.'))
    done = execute(AGENT, "-o", "off", "-n", "compute-1")
    assert done.returncode == 1
    assert "cibadmin exited with" in done.stderr


def test_law_4_on_is_refused_at_once_while_the_recovery_is_unfinished(execute) -> None:
    assert execute(AGENT, "-o", "on", "-n", "compute-1").returncode == 0
    execute(AGENT, "-o", "off", "-n", "compute-1")
    done = execute(AGENT, "-o", "on", "-n", "compute-1")
    assert done.returncode == 1
    assert "compute-1 is held: its recovery is pending" in done.stderr


def test_status_is_off_while_the_recovery_is_unfinished(execute) -> None:
    done = execute(AGENT, stdin="action=status\nplug=compute-1\n")
    assert (done.returncode, done.stdout) == (0, "Status: ON\n")
    execute(AGENT, "-o", "off", "-n", "compute-1")
    done = execute(AGENT, stdin="action=status\nplug=compute-1\n")
    assert (done.returncode, done.stdout) == (2, "Status: OFF\n")


def test_a_record_that_makes_no_sense_means_off_and_can_be_replaced(execute, cib) -> None:
    execute(AGENT, "-o", "off", "-n", "compute-1")
    cib.write_text(cib.read_text().replace('value="pending"', 'value="gibberish"'))
    assert execute(AGENT, "-o", "status", "-n", "compute-1").returncode == 2
    assert execute(AGENT, "-o", "on", "-n", "compute-1").returncode == 1
    assert execute(AGENT, "-o", "off", "-n", "compute-1").returncode == 0


def test_list_has_compute_nodes_and_never_a_controller(execute) -> None:
    """With pcmk_host_check=dynamic-list, what is listed can be "fenced" by the flag alone."""
    assert execute(AGENT, "-o", "list").stdout == "compute-1,\ncompute-2,\n"
    execute(AGENT, "-o", "off", "-n", "compute-2")
    done = execute(AGENT, "-o", "list-status", "-C", ";")
    assert done.stdout == "compute-1;;on\ncompute-2;;off\n"


@pytest.mark.parametrize("lines", ["plug=compute-9\n", "plug=10.0.0.1\n", ""])
def test_an_unknown_target_is_an_error_that_names_the_nodes(execute, lines: str) -> None:
    done = execute(AGENT, stdin=f"action=off\n{lines}")
    assert done.returncode == 1
    assert "is no node of this cluster; it knows compute-1, compute-2" in done.stderr


@pytest.mark.parametrize(
    "lines",
    [
        "port=compute-1\n",
        "plug=compute-1.example.org\n",
        "nodename=compute-1\n",
        "plug=/redfish/v1/1\nnodename=compute-1\n",
        "plug=fd00::1\nnodename=compute-1\n",  # pcmk_host_map=compute-1:fd00::1
        "plug=COMPUTE-1.EXAMPLE.ORG\nnodename=compute-1\n",
        "plug=compute-2\nnodename=compute-1\nplug=compute-1\n",
        "# plug=compute-2\nnodename=compute-1\n",
    ],
)
def test_the_target_may_be_named_in_several_ways(execute, query, lines: str) -> None:
    assert execute(AGENT, stdin=f"action=off\n{lines}").returncode == 0
    assert query(RECORD)


def test_monitor_fails_without_a_cluster(execute, cib) -> None:
    assert execute(AGENT, "-o", "monitor").returncode == 0
    cib.write_text("nonsense")
    assert execute(AGENT, "-o", "monitor").returncode == 1


@pytest.mark.parametrize("action", ["reboot", "cycle"])
def test_unknown_actions_are_refused(execute, action: str) -> None:
    done = execute(AGENT, stdin=f"action={action}\nplug=compute-1\n")
    assert done.returncode == 1
    assert f"'{action}'" in done.stderr


def test_help_version_and_validation(execute) -> None:
    assert "--no-shared-storage" in execute(AGENT, "--help").stdout
    assert execute(AGENT, "-V").stdout.startswith("fence_compute ")
    assert execute(AGENT, "--no-such-option").returncode == 1
    assert execute(AGENT, stdin="action=validate-all\ninsecure=1\n").returncode == 0
    assert execute(AGENT, stdin="action=validate-all\ninsecure=perhaps\n").returncode == 1
    assert execute(AGENT, stdin="action=validate-all\ndelay=soon\n").returncode == 1


def sections(page: str) -> dict[str, str]:
    """The sections of a manual page by their titles."""
    return dict(part.partition("\n")[::2] for part in page.split("\n.SH ")[1:])


def test_the_manual_page_that_it_prints_is_the_one_that_packages_bring(execute) -> None:
    page = execute(AGENT, "-o", "manpage").stdout
    assert execute(AGENT, stdin="action=manpage\n").stdout == page
    printed, brought = sections(page), sections(manpages.pages()["fence_compute.8"])
    for example in ('"EXAMPLE PCS"', '"EXAMPLE CRM SHELL"'):
        assert brought.pop(example)  # by `novaha setup`, which the agent does not know
    assert brought.pop('"SEE ALSO"') != printed.pop('"SEE ALSO"')
    assert printed == brought
    groff = ["groff", "-man", "-ww", "-z", "-K", "utf8"]
    done = subprocess.run(
        groff, input=page, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_quiet_and_the_debug_file(execute, tmp_path) -> None:
    log = tmp_path / "debug"
    done = execute(AGENT, "-q", "-D", str(log), "-o", "off", "-n", "nobody")
    assert (done.returncode, done.stderr) == (1, "")
    assert "nobody" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_pacemakers_own_lines(execute, query) -> None:
    """What pacemaker-fenced of 2.1 and 3 writes to it, whatever the device is configured with."""
    lines = "action=off\nnodename=compute-1\nplug=compute-1\nport=compute-1\nip=fd00::1\n"
    done = execute(AGENT, stdin=f"{lines}crm_feature_set=3.16.2\nverbose=1\ndelay=0s\n")
    assert (done.returncode, done.stdout) == (0, "Success: Powered OFF\n")
    assert "compute-1 is flagged for recovery" in done.stderr  # verbose
    assert query(RECORD)


def test_off_waits_for_the_delay_that_is_asked_for(execute, query) -> None:
    began = time.monotonic()
    assert execute(AGENT, "-o", "off", "-n", "compute-1", "--delay=2").returncode == 0
    assert time.monotonic() - began >= 2
    assert query(RECORD)


def test_debugging_needs_no_verbose_and_a_full_disk_does_not_keep_it(execute, tmp_path) -> None:
    log = tmp_path / "debug"
    assert execute(AGENT, "-o", "off", "-n", "compute-1", "--debug-file", str(log)).returncode == 0
    assert "compute-1 is flagged for recovery" in log.read_text()
    done = execute(AGENT, stdin="action=off\nplug=compute-1\ndebug_file=/dev/full\n")
    assert done.returncode == 0, done.stderr
