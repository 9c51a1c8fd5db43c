"""The cloud: sound, and each thing broken by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novaha.cli.doctor import cloud as checks
from novaha.cli.doctor.cloud import CLOUD, Outlook
from novaha.cli.doctor.finding import Check, Verdict
from novaha.core.model import ComputeService, disable_reason
from novaha.evacuator.names import Names
from novaha.nova.examine import Cloud
from tests.unit.cli.doctor.sites import only

FILE = "/etc/novaha/novaha.conf"


def service(host: str, **changes: object) -> ComputeService:
    sound = ComputeService(id=host, host=host, up=True, forced_down=False, enabled=True)
    return replace(sound, **changes)  # type: ignore[arg-type]


TWO = (service("compute-1.example.org"), service("compute-2"))
CLOUD_IS_FINE = Cloud(roles=frozenset({"admin"}), version="2.96", services=TWO, ahead=-0.4)
SOUND = Outlook(
    CLOUD_IS_FINE,
    credentials=FILE,
    computes=("compute-1", "compute-2"),
    online=frozenset({"compute-1", "compute-2"}),
)


def outlook(**changes: object) -> Outlook:
    """The sound one, with something else in the cloud."""
    return replace(SOUND, cloud=replace(CLOUD_IS_FINE, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("check", CLOUD, ids=lambda c: c.name)
def test_a_sound_cloud_has_no_trouble(check: Check[Outlook]) -> None:
    found = list(check.look(SOUND))
    if check.name == "rights-to-act":  # nobody tries that on a site that is sound
        assert only(found, Verdict.NOT_CHECKED).detail.endswith("it would change something")
    else:
        assert found == []


@pytest.mark.parametrize(
    ("exposed", "remedy"),
    [
        ("TLS is off (insecure): whoever answers", "no insecure, and cafile"),
        ("auth_url is plain http (http://k:5000)", "auth_url = https://"),
        ("Nova's endpoint is plain http (http://n)", "openstack endpoint set --url https://"),
    ],
)
def test_what_can_be_read_on_the_way_is_told(exposed: str, remedy: str) -> None:
    found = only(checks.certificates(outlook(exposed=(exposed,))), Verdict.WARNING)
    assert found.detail == exposed
    assert remedy in found.remedy
    silent = Cloud("sign in: no", no_login=True, exposed=(exposed,))
    only(checks.certificates(replace(SOUND, cloud=silent)), Verdict.WARNING)


@pytest.mark.parametrize("check", CLOUD, ids=lambda c: c.name)
def test_without_credentials_nothing_is_checked_and_nothing_wrong(check: Check[Outlook]) -> None:
    only(check.look(Outlook(None, computes=("compute-1",))), Verdict.NOT_CHECKED)


@pytest.mark.parametrize("check", CLOUD[1:], ids=lambda c: c.name)
def test_only_the_sign_in_is_wrong_when_that_fails(check: Check[Outlook]) -> None:
    only(check.look(replace(SOUND, cloud=Cloud("sign in: no", True))), Verdict.NOT_CHECKED)


@pytest.mark.parametrize(
    ("failed", "remedy"),
    [
        ("sign in: requires authentication (HTTP 401)", "user and password"),
        ("sign in: Internal Server Error (HTTP 500)", "Keystone's log"),
        ("sign in: Unable to connect to http://k:5000: refused", "reachable from this node"),
    ],
)
def test_signing_in_fails(failed: str, remedy: str) -> None:
    found = only(checks.sign_in(replace(SOUND, cloud=Cloud(failed, no_login=True))))
    assert found.detail == failed
    assert remedy in found.remedy
    assert FILE in found.remedy or "Keystone's log" in found.remedy


def test_a_configuration_that_cannot_work() -> None:
    found = only(checks.sign_in(Outlook(None, "[keystone] names no way", FILE)))
    assert found.remedy == f"fix {FILE}"


def test_a_nova_that_cannot_be_found() -> None:
    failed = "negotiate the version of Nova's API: no internal endpoint in region North"
    broken = outlook(failed=failed, services=())
    assert only(checks.api(broken)).detail == failed
    assert list(checks.sign_in(broken)) == []
    only(checks.rights(broken), Verdict.NOT_CHECKED)


def test_a_user_who_may_not() -> None:
    refused = (("list migrations", "list the evacuations: Policy doesn't allow (HTTP 403)"),)
    found = only(checks.rights(outlook(refused=refused)))
    assert "may not list migrations" in found.detail
    assert found.remedy == "openstack role add --user USER --project PROJECT admin"
    broken = (("list migrations", "list the evacuations: Internal Server Error (HTTP 500)"),)
    assert only(checks.rights(outlook(refused=broken))).remedy == ""


def test_a_user_who_is_admin_by_no_role() -> None:
    found = only(checks.rights(outlook(roles=frozenset({"ha", "member"}))), Verdict.WARNING)
    assert "only ha, member" in found.detail
    assert list(checks.rights(outlook(roles=None))) == []


def test_a_node_that_nova_does_not_know() -> None:
    found = list(checks.names(replace(SOUND, computes=("compute-1", "hv-2"))))
    assert [(t.subject, t.verdict) for t in found] == [
        ("hv-2", Verdict.ERROR),
        ("compute-2", Verdict.WARNING),
    ]
    assert f"in {FILE}: [nova] host_names = hv-2:NAME_IN_NOVA" in found[0].remedy


def test_ironics_hosts_are_not_unprotected_and_others_beside_them_are() -> None:
    more = (*TWO, service("bare-metal-1"), service("hv-9"))
    both = outlook(services=more, bare_metal=frozenset({"bare-metal-1"}))
    found = only(checks.names(both), Verdict.WARNING)
    assert found.subject == "hv-9"
    assert found.detail.endswith("its instances are not protected")


def test_an_ironic_host_that_is_called_as_a_node_is_no_stale_registration() -> None:
    names = Names({"compute-2": "hv-2"})
    more = (service("compute-1"), service("hv-2"), service("compute-2"))
    given = replace(outlook(services=more), names=names)
    assert only(checks.names(given), Verdict.WARNING).subject == "compute-2"
    given = replace(outlook(services=more, bare_metal=frozenset({"compute-2"})), names=names)
    assert list(checks.names(given)) == []


def test_a_node_whose_host_is_ironics_by_mistake_is_still_checked() -> None:
    found = list(checks.names(outlook(services=TWO[:1], bare_metal=frozenset({"compute-2"}))))
    assert only(found).subject == "compute-2"


def test_where_nova_does_not_tell_which_hosts_are_ironics_that_is_said() -> None:
    more = (*TWO, service("hv-9"))
    unknown = outlook(services=more, unlisted="list the hypervisors: no (HTTP 403)")
    found = only(checks.names(unknown), Verdict.WARNING)
    assert "unless it is one of Ironic's, which is not known" in found.detail
    assert "HTTP 403" in found.detail


def test_a_node_that_could_be_two_hosts_of_nova() -> None:
    more = (*TWO, service("compute-1.example.net"))
    found = [t for t in checks.names(outlook(services=more)) if t.verdict is Verdict.ERROR]
    assert "compute-1.example.net, compute-1.example.org" in only(found).detail
    names = Names({"compute-1": "compute-1.example.org"})
    found = list(checks.names(replace(outlook(services=more), names=names)))
    left = only(found, Verdict.WARNING)
    assert left.subject == "compute-1.example.net"
    assert "add-remote" not in left.remedy


@pytest.mark.parametrize("other", ["compute-2.localdomain", "COMPUTE-2"])
def test_a_host_that_was_renamed_is_an_error_and_no_new_host(other: str) -> None:
    """The node has the exact name of what is left of it."""
    found = only(checks.names(outlook(services=(*TWO, service(other)))))
    assert found.verdict is Verdict.ERROR
    assert found.subject == "compute-2"
    assert "compute-2" in found.detail
    assert other in found.detail
    assert "[nova] host_names = compute-2:" in found.remedy
    assert "[nova] domain" in found.remedy
    assert "add-remote" not in found.remedy


def test_two_nodes_that_are_one_host_of_nova() -> None:
    names = Names({"compute-1": "compute-2"})
    found = [t for t in checks.names(replace(SOUND, names=names)) if t.verdict is Verdict.ERROR]
    assert "compute-1 and compute-2" in only(found).detail


def test_a_host_that_is_in_no_cluster() -> None:
    found = only(checks.names(replace(SOUND, computes=("compute-1",))), Verdict.WARNING)
    assert found.subject == "compute-2"


def test_names_without_the_cluster() -> None:
    only(checks.names(replace(SOUND, computes=None)), Verdict.NOT_CHECKED)


MARK = {"enabled": False, "disabled_reason": disable_reason("fence-1")}


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ({"forced_down": True, "up": False}, "--up compute-2 nova-compute"),
        (MARK, "--enable compute-2 nova-compute"),
        ({"up": False}, "service list --host compute-2"),
    ],
)
def test_law_6_what_is_left_over_in_nova(state: dict[str, object], remedy: str) -> None:
    left = outlook(services=(TWO[0], service("compute-2", **state)))
    found = only(checks.services(left), Verdict.WARNING)
    assert found.subject == "compute-2"
    assert found.remedy.endswith(remedy)
    assert list(checks.services(replace(left, flagged=frozenset({"compute-2"})))) == []


def test_law_6_what_an_operator_disabled_is_nobodys_matter() -> None:
    theirs = service("compute-2", enabled=False, disabled_reason="new disks")
    assert list(checks.services(outlook(services=(TWO[0], theirs)))) == []


def test_a_compute_that_is_switched_off_is_no_news() -> None:
    off = replace(
        outlook(services=(TWO[0], service("compute-2", up=False))), online=frozenset({"compute-1"})
    )
    assert list(checks.services(off)) == []


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(29.0, None), (31.0, "31 s ahead of"), (-400.0, "400 s behind")],
)
def test_clocks(ahead: float, verdict: str | None) -> None:
    found = list(checks.clocks(outlook(ahead=ahead)))
    if verdict is None:
        assert found == []
    else:
        assert verdict in only(found).detail


def test_a_nova_without_a_clock() -> None:
    only(checks.clocks(outlook(ahead=None)), Verdict.NOT_CHECKED)
