"""Clusters that run the older agents, in the forms in which their guides have them set up.

Red Hat's by hand: "High Availability for Compute Instances", OSP 7 to 9. Director's:
puppet-tripleo, profile/base/pacemaker/instance_ha. SUSE's: crowbar-openstack, nova's recipe
compute_ha.
"""

from __future__ import annotations

CREDENTIALS = {
    "auth_url": "http://192.0.2.5:5000/v3",
    "username": "admin",
    "password": "older-secret",
    "tenant_name": "admin",
}


def pairs(owner: str, kind: str, values: dict[str, str]) -> str:
    """A set of attributes, "" if there are none."""
    inside = "".join(
        f'<nvpair id="{owner}-{kind}-{name}" name="{name}" value="{value}"/>'
        for name, value in values.items()
    )
    return f'<{kind} id="{owner}-{kind}">{inside}</{kind}>' if values else ""


def primitive(
    name: str,
    agent: str,
    attributes: dict[str, str] | None = None,
    meta: dict[str, str] | None = None,
    operations: str = "",
) -> str:
    """agent: class:type or class:provider:type."""
    parts = agent.split(":")
    provider = f' provider="{parts[1]}"' if len(parts) == 3 else ""
    return (
        f'<primitive id="{name}" class="{parts[0]}"{provider} type="{parts[-1]}">'
        f"{pairs(name, 'instance_attributes', attributes or {})}"
        f"{pairs(name, 'meta_attributes', meta or {})}"
        f"<operations>{operations}</operations></primitive>"
    )


def op(owner: str, name: str, interval: str, timeout: str) -> str:
    return (
        f'<op id="{owner}-{name}-interval-{interval}" name="{name}" interval="{interval}" '
        f'timeout="{timeout}"/>'
    )


def clone(name: str, inside: str, **meta: str) -> str:
    return f'<clone id="{name}">{inside}{pairs(name, "meta_attributes", meta)}</clone>'


def rule(
    name: str, attribute: str, operation: str, value: str, discovery: str, score: str = "0"
) -> str:
    return (
        f'<rsc_location id="location-{name}" rsc="{name}" resource-discovery="{discovery}">'
        f'<rule id="location-{name}-rule" score="{score}" boolean-op="and">'
        f'<expression id="location-{name}-expr" attribute="{attribute}" operation="{operation}" '
        f'value="{value}"/></rule></rsc_location>'
    )


def order(first: str, then: str, **options: str) -> str:
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in options.items())
    return (
        f'<rsc_order id="order-{first}-{then}-mandatory" first="{first}" first-action="start" '
        f'then="{then}" then-action="start"{more}/>'
    )


def level(target: str, devices: str) -> str:
    return f'<fencing-level id="fl-{target}-1" target="{target}" index="1" devices="{devices}"/>'


def nodes(roles: dict[str, tuple[str, str]]) -> str:
    """By remote node: the attribute that makes it a compute node, and its value."""
    role = next((name for name, value in roles.values() if value == "compute"), "")
    controllers = "".join(
        f'<node id="{number}" uname="controller-{number}">'
        f"{pairs(f'nodes-{number}', 'instance_attributes', {role: 'controller'} if role else {})}"
        "</node>"
        for number in (1, 2)
    )
    remote = "".join(
        f'<node id="{node}" uname="{node}" type="remote">'
        f"{pairs(f'nodes-{node}', 'instance_attributes', {name: value})}</node>"
        for node, (name, value) in roles.items()
    )
    return controllers + remote


def cib(node: str, resources: str, constraints: str, levels: str) -> str:
    return (
        '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" '
        'admin_epoch="0"><configuration><crm_config/>'
        f"<nodes>{node}</nodes><resources>{resources}</resources>"
        f"<constraints>{constraints}</constraints>"
        f"<fencing-topology>{levels}</fencing-topology>"
        # As director sets it; where a device promises unfencing, all ask for it else.
        f"<rsc_defaults>{pairs('rsc', 'meta_attributes', {'requires': 'fencing'})}</rsc_defaults>"
        "</configuration><status/></cib>"
    )


def remote(*names: str) -> str:
    return "".join(
        primitive(name, "ocf:pacemaker:remote", {"reconnect_interval": "60"}) for name in names
    )


def ipmi(node: str) -> str:
    return primitive(f"ipmi-{node}", "stonith:fence_ipmilan", {"pcmk_host_list": node})


def fence_nova(meta: dict[str, str] | None = None, **attributes: str) -> str:
    older = {
        "auth-url": "http://192.0.2.5:5000/v3",
        "login": "admin",
        "passwd": "older-secret",
        "tenant-name": "admin",
        "record-only": "1",
    }
    return primitive(
        "fence-nova",
        "stonith:fence_compute",
        older | attributes,
        meta,
        op("fence-nova", "monitor", "60s", "180s"),
    )


HOSTS = ("compute-1", "compute-2")

