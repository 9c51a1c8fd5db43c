"""What a fence device does to a host, and whether its success proves that the guests have ended.

That is decided by what the agent does (law 1, docs/adr/0008): a success of an agent that cuts the
host off its storage, asks a question or does nothing comes while the guests run on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from novaha.core import truth
from novaha.core.agents import FENCE_AGENT

POWER_AGENTS = "power_agents"
"""Parameter of our device: agents that the administrator declares to cut power."""

_ENDS_GUESTS = frozenset({"off", "reboot", "poweroff", "reset"})
"""What an agent may be told to do instead of `off` and `reboot` and still ends all guests."""


class Effect(Enum):
    """What an agent's success means; the value says it of the agent, for people."""

    POWER = "cuts the host's power"
    WATCHDOG = "relies on a watchdog that must run on the host"
    STORAGE = "cuts the host off its storage, and its guests run on"
    NETWORK = "cuts the host off its network, and its guests run on"
    QUESTION = "only decides whether the device after it is to act"
    CRASH_DUMP = "only hears that the host writes a crash dump"
    PERSON = "only asks a person"
    FLAG = "only flags the host"
    NOTHING = "does nothing to the host"
    UNKNOWN = "is not known to novaha"


_MAY_BE_DECLARED = frozenset(
    {Effect.UNKNOWN, Effect.WATCHDOG, Effect.CRASH_DUMP, Effect.PERSON, Effect.POWER}
)
"""What a site may know better. Of the others every site knows that the guests run on."""


def _named(effect: Effect, names: str) -> dict[str, Effect]:
    return dict.fromkeys(names.split(), effect)


# fence-agents (upstream, and what of it has been dropped since), fence-virt, fence-sanlock, and the
# plugins of cluster-glue.
_AGENTS: Mapping[str, Effect] = {
    **_named(
        Effect.POWER,
        # power switches and the hosts' own management
        "fence_alom fence_amt fence_amt_ws fence_apc fence_apc_snmp fence_baytech "
        "fence_bladecenter fence_bladecenter_snmp fence_bullpap fence_cdu fence_cisco_ucs "
        "fence_cpint fence_cyberpower_ssh fence_drac fence_drac5 fence_drac_ssh fence_eaton_snmp "
        "fence_eaton_ssh fence_egenera fence_emerson fence_eps fence_epsr2 fence_hds_cb "
        "fence_hpblade fence_ibmblade fence_idrac fence_ilo fence_ilo2 fence_ilo3 fence_ilo3_ssh "
        "fence_ilo4 fence_ilo4_ssh fence_ilo5 fence_ilo5_ssh fence_ilo_moonshot fence_ilo_mp "
        "fence_ilo_ssh fence_imm fence_intelmodular fence_ipdu fence_ipmilan fence_ipmilanplus "
        "fence_lindypdu fence_netio fence_powerman fence_raritan fence_raritan_px3 "
        "fence_rcd_serial fence_redfish fence_rsa fence_rsb fence_shelly_gen2 "
        "fence_tripplite_snmp fence_wti fence_xcat "
        # partitions, virtual machines, containers and clouds: what the host is a guest of
        "fence_aliyun fence_aws fence_azure_arm fence_docker fence_ecloud fence_gce "
        "fence_hetzner_cloud fence_ibm_powervs fence_ibm_vpc fence_ibmz fence_ironic "
        "fence_kubevirt fence_ldom fence_lpar fence_nutanix_ahv fence_openstack fence_ovh "
        "fence_ovm fence_pve fence_rhevm fence_skalar fence_vbox fence_virsh fence_virt "
        "fence_vmware fence_vmware_rest fence_vmware_soap fence_vmware_vcloud fence_xenapi "
        "fence_xvm fence_zvm fence_zvmip "
        # cluster-glue
        "apcmaster apcmastersnmp apcsmart baytech bladehpi cyclades drac3 ibmhmc ipmilan "
        "nw_rpc100s rcd_serial ribcl rps10 wti_mpc wti_nps external/drac5 external/dracmc-telnet "
        "external/ec2 external/hetzner external/hmchttp external/ibmrsa external/ibmrsa-telnet "
        "external/ipmi external/ippower9258 external/libvirt external/nut external/rackpdu "
        "external/riloe external/vcenter external/vmware external/xen0 external/xen0-ha",
    ),
    **_named(Effect.WATCHDOG, "fence_sbd fence_watchdog watchdog fence_sanlock external/sbd"),
    **_named(Effect.STORAGE, "fence_scsi fence_mpath fence_brocade fence_cisco_mds fence_sanbox2"),
    **_named(Effect.STORAGE, "fence_mcdata fence_vixel"),
    **_named(Effect.NETWORK, "fence_ifmib fence_aws_vpc_net"),
    **_named(Effect.QUESTION, "fence_heuristics_ping fence_crosslink"),
    **_named(Effect.CRASH_DUMP, "fence_kdump external/kdumpcheck"),
    **_named(Effect.PERSON, "fence_ack_manual fence_manual meatware"),
    **_named(Effect.FLAG, f"{FENCE_AGENT} fence_evacuate"),
    **_named(Effect.NOTHING, "fence_dummy fence_true fence_pcmk fence_legacy null ssh"),
    **_named(Effect.NOTHING, "external/ssh suicide"),
}

