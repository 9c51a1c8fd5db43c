"""What the marks on the lab make of what they have seen: times are judged beside others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from novahabench import bare, marks
from novahabench.lab_bare import moments
from novahabench.lab_failures import ALERT, BARE, OLDER, POLL, READY
from novahabench.lab_logs import Fencing
from novahabench.lab_site import Story
from novahabench.mark import Case
from novahabench.marks import lab_brake, lab_react, lab_second, lab_service
from novahabench.stats import ratio, reached

from tests.serving import serving


@pytest.mark.parametrize(
    ("alert", "poll", "kept"),
    [
        (0.25, 4.0, [True, True]),
        (0.27, 4.0, [False, True]),
        (0.25, 5.19, [True, True]),
        (0.25, 5.21, [True, False]),
    ],
)
def test_mark_1_is_judged_beside_the_bare_script(
    alert: float, poll: float, kept: list[bool]
) -> None:
    took = {ALERT: (alert,), POLL: (poll,), BARE: (0.2,), READY: (0.1,), OLDER: (5.0,)}
    assert [reached(case) for case in lab_react.cases(took)] == kept


@pytest.mark.parametrize("slower", [1.0, 3.0])
def test_mark_1_is_the_same_on_a_slower_machine(slower: float) -> None:
    took = {ALERT: 0.25 * slower, POLL: 4.0, BARE: 0.2 * slower, READY: 0.1, OLDER: 5.0}
    case, _ = lab_react.cases({kind: (seconds,) for kind, seconds in took.items()})
    assert ratio(case, BARE) == pytest.approx(1.25)
    assert reached(case)


def story(reaction: float, running: float, *, bare: bool = False) -> Story:
    """A death at 100, fenced at 103 and flagged just before."""
    accepted = 103 + reaction
    entries = [] if bare else [("claimed", accepted - 0.1), ("forcedown", accepted - 0.05)]
    entries += [("requested", accepted), ("requested", accepted + 0.4)]
    return Story(
        ("compute-1",),
        2,
        100.0,
        {"compute-1": Fencing(102.5, 102.6, 102.7, 103.0)},
        running=running,
        entries=[
            {"event": event, "at": at, "node": "compute-1", "outcome": "accepted"}
            for event, at in entries
        ],
    )


def service(reaction: float, running: float) -> dict[str, Case]:
    stories = {
        ALERT: [story(reaction, running)],
        BARE: [story(0.2, 104.5, bare=True)],
        OLDER: [story(5.0, 110.0, bare=True)],
    }
    return {case.name: case for case in lab_service.cases(stories)}


def test_mark_7_is_judged_beside_the_bare_script_and_the_parts_are_shown() -> None:
    found = service(0.3, 104.6)
    whole = found[lab_service.WHOLE]
    assert whole.product == pytest.approx((4.6,))
    assert whole.beside[BARE] == pytest.approx((4.5,))
    assert reached(whole)
    assert not reached(service(0.3, 106.0)[lab_service.WHOLE])
    parts = [case for name, case in found.items() if name[0].isdigit()]
    assert [case.name[0] for case in parts] == list("123456789")
    assert sum(case.product[0] for case in parts) == pytest.approx(whole.product[0])


def test_mark_7_the_flag_and_the_reaction_are_a_share_of_the_whole() -> None:
    name = "of that, the flag and the reaction"
    share = service(0.3, 104.6)[name]
    assert share.product == pytest.approx((0.4,))
    assert reached(share)
    assert not reached(service(0.9, 104.6)[name])


def test_mark_5_is_judged_beside_the_same_death_alone() -> None:
    assert reached(lab_second.held((3.0,), (3.8,), (30.0,), 30))
    assert not reached(lab_second.held((3.0,), (4.0,), (30.0,), 30))
    assert reached(lab_second.tried((3.0,), {"15s": (12.0,), "3s": (7.0,)}))
    assert not reached(lab_second.tried((3.0,), {"15s": (12.0,), "3s": (8.0,)}))


@pytest.mark.parametrize(("seconds", "kept"), [(1.4, True), (1.9, True), (2.6, False)])
def test_mark_8_is_judged_beside_the_same_level_without_the_brake(
    seconds: float, kept: bool
) -> None:
    """Noticed after 8 s, fenced in one; when each was noticed is chance, and does not count."""
    braked = [(100.0, Fencing(asked=107.0, passed=107.5, ended=107.0 + seconds))]
    plain = [(200.0, Fencing(asked=209.0, ended=210.0))]
    fencing, whole = lab_brake.cases(braked, plain)
    assert fencing.product == pytest.approx((seconds,))
    assert whole.product == pytest.approx((8 + seconds,))
    assert whole.beside[lab_brake.WITHOUT] == pytest.approx((9.0,))
    assert reached(whole) is kept


def test_no_goal_of_a_mark_on_the_lab_is_in_seconds() -> None:
    took = {ALERT: (0.2,), POLL: (4.0,), BARE: (0.2,), READY: (0.1,), OLDER: (5.0,)}
    cases = [*lab_react.cases(took), *service(0.3, 104.6).values()]
    cases.append(lab_second.held((3.0,), (3.8,), (30.0,), 30))
    cases += lab_brake.cases([(0.0, Fencing())], [(0.0, Fencing())])
    assert all(case.goal.of for case in cases if case.goal is not None)
    assert all(" s each" not in mark.mark for mark in marks.find().values())


class Api(ThreadingHTTPServer):
    """Keystone and Nova, as far as the bare script asks them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str | None]] = []


class Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, self.headers["X-Auth-Token"]))
        answers = {
            "/v2.1/os-services?binary=nova-compute&host=compute-1": {"services": [{"id": "s"}]},
            "/v2.1/servers?all_tenants=1&host=compute-1": {"servers": [{"id": "i1"}, {"id": "i2"}]},
        }
        text = json.dumps(answers.get(self.path, {})).encode()
        refused = b"evacuate" in body and "i9" in self.path
        self.send_response(409 if refused else 201 if self.path.startswith("/v3") else 200)
        self.send_header("X-Subject-Token", "fresh")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_PUT = do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api()) as server:
        yield server


def wanted(api: Api, **known: object) -> str:
    where = ("127.0.0.1", api.server_port)
    nothing = {"token": "", "service": "", "instances": []}
    fixed = {"bell": "", "node": "compute-1", "microversion": "2.94", "login": {"auth": {}}}
    return json.dumps({**fixed, **nothing, "nova": where, "keystone": where, **known})


FORCE_DOWN = ("PUT", "/v2.1/os-services/s")
EVACUATIONS = [("POST", "/v2.1/servers/i1/action"), ("POST", "/v2.1/servers/i2/action")]


def test_the_bare_script_that_is_started_asks_for_everything_itself(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.main(wanted(api))
    requests = [(method, path) for method, path, _ in api.asked]
    assert requests[0] == ("POST", "/v3/auth/tokens")
    assert requests[1][1].startswith("/v2.1/os-services?")
    assert requests[2] == FORCE_DOWN
    assert requests[3][1].startswith("/v2.1/servers?")
    assert requests[4:] == EVACUATIONS
    assert {token for _, path, token in api.asked if path.startswith("/v2.1")} == {"fresh"}
    assert len(moments("ready\n" + capsys.readouterr().out)) == 2


def test_the_bare_script_that_is_ready_sends_the_requests_and_nothing_else(api: Api) -> None:
    bare.main(wanted(api, token="t", service="s", instances=["i1", "i2"]))
    assert [(method, path) for method, path, _ in api.asked] == [FORCE_DOWN, *EVACUATIONS]


def test_a_bare_script_that_is_refused_is_no_sample(api: Api) -> None:
    with pytest.raises(SystemExit, match="409"):
        bare.main(wanted(api, token="t", service="s", instances=["i9"]))


def test_what_the_bare_script_says() -> None:
    assert moments("") == []
    assert moments("ready\n") == []
    assert moments("ready\n1764493200.25\n1764493200.5\n") == [1764493200.25, 1764493200.5]
    assert moments("ready\n1764493200.25\nPOST /servers/x: 409 no\n") == [1764493200.25]
