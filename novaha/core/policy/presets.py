"""How other products select instances, as rules.

- The older agents (fence_compute, fence_evacuate of fence-agents): instances whose flavor has the
  extra spec `evacuable`, or whose image has the property or the tag. There, all instances are
  moved where no flavor and no image in the whole cloud has it; here the policy's default decides.
- InstanceHA (openstack-k8s-operators/infra-operator, TAGGED_FLAVORS, TAGGED_IMAGES and
  TAGGED_AGGREGATES): the same and the metadata of the host's aggregates, and the word may also be
  a part of a longer name, as in `trait:CUSTOM_evacuable`.
- Masakari ([host_failure] ha_enabled_instance_metadata_key): the instance's metadata `HA_Enabled`.
  With evacuate_all_instances, its default, the others are moved, too: `default: evacuate`.
"""

from __future__ import annotations

from collections.abc import Mapping

from novaha.core.policy.match import Condition, Key, Match

_WORD = "evacuable"
_PART = f"*{_WORD}*"


def _tagged(key: Key) -> Match:
    return (Condition(key, (True,), _WORD),)


def _tagged_in_part(key: Key) -> tuple[Match, tuple[Match, ...]]:
    """Of names that have the word in them one that says so; the word alone goes first."""
    return (Condition(key, (True,), _PART),), ((Condition(key, ("*",), _WORD),),)


_Parts = tuple[tuple[str, Match, tuple[Match, ...]], ...]

_BY_WORD: _Parts = (
    ("flavor", _tagged(Key.FLAVOR_EXTRA_SPEC), ()),
    ("image property", _tagged(Key.IMAGE_PROPERTY), ()),
)

PRESETS: Mapping[str, _Parts] = {
    "evacuable": (*_BY_WORD, ("image tag", (Condition(Key.IMAGE_TAG, (_WORD,)),), ())),
    "instanceha": (
        *_BY_WORD,
        ("aggregate", _tagged(Key.AGGREGATE_METADATA), ()),
        ("flavor in part", *_tagged_in_part(Key.FLAVOR_EXTRA_SPEC)),
        ("image property in part", *_tagged_in_part(Key.IMAGE_PROPERTY)),
        ("aggregate in part", *_tagged_in_part(Key.AGGREGATE_METADATA)),
        ("image tag", (Condition(Key.IMAGE_TAG, (_PART,)),), ()),
    ),
    "HA_Enabled": (("metadata", (Condition(Key.SERVER_METADATA, (True,), "HA_Enabled"),), ()),),
}
"""By name: parts, what matches each of them, and what does not."""
