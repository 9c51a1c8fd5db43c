"""Neutron's API for uwsgi.

Neutron 29 with SQLAlchemy 2.1 answers the first ``GET /ports`` with "type object 'Port' has no
attribute 'port_forwardings'": that attribute is a backref, which exists only once the mappers are
configured. So configure them before the first request.
"""

# mypy: disable-error-code="import-not-found"
# It is imported by OpenStack's own Python, where the lab's packages are not.

from neutron.db.models import port_forwarding  # noqa: F401
from neutron.wsgi.api import application  # noqa: F401
from sqlalchemy import orm

orm.configure_mappers()
