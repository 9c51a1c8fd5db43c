"""What crm_mon and attrd_updater print, and what it means."""

from __future__ import annotations

import pytest

from novaha.core.errors import ClusterToolError
from novaha.pacemaker.live import Digests, Failure, Live, OlderFlags, look, older_flags
from novaha.pacemaker.runner import Result

STATUS = b"""\
<pacemaker-result api-version="2.25" request="crm_mon">
  <summary><current_dc present="true" version="2.1.5" name="controller-1" with_quorum="true"/>
  </summary>
  <nodes>
    <node name="controller-1" id="1" online="true" unclean="false" type="member"/>
    <node name="compute-1" id="compute-1" online="true" unclean="true" type="remote"/>
    <node name="compute-2" id="compute-2" online="false" unclean="false" type="remote"/>
  </nodes>
  <resources>
    <resource id="nova-evacuate" active="true" failed="false">
      <node name="controller-1" id="1" cached="true"/></resource>
    <resource id="ipmi-1" active="true" failed="true"><node name="controller-1"/></resource>
    <clone id="nova-compute-clone" multi_state="false">
      <resource id="nova-compute" active="true" failed="false"><node name="compute-1"/></resource>
      <resource id="nova-compute" active="true" failed="false"><node name="compute-3"/></resource>
      <resource id="nova-compute" active="false" failed="false"/>
    </clone>
    <group id="g"><resource id="other:0" active="false" failed="false"/></group>
  </resources>
  <failures>
    <failure op_key="nova-compute_start_0" node="compute-2" exitstatus="error"
      exitreason="held" exitcode="1" call="9" status="complete" task="start" interval="0"/>
    <failure op_key="ipmi-1_monitor_60000" node="controller-1" exitstatus="error" exitreason=""/>
  </failures>
</pacemaker-result>
"""


def printed(text: bytes, *codes: int):
    def run(argv, *, timeout=10.0, accept=frozenset({0}), stdin=None) -> Result:
        code = codes[0] if codes else 0
        if code not in accept:
            raise ClusterToolError(argv, code, "no")
        return Result(tuple(argv), code, text, "")

    return run


def test_the_state_of_the_cluster() -> None:
    assert look(printed(STATUS)) == Live(  # type: ignore[arg-type]
        dc=True,
        quorum=True,
        online={"controller-1": True, "compute-1": False, "compute-2": False},
        running={
            "nova-evacuate": frozenset({"controller-1"}),
            "ipmi-1": frozenset(),
            "nova-compute": frozenset({"compute-1", "compute-3"}),
            "other": frozenset(),
        },
        failures=(
            Failure("nova-compute", "compute-2", "start", "held"),
            Failure("ipmi-1", "controller-1", "an action", "error"),
        ),
    )


def test_a_cluster_without_dc() -> None:
    text = b'<x><summary><current_dc present="false"/></summary></x>'
    found = look(printed(text))  # type: ignore[arg-type]
    assert (found.dc, found.quorum) == (False, False)


def test_flags_of_the_older_agents() -> None:
    text = (
        b'name="evacuate" host="compute-1" value="yes"\nname="evacuate" host="compute-2" value=""'
    )
    assert older_flags(printed(text)) == {"compute-1": "yes"}  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [6, 78, 105])
def test_an_attribute_that_nobody_has(code: int) -> None:
    assert older_flags(printed(b"", code)) == {}  # type: ignore[arg-type]


def test_flags_that_cannot_be_read() -> None:
    with pytest.raises(ClusterToolError):
        older_flags(printed(b"", 102))  # type: ignore[arg-type]


def test_a_flag_is_taken_away_of_one_node_only() -> None:
    ran: list[object] = []

    def run(argv: object, **options: object) -> Result:
        ran.append(argv)
        return Result((), 0, b"", "")

    OlderFlags(run).drop("compute-1")  # type: ignore[arg-type]
    assert ran == [["attrd_updater", "--delete", "--name", "evacuate", "--node", "compute-1"]]


def test_a_digest_is_private_to_the_attribute_managers() -> None:
    """In the CIB it would run the scheduler each time."""
    ran: list[tuple[object, object]] = []

    def run(argv: object, *, timeout: float, **options: object) -> Result:
        ran.append((argv, timeout))
        return Result((), 0, b"", "")

    digests = Digests(run)  # type: ignore[arg-type]
    digests.tell("controller-1", "eJx-_w==", 7.0)
    digests.withdraw("controller-1", 0.5)
    tell = "attrd_updater --private --node controller-1 --name novaha-digest --update eJx-_w=="
    withdraw = "attrd_updater --private --delete --name novaha-digest --node controller-1"
    assert ran == [(tell.split(), 7.0), (withdraw.split(), 0.5)]


def test_the_digests_of_all_controllers_are_read() -> None:
    text = b'name="novaha-digest" host="c-1" value="eJx-_w=="\nname="x" host="c-2" value=""\n'
    assert Digests(printed(text)).read() == {"c-1": "eJx-_w=="}  # type: ignore[arg-type]
