"""Random histories of a small site: the laws hold throughout, and every recovery ends."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novaha.core.errors import NotSentError, RefusedError, UnknownOutcomeError
from novaha.core.situation import Policy
from tests.fakes.cluster import Site

HOSTS = 4
names = st.sampled_from([f"compute-{n}" for n in range(1, HOSTS)])  # compute-4 always lives
methods = st.sampled_from(
    [
        "services",
        "instances_on",
        "instance",
        "evacuations_from",
        "evacuate",
        "stop",
        "set_forced_down",
        "disable",
        "enable",
    ]
)
faults = st.sampled_from(
    [
        NotSentError("x", "connection refused"),
        UnknownOutcomeError("x", "HTTP 500"),
        ("after", UnknownOutcomeError("x", "timed out")),
        RefusedError("x", 400, "not now"),
    ]
)
happenings = st.one_of(
    st.tuples(st.just("fence"), names),
    st.tuples(st.just("fence unconfirmed"), names),
    st.tuples(st.just("boot"), names),
    st.tuples(st.just("kill evacuator"), st.just("")),
    st.tuples(st.just("fault"), st.tuples(methods, faults)),
    st.tuples(st.just("outage"), st.floats(1, 120)),
    st.tuples(st.just("wait"), st.floats(0.25, 60)),
)


def happen(site: Site, what: str, detail: object) -> None:
    match what:
        case "fence":
            site.fence(str(detail))
        case "fence unconfirmed":
            site.fence(str(detail), confirmed=False)
        case "boot":
            if not site.nova.hosts[str(detail)].running:
                site.boot(str(detail))
        case "kill evacuator":
            site.kill_evacuator()
            site.start_evacuator()
        case "fault":
            method, fault = detail  # type: ignore[misc]
            if method != "evacuate" and isinstance(fault, tuple):
                fault = fault[1]
            site.nova.faults.setdefault(method, []).append(fault)
        case "outage":
            site.nova.down = NotSentError("x", "no route to host")
            site.pass_time(float(detail))  # type: ignore[arg-type]
            site.nova.down = None
        case "wait":
            site.pass_time(float(detail))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    history=st.lists(happenings, max_size=12),
    spawn_delay=st.floats(0.5, 40),
    stopped=st.sets(st.integers(0, 5)),
    policy=st.builds(Policy, max_in_flight=st.integers(1, 8)),
)
def test_laws_2_to_5_hold_in_random_histories_and_every_recovery_ends(
    history: list[tuple[str, object]], spawn_delay: float, stopped: set[int], policy: Policy
) -> None:
    site = Site(hosts=HOSTS, policy=policy)
    site.nova.spawn_delay = spawn_delay
    for number in range(6):
        off = number in stopped
        name = f"{'off' if off else 'run'}-{number}"
        site.nova.add_instance(name, f"compute-{number % 2 + 1}", "stopped" if off else "active")
    for what, detail in history:
        happen(site, what, detail)
        site.pass_time(0.5)
    # Afterwards the world is kind: what was asked for is confirmed, hosts come back.
    site.nova.faults.clear()
    for host in sorted(site.nova.hosts):
        if not site.nova.hosts[host].running and host not in site.records.attributes:
            site.boot(host)
        if host in site.records.attributes:
            site.fence(host)

    def over() -> bool:
        for host in site.nova.hosts:
            if host in site.records.attributes and not site.nova.hosts[host].running:
                site.boot(host)
        return not site.records.attributes

    site.run_until(over, limit=3000)
    for instance, (host, state) in site.where().items():
        assert site.nova.hosts[host].running, f"{instance} is lost on {host}"
        assert state == ("active" if instance.startswith("run") else "stopped"), instance
        wanted = {host} if state == "active" else set()
        assert site.nova.guests[instance] == wanted or not wanted, instance
    for host in site.nova.hosts.values():
        assert (host.forced_down, host.enabled, host.hidden) == (False, True, False), host.name
