"""A sound cluster as text, in which tests replace things to break it."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from novaha.cli import configuration
from novaha.cli.doctor.cluster import Cluster
from novaha.cli.doctor.finding import Trouble, Verdict

NODES = {"controller-1": "member", "compute-1": "remote", "compute-2": "remote"}

SOUND = """\
<cib><configuration>
<crm_config><cluster_property_set id="p">
  <nvpair id="p1" name="stonith-enabled" value="true"/>
  <nvpair id="p2" name="dc-version" value="3.0.0-6"/>
</cluster_property_set></crm_config>
<nodes>
  <node id="1" uname="controller-1"/>
  <node id="compute-1" uname="compute-1" type="remote">
    <instance_attributes id="n1"><nvpair id="n11" name="osprole" value="compute"/>
    </instance_attributes></node>
  <node id="compute-2" uname="compute-2" type="remote">
    <instance_attributes id="n2"><nvpair id="n21" name="osprole" value="compute"/>
    </instance_attributes></node>
</nodes>
<resources>
  <primitive id="compute-1" class="ocf" provider="pacemaker" type="remote">
    <instance_attributes id="r1"><nvpair id="r11" name="reconnect_interval" value="60s"/>
    </instance_attributes>
    <operations><op id="r1s" name="start" interval="0s" timeout="20s"/>
      <op id="r1m" name="monitor" interval="1s" timeout="2s"/></operations>
  </primitive>
  <primitive id="compute-2" class="ocf" provider="pacemaker" type="remote">
    <instance_attributes id="r2"><nvpair id="r21" name="reconnect_interval" value="1min"/>
    </instance_attributes>
    <operations><op id="r2m" name="monitor" interval="1000ms" timeout="2"/></operations>
  </primitive>
  <primitive id="ipmi-1" class="stonith" type="fence_ipmilan"><instance_attributes id="i1">
    <nvpair id="i11" name="pcmk_host_list" value="compute-1"/>
    <nvpair id="i12" name="password" value="theirs"/></instance_attributes></primitive>
  <primitive id="ipmi-2" class="stonith" type="fence_ipmilan"><instance_attributes id="i2">
    <nvpair id="i21" name="pcmk_host_list" value="compute-2"/></instance_attributes></primitive>
  <primitive id="ipmi-c" class="stonith" type="fence_ipmilan"><instance_attributes id="ic">
    <nvpair id="ic1" name="pcmk_host_list" value="controller-1"/></instance_attributes></primitive>
  <primitive id="flag" class="stonith" type="fence_compute"><instance_attributes id="f">
    <nvpair id="f1" name="pcmk_host_list" value="compute-1 compute-2"/></instance_attributes>
  </primitive>
  <primitive id="evac" class="ocf" provider="openstack" type="NovaEvacuate">
    <instance_attributes id="ei"><nvpair id="ei1" name="verbose" value="true"/>
    </instance_attributes>
    <meta_attributes id="e">
      <nvpair id="e1" name="failure-timeout" value="60s"/>
      <nvpair id="e2" name="priority" value="100"/>
      <nvpair id="e4" name="migration-threshold" value="2"/>
    </meta_attributes></primitive>
  <clone id="nc-clone">
    <meta_attributes id="c"><nvpair id="c1" name="interleave" value="true"/></meta_attributes>
    <primitive id="nc" class="ocf" provider="openstack" type="NovaCompute">
    <meta_attributes id="m"><nvpair id="m1" name="failure-timeout" value="60s"/></meta_attributes>
  </primitive></clone>
</resources>
<constraints>
  <rsc_location id="l1" rsc="evac" resource-discovery="never">
    <rule id="l1r" score="-INFINITY"><expression id="l1e" attribute="osprole" operation="eq"
      value="compute"/></rule></rsc_location>
  <rsc_location id="l0" rsc="nc-clone" resource-discovery="never">
    <rule id="l0r" score="-INFINITY"><expression id="l0e" attribute="osprole" operation="ne"
      value="compute"/></rule></rsc_location>
  <rsc_location id="l2" rsc="nc-clone" resource-discovery="never">
    <rule id="l2r" score="0"><expression id="l2e" attribute="osprole" operation="eq"
      value="compute"/></rule></rsc_location>
  <rsc_location id="l3" rsc="nc-clone"><rule id="l3r" score="-INFINITY">
    <expression id="l3e" attribute="novaha-hold" operation="eq" value="true"/></rule>
  </rsc_location>
</constraints>
<fencing-topology>
  <fencing-level id="t1" target="compute-1" index="1" devices="ipmi-1,flag"/>
  <fencing-level id="t2" target="compute-2" index="1" devices="ipmi-2,flag"/>
</fencing-topology>
<rsc_defaults><meta_attributes id="d">
  <nvpair id="d1" name="resource-stickiness" value="1"/></meta_attributes></rsc_defaults>
<alerts><alert id="a" path="/usr/share/pacemaker/alerts/novaha_alert"/></alerts>
</configuration></cib>
"""

PROPERTY = '<nvpair id="p1" name="stonith-enabled" value="true"/>'
"""Where tests add properties of the cluster."""


def cluster(*changes: tuple[str, str], nodes: dict[str, str] = NODES) -> Cluster:
    """The sound cluster with each first text replaced by the second."""
    text = SOUND
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    root = etree.fromstring(text)
    return Cluster(root, configuration.read(root, nodes))


def with_property(name: str, value: str) -> Cluster:
    """The sound cluster with one more property."""
    return cluster((PROPERTY, f'{PROPERTY}<nvpair id="x" name="{name}" value="{value}"/>'))


def with_resource(text: str) -> Cluster:
    """The sound cluster with one more resource."""
    return cluster(("<resources>", f"<resources>{text}"))


def only(found: Iterable[Trouble], verdict: Verdict = Verdict.ERROR) -> Trouble:
    """The one thing that a check found, which is of this verdict."""
    (trouble,) = found
    assert trouble.verdict is verdict, trouble
    return trouble
