"""What the site has declared about its instances: which are recovered, and how. Pure."""

DEFAULT_FILE = "/etc/novaha/policy.yaml"
"""Where the policy stands; without the file there is none."""