RED_HAT = cib(
    nodes(dict.fromkeys(HOSTS, ("osprole", "compute"))),
    remote(*HOSTS)
    + "".join(map(ipmi, HOSTS))
    + primitive(
        "nova-evacuate",
        "ocf:openstack:NovaEvacuate",
        {**CREDENTIALS, "domain": "localdomain", "no_shared_storage": "1"},
        operations=op("nova-evacuate", "monitor", "60s", "240s")
        + op("nova-evacuate", "start", "0s", "20")
        + op("nova-evacuate", "stop", "0s", "20"),
    )
    + clone(
        "libvirtd-compute-clone",
        primitive("libvirtd-compute", "systemd:libvirtd"),
        interleave="true",
    )
    + clone(
        "nova-compute-checkevacuate-clone",
        primitive(
            "nova-compute-checkevacuate",
            "ocf:openstack:nova-compute-wait",
            {**CREDENTIALS, "domain": "localdomain"},
            operations=op("nova-compute-checkevacuate", "start", "0s", "300"),
        ),
        interleave="true",
    )
    + clone(
        "nova-compute-clone",
        primitive(
            "nova-compute",
            "systemd:openstack-nova-compute",
            operations=op("nova-compute", "monitor", "60s", "100"),
        ),
        interleave="true",
    )
    + clone(
        "compute-unfence-trigger-clone",
        primitive("compute-unfence-trigger", "ocf:pacemaker:Dummy", {}, {"requires": "unfencing"}),
        interleave="true",
    )
    + fence_nova({"provides": "unfencing"}, domain="localdomain"),
    "".join(
        rule(f"{name}-clone", "osprole", "eq", "compute", "exclusive")
        for name in (
            *("libvirtd-compute", "nova-compute-checkevacuate", "nova-compute"),
            "compute-unfence-trigger",
        )
    )
    + rule("nova-evacuate", "osprole", "eq", "controller", "exclusive")
    + order("compute-unfence-trigger-clone", "libvirtd-compute-clone")
    + order("libvirtd-compute-clone", "nova-compute-clone")
    + order("nova-compute-checkevacuate-clone", "nova-compute-clone", require_all="true")
    + order("nova-compute-clone", "nova-evacuate", require_all="false"),
    "".join(level(host, f"ipmi-{host},fence-nova") for host in HOSTS),
)

DIRECTOR = cib(
    nodes(dict.fromkeys(HOSTS, ("compute-instanceha-role", "true")))
    + '<node id="galera-bundle-0" uname="galera-bundle-0" type="remote"/>',
    remote(*HOSTS)
    + "".join(map(ipmi, HOSTS))
    + '<bundle id="galera-bundle"><podman image="x" replicas="1"/>'
    + '<network control-port="3123"/></bundle>'
    + primitive(
        "nova-evacuate",
        "ocf:openstack:NovaEvacuate",
        {
            **CREDENTIALS,
            "user_domain": "Default",
            "project_domain": "Default",
            "no_shared_storage": "true",
            "evacuate_delay": "5",
        },
        operations=op("nova-evacuate", "monitor", "10", "600"),
    )
    + clone(
        "compute-unfence-trigger-clone",
        primitive("compute-unfence-trigger", "ocf:pacemaker:Dummy", {}, {"requires": "unfencing"}),
    )
    + fence_nova({"provides": "unfencing"}, pcmk_host_list="compute-1,compute-2"),
    rule("nova-evacuate", "compute-instanceha-role", "eq", "true", "never", "-INFINITY")
    + rule(
        "compute-unfence-trigger-clone",
        *("compute-instanceha-role", "ne", "true", "never", "-INFINITY"),
    ),
    "".join(level(host, f"ipmi-{host},fence-nova") for host in HOSTS),
)

SUSE_HOSTS = ("remote-d52-1", "remote-d52-2")

SUSE = cib(
    nodes(dict.fromkeys(SUSE_HOSTS, ("OpenStack-role", "compute"))),
    remote(*SUSE_HOSTS)
    + "".join(map(ipmi, SUSE_HOSTS))
    + primitive(
        "nova-evacuate",
        "ocf:openstack:NovaEvacuate",
        {**CREDENTIALS, "endpoint_type": "internalURL", "domain": "example.org"},
        operations=op("nova-evacuate", "monitor", "10s", "600s"),
    )
    + clone(
        "cl-g-nova-compute",
        '<group id="g-nova-compute">'
        + primitive("libvirtd-compute", "systemd:libvirtd")
        + primitive("neutron-openvswitch-agent-compute", "systemd:neutron-openvswitch-agent")
        + primitive(
            "nova-compute",
            "ocf:openstack:NovaCompute",
            {**CREDENTIALS, "domain": "example.org", "no_shared_storage": "0"},
            operations=op("nova-compute", "monitor", "10s", "20s"),
        )
        + "</group>",
        **{"clone-max": "2", "interleave": "true"},
    )
    + fence_nova(
        pcmk_host_map="remote-d52-1:d52-1;remote-d52-2:d52-2",
        domain="example.org",
        debug="/var/log/nova/fence_compute.log",
        verbose="1",
    ),
    rule("cl-g-nova-compute", "OpenStack-role", "eq", "compute", "exclusive")
    + rule("nova-evacuate", "OpenStack-role", "ne", "compute", "exclusive")
    + order("cl-g-nova-compute", "nova-evacuate"),
    "".join(level(host, f"ipmi-{host},fence-nova") for host in SUSE_HOSTS),
)

FENCE_EVACUATE = cib(
    nodes(dict.fromkeys(HOSTS, ("osprole", "compute"))),
    remote(*HOSTS)
    + "".join(map(ipmi, HOSTS))
    + primitive(
        "fence-evacuate",
        "stonith:fence_evacuate",
        {"auth_url": "http://192.0.2.5:5000/v3", "username": "admin", "password": "older-secret"},
    )
    + clone(
        "nova-compute-clone",
        primitive("nova-compute", "ocf:openstack:NovaCompute", {"binary": "/usr/bin/nova-compute"}),
        interleave="true",
    ),
    rule("nova-compute-clone", "osprole", "eq", "compute", "exclusive"),
    "".join(level(host, f"ipmi-{host},fence-evacuate") for host in HOSTS),
)

FORMS = {
    "red-hat": RED_HAT,
    "director": DIRECTOR,
    "suse": SUSE,
    "fence-evacuate": FENCE_EVACUATE,
}

OPTIONS = {"director": ("--compute-option", "unit=tripleo_nova_compute")}
"""What `novaha migrate` has to be told of a form."""
