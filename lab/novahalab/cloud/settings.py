"""Where the lab's cloud is and how one gets in; nothing of it is secret."""

from novahalab import layout

ADDRESS = layout.address("cloud", "api")
REGION = "RegionOne"

# The admin of the cloud, a user, its password and its project.
ADMIN = "admin"
SERVICE_PASSWORD = "pw"
BUS_USER = "lab"
BUS_PASSWORD = "lab"

PORTS = {
    "keystone": 5000,
    "placement": 8778,
    "glance": 9292,
    "neutron": 9696,
    "nova-api": 8774,
    "database": 3306,
    "bus": 5672,
}
DATABASES = ("keystone", "placement", "glance", "neutron", "nova_api", "nova_cell0", "nova_cell1")


def url(service: str, path: str = "") -> str:
    """Return the URL of a service's API."""
    return f"http://{ADDRESS}:{PORTS[service]}{path}"


AUTH_URL = url("keystone", "/v3")


def database_url(name: str) -> str:
    """Return the SQLAlchemy URL of one database; the server checks no passwords."""
    return f"mysql+pymysql://root@{ADDRESS}:{PORTS['database']}/{name}?charset=utf8mb4"


def bus_url() -> str:
    """Return the oslo.messaging transport URL."""
    return f"rabbit://{BUS_USER}:{BUS_PASSWORD}@{ADDRESS}:{PORTS['bus']}/"
