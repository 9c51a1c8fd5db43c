"""What a fresh cloud needs before it can boot an instance, made through its own APIs."""

from typing import Any

from . import settings
from .client import Client

SERVICE_USERS = ("nova", "placement", "glance", "neutron")
# id, name, units: a unit is a vCPU and 64 MiB
FLAVORS = (("1", "m1.nano", 1), ("2", "m1.micro", 2))
ENDPOINTS = (
    ("placement", "placement", ""),
    ("glance", "image", ""),
    ("neutron", "network", ""),
    ("nova-api", "compute", "/v2.1"),
)


class _Identity:
    """Keystone, as far as it is needed here."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, kind: str, **fields: Any) -> str:
        """Create a resource, such as a user, and return its id."""
        answer = self._client.call("POST", "keystone", f"/v3/{kind}s", {kind: fields})
        return str(answer[kind]["id"])

    def roles(self) -> dict[str, str]:
        answer = self._client.call("GET", "keystone", "/v3/roles")
        return {role["name"]: role["id"] for role in answer["roles"]}

    def grant(self, project: str, user: str, role: str) -> None:
        path = f"/v3/projects/{project}/users/{user}/roles/{role}"
        self._client.call("PUT", "keystone", path)


def identities(client: Client) -> None:
    """Create projects, users, roles and endpoints.

    ``hauser`` has the role service, ``harole`` a role of its own (``ha``), ``demo`` is a tenant.
    """
    identity = _Identity(client)
    roles = identity.roles()
    for name in {"service", "ha"} - roles.keys():
        roles[name] = identity.create("role", name=name)
    service = identity.create("project", name="service", domain_id="default")
    demo = identity.create("project", name="demo", domain_id="default")
    users: list[tuple[str, str, tuple[str, ...]]]
    users = [(name, service, ("admin", "service")) for name in SERVICE_USERS]
    users += [("hauser", service, ("service",)), ("harole", service, ("ha",))]
    users += [("demo", demo, ("member",))]
    for name, project, granted in users:
        user = identity.create(
            "user",
            name=name,
            domain_id="default",
            password=settings.SERVICE_PASSWORD,
            default_project_id=project,
        )
        for role in granted:
            identity.grant(project, user, roles[role])
    for name, kind, path in ENDPOINTS:
        service_id = identity.create("service", name=name.removesuffix("-api"), type=kind)
        for interface in ("public", "internal", "admin"):
            identity.create(
                "endpoint",
                service_id=service_id,
                interface=interface,
                url=settings.url(name, path),
                region_id=settings.REGION,
            )


def resources(client: Client) -> None:
    """Create the image and the flavors."""
    image = client.call(
        "POST",
        "glance",
        "/v2/images",
        {
            "name": "tiny",
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "public",
        },
    )
    client.call("PUT", "glance", f"/v2/images/{image['id']}/file", data=b"\0" * 1024)
    for flavor_id, name, units in FLAVORS:
        flavor = {"id": flavor_id, "name": name, "vcpus": units, "ram": 64 * units, "disk": 1}
        client.compute("POST", "/flavors", {"flavor": flavor})
