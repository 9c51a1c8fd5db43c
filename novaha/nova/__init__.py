"""Nova and Keystone: the only importers of novaclient and keystoneauth1."""