_FAMILIES = (
    ("fence_heuristics_", Effect.QUESTION),
    ("fence_dummy_", Effect.NOTHING),
)


def effect_of(agent: str) -> Effect:
    """What the agent does to a host."""
    if agent in _AGENTS:
        return _AGENTS[agent]
    return next((e for prefix, e in _FAMILIES if agent.startswith(prefix)), Effect.UNKNOWN)


def host_map(text: str) -> Iterator[tuple[str, str]]:
    """The pairs of a `pcmk_host_map`, as Pacemaker reads it: the node, and what its device calls it
    (several separated by commas), "" where that is missing."""
    for entry in re.split(r"[\s;]+", text):
        node, *plugs = re.split(r"[:=]", entry, maxsplit=1)
        yield node.replace("\\", ""), "".join(plugs)


def known_agents() -> Mapping[str, Effect]:
    """Every agent that is known by its name."""
    return dict(_AGENTS)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a device's success proves that the guests of a node have ended.

    why_not: what it does instead, said of the device; "" if it proves that.
    declarable: the agent that an administrator may declare to cut power, "" if that is no way out.
    """

    why_not: str = ""
    declarable: str = ""

    def __bool__(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True)
class FenceDevice:
    """A stonith resource: its id, its agent, its parameters."""

    id: str
    agent: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def effect(self) -> Effect:
        """What it does to a host, as it is configured."""
        effect = effect_of(self.agent)
        network = self.attributes.get("network_fencing", self.attributes.get("network-fencing", ""))
        if self.agent == "fence_azure_arm" and truth.is_true(network):
            return Effect.NETWORK  # it returns when the network is cut, and does not wait for more
        return effect

    def proof(self, *, member: bool, declared: Collection[str] = ()) -> Proof:
        """Whether its success proves that the guests have ended.

        member: the node is a full member of the cluster, whose watchdog Pacemaker starts with and
            watches; not so on a remote or guest node.
        declared: agents that the administrator declares to cut power.
        """
        for action in ("off", "reboot"):
            name, told = self._told_to_do(action)
            if told.strip().lower() not in _ENDS_GUESTS:
                return Proof(f"does nothing to the host: its {name} is {told.strip().lower()!r}")
        effect = self.effect
        if effect is Effect.POWER or (effect is Effect.WATCHDOG and member):
            return Proof()
        if effect not in _MAY_BE_DECLARED:
            return Proof(effect.value)
        return Proof() if self.agent in declared else Proof(effect.value, self.agent)

    def _told_to_do(self, action: str) -> tuple[str, str]:
        """What Pacemaker tells the agent to do in place of `off` or `reboot`, and who says so.

        It takes the older parameter `action` for both where theirs are not set, but for `off`,
        which it takes for `reboot` alone, and `reboot`, which means nothing (read in the source).
        """
        own = f"pcmk_{action}_action"
        older = self.attributes.get("action", "")
        if own in self.attributes or older in ("", "reboot", "off"):
            return own, self.attributes.get(own, action)
        return "action", older


def declared_agents(devices: Collection[FenceDevice]) -> frozenset[str]:
    """The agents that the administrator declares to cut power, on any device of ours."""
    given = (d.attributes.get(POWER_AGENTS, "") for d in devices if d.agent == FENCE_AGENT)
    return frozenset(filter(None, re.split(r"[\s,;]+", " ".join(given))))
