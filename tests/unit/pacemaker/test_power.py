"""Whether power devices say that a host is off: they are asked as Pacemaker would ask them."""

from __future__ import annotations

from typing import Any

import pytest

from novaha.core.errors import ClusterToolError
from novaha.pacemaker import power
from novaha.pacemaker.runner import Result, Runner

LEVEL = '<fencing-level id="l1" target="compute-1" index="1" devices="brake,ipmi,flag"/>'
BRAKE = '<primitive id="brake" class="stonith" type="fence_heuristics_compute"/>'
FLAG = '<primitive id="flag" class="stonith" type="fence_compute"/>'


def device(name: str = "ipmi", agent: str = "fence_ipmilan", **parameters: str) -> str:
    pairs = "".join(f'<nvpair name="{n}" value="{v}"/>' for n, v in parameters.items())
    attributes = f"<instance_attributes>{pairs}</instance_attributes>"
    return f'<primitive id="{name}" class="stonith" type="{agent}">{attributes}</primitive>'


class Site(Runner):
    """A CIB, and devices that answer with an exit code: 0 on, 2 off, None nothing."""

    def __init__(self, *elements: str, **answers: int | None) -> None:
        self.cib = f"<xpath-query>{''.join(elements)}</xpath-query>".encode()
        self.answers = answers
        self.asked: list[dict[str, str]] = []

    def __call__(self, argv: Any, *, stdin: bytes | None = None, **_: Any) -> Result:
        if argv[0] == "cibadmin":
            return Result(tuple(argv), 0, self.cib, "")
        said = dict(line.split("=", 1) for line in (stdin or b"").decode().splitlines())
        self.asked.append(said)
        code = self.answers[said.get("ip", "ipmi")]
        if code is None:
            raise ClusterToolError(argv, 1, "no answer")
        return Result(tuple(argv), code, b"", "")


@pytest.fixture(autouse=True)
def agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power.shutil, "which", lambda name, path: f"{path.split(':')[0]}/{name}")


def ask(site: Site, node: str = "compute-1") -> bool | None:
    return power.power_is_off(node, 2.0, site)


@pytest.mark.parametrize(("code", "off"), [(2, True), (0, False), (None, None)])
def test_law_10_the_devices_word(code: int | None, off: bool | None) -> None:
    assert ask(Site(device(), BRAKE, FLAG, LEVEL, ipmi=code)) is off


def test_the_request_has_the_device_its_own_parameters_and_no_fencing_action() -> None:
    site = Site(device(password="p", action="off", pcmk_reboot_action="off"), LEVEL, ipmi=2)
    ask(site, "COMPUTE-1")
    assert site.asked == [
        {"password": "p", "action": "status", "nodename": "COMPUTE-1", "plug": "COMPUTE-1"}
    ]


@pytest.mark.parametrize(
    ("mapped", "plug"),
    [
        ("compute-1:7", "7"),
        ("compute-1=7", "7"),
        ("compute-9:1;Compute-1:7,8", "7"),
        ("compute-1:a:b", "a:b"),
        ("compute-9:1", "compute-1"),
        ("compute-1", "compute-1"),
        ("compute-1:", "compute-1"),
        ("", "compute-1"),
    ],
)
def test_law_10_no_other_hosts_power_is_asked_for(mapped: str, plug: str) -> None:
    site = Site(device(pcmk_host_map=mapped), LEVEL, ipmi=0)
    ask(site)
    assert [asked["plug"] for asked in site.asked] == [plug]


def test_law_10_every_power_device_of_a_level_has_to_say_so() -> None:
    level = LEVEL.replace("ipmi", "a,b")
    both = [device("a", ip="a"), device("b", ip="b")]
    assert ask(Site(*both, level, a=2, b=2)) is True
    assert ask(Site(*both, level, a=2, b=0)) is False
    assert ask(Site(*both, level, a=2, b=None)) is None


def test_law_10_a_device_made_from_a_template_counts_too() -> None:
    template = '<template id="t" class="stonith" type="fence_ipmilan"/>'
    of_it = '<primitive id="b" template="t"><instance_attributes><nvpair name="ip" value="b"/>'
    of_it += "</instance_attributes></primitive>"
    level = LEVEL.replace("ipmi", "a,b")
    assert ask(Site(device("a", ip="a"), template, of_it, level, a=2, b=0)) is False


def test_law_10_a_device_that_cuts_only_the_network_knows_nothing_of_power() -> None:
    azure = device(agent="fence_azure_arm", network_fencing="true")
    assert ask(Site(azure, LEVEL, ipmi=2)) is None


def test_what_cannot_be_asked_does_not_say() -> None:
    assert ask(Site(device(), ipmi=2)) is None, "no level"
    assert ask(Site(device(), LEVEL, ipmi=2), "compute-2") is None, "another host's level"
    assert ask(Site(BRAKE, FLAG, LEVEL, ipmi=2)) is None, "no power device"
    assert ask(Site(device(password="lrm://"), LEVEL, ipmi=2)) is None, "its password is elsewhere"
