"""Where a cloud keeps its data: one directory, so that the golden copy is made by the same code."""

from dataclasses import dataclass
from pathlib import Path

from novahalab import layout

VENV = layout.CLOUD / "venv"
GOLDEN = layout.CLOUD / "golden"


@dataclass(frozen=True)
class CloudPaths:
    """The files of one cloud, below ``root``."""

    root: Path
    logs: Path
    venv: Path = VENV

    @classmethod
    def live(cls) -> "CloudPaths":
        """Return the paths of the lab's running cloud."""
        return cls(layout.SERVICES, layout.LOGS / "cloud")

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def database(self) -> Path:
        return self.root / "database"

    @property
    def bus(self) -> Path:
        return self.root / "bus"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    def log(self, service: str) -> Path:
        """Return the one log of a service: its own messages and what it prints."""
        return self.logs / f"{service}.log"

    def process(self, service: str) -> Path:
        """Return where the service's process is written down."""
        return self.root / "processes" / service

    def make(self) -> None:
        """Create the directories; keys are for their owner alone."""
        for directory in (
            self.etc,
            self.database,
            self.bus,
            self.images / "staging",
            self.images / "tasks",
            self.lock,
            self.logs,
            self.root / "processes",
            self.root / "nova",
            self.root / "neutron",
        ):
            directory.mkdir(parents=True, exist_ok=True)
        for name in ("fernet", "credential"):
            (self.keys / name).mkdir(mode=0o700, parents=True, exist_ok=True)
