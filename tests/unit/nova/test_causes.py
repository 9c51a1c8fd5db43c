"""Nova's texts become kinds."""

from __future__ import annotations

import pytest

from novaha.core.faults import Kind
from novaha.nova.causes import fault

TEXTS = [
    ("", Kind.UNNAMED),
    ("   ", Kind.UNNAMED),
    ("No valid host was found. There are not enough hosts available.", Kind.NO_ROOM),
    ("Instance instance-00000007 already exists.", Kind.GUEST_EXISTS),
    ("Forbidden: Secret retrieval attempt not allowed - please review your user/project privileges",
     Kind.KEY_REFUSED),
    ("Key manager error: Forbidden (HTTP 403)", Kind.KEY_REFUSED),
    ("Forbidden", Kind.KEY_REFUSED),
    ("Connection to glance host http://glance:9292 failed: Error finding address",
     Kind.SERVICE_AWAY),
    ("Unable to establish connection to http://neutron:9696/v2.0/ports", Kind.SERVICE_AWAY),
    ("Connection to neutron failed: Maximum attempts reached", Kind.SERVICE_AWAY),
    ("Key manager error: Unable to establish connection to https://barbican:9311/v1",
     Kind.SERVICE_AWAY),
    ("Request to https://placement/resource_providers timed out", Kind.SERVICE_AWAY),
    ("Image 5f6c could not be found.", Kind.NO_IMAGE),
    ("Not authorized for image 5f6c.", Kind.NO_IMAGE),
    ("Policy doesn't allow os_compute_api:servers to be performed.", Kind.NO_RIGHTS),
    ("Volume 77 could not be attached.", Kind.BAD_VOLUME),
    ("Build of instance 1 aborted: Failure prepping block device mapping", Kind.BAD_VOLUME),
    ("Conflict updating instance 1. Expected: {'task_state': ['rebuild_spawning']}",
     Kind.GUEST_MAY_RUN),
    ("Timed out waiting for a reply to message ID 5", Kind.GUEST_MAY_RUN),
    ("MessagingTimeout: Timed out waiting for a reply", Kind.GUEST_MAY_RUN),
    ("Remote error: DBDeadlock (pymysql.err.OperationalError) (1213, 'Deadlock found')",
     Kind.GUEST_MAY_RUN),
    ("Remote error: OperationalError Lost connection to MySQL server", Kind.GUEST_MAY_RUN),
    ("DBConnectionError: (pymysql.err.OperationalError) Lost connection", Kind.GUEST_MAY_RUN),
    ("internal error: qemu unexpectedly closed the monitor", Kind.GUEST_MAY_RUN),
    ("disk is broken", Kind.OTHER),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind"), TEXTS)
def test_a_text_has_its_kind(text: str, kind: Kind) -> None:
    assert fault(text).kind is kind


def test_law_2_only_what_may_leave_a_guest_counts_as_that() -> None:
    leave = {kind for kind in Kind if kind.may_leave_a_guest}
    assert leave == {Kind.UNNAMED, Kind.GUEST_MAY_RUN}


def test_two_that_failed_in_the_same_way_are_alike_but_for_numbers() -> None:
    assert fault("Timed out after 7 s").likeness == fault("Timed out after 12 s").likeness
    assert fault("Timed out after 7 s").likeness != fault("Conflict").likeness


def test_what_people_are_shown_is_one_bounded_line() -> None:
    shown = fault("a\nb\x1b[31m" + "x" * 5000).text
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert len(shown) < 1000
