"""What the running lab was started with; kept in ``run/`` for the commands that come after."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

from novahalab import layout
from novahalab.errors import LabError

PRODUCTS = ("wheel", "packages")


def default_product() -> str:
    """How novaha is installed when nobody says; chaos and the tests say it by the environment.

    Raises LabError.
    """
    product = os.environ.get("NOVAHA_LAB_PRODUCT") or PRODUCTS[0]
    if product not in PRODUCTS:
        raise LabError(f"NOVAHA_LAB_PRODUCT={product} is none of {', '.join(PRODUCTS)}")
    return product


@dataclass(frozen=True)
class Settings:
    """Options of ``lab up``. product: how novaha is installed, one of PRODUCTS.

    hyperconverged: the controllers are the compute hosts, and there are no remote nodes.
    """

    computes: int = 3
    pacemaker: str = "native"
    bare: bool = False
    product: str = field(default_factory=default_product)
    hyperconverged: bool = False

    @property
    def compute_nodes(self) -> tuple[str, ...]:
        """Names of the compute nodes."""
        return layout.CONTROLLERS if self.hyperconverged else layout.computes(self.computes)

    @property
    def remote_nodes(self) -> tuple[str, ...]:
        """Names of the compute nodes that are remote nodes of the cluster."""
        return () if self.hyperconverged else self.compute_nodes

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of all cluster nodes, controllers first."""
        return (*layout.CONTROLLERS, *self.remote_nodes)

    def save(self) -> None:
        """Write them down for later commands."""
        layout.STATE.write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def load(cls) -> Settings:
        """Those of the running lab. Raises LabError if none is up."""
        try:
            return cls(**json.loads(layout.STATE.read_text()))
        except FileNotFoundError:
            raise LabError("the lab is not up; `lab up` starts it") from None

    def node(self, name: str) -> str:
        """``name`` if it is a node of this lab; LabError if it is not."""
        if name not in self.nodes:
            raise LabError(f"no node {name!r} in this lab; there are " + ", ".join(self.nodes))
        return name
