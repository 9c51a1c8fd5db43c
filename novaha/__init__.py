"""High availability for OpenStack compute instances on Pacemaker."""

__version__ = "0.1.0"
