"""What `novaha setup --groups` asks of Nova: zones and racks of the compute hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from novaha.core.errors import NovahaError
from novaha.core.groups import Groups, Place, groups


def from_nova(nodes: Sequence[str], parameters: Mapping[str, str], racks: str) -> Groups:
    """The groups of these nodes. parameters: those by which the evacuator signs in.

    racks: a shell pattern of the names of aggregates that are racks, "" for none. A node that is
    no host of Nova is named among the problems.

    Raises NovahaError when Nova cannot be asked.
    """
    from novaha import wiring
    from novaha.evacuator.names import Names

    conf = wiring.conf(parameters)
    found = wiring.nova(conf).places()
    names = Names(conf.nova.host_names, conf.nova.domain, lambda: nodes)
    places: dict[str, Place] = {}
    problems: list[str] = []
    for node in nodes:
        try:
            places[node] = found[names.host(node, frozenset(found))]
        except NovahaError as error:
            problems.append(str(error))
    told = groups(places, racks)
    return Groups(told.attributes, (*problems, *told.problems))
