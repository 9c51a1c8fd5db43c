"""Configuration: /etc/novaha/novaha.conf, and the parameters of a resource, which win over it."""
