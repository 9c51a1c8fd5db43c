"""The configuration files of the cloud's services, as data."""

from collections.abc import Mapping
from pathlib import Path

from novahalab import layout

from . import settings
from .paths import CloudPaths

Section = Mapping[str, object]
Sections = Mapping[str, Section]

POOL: Section = {"max_pool_size": 20, "max_overflow": 40}
# A bus that comes back is found within seconds; queues and messages outlive its restart.
BUS: Section = {
    "rabbit_retry_interval": 1,
    "rabbit_retry_backoff": 1,
    "rabbit_interval_max": 3,
    "amqp_durable_queues": True,
}
NO_NOTIFICATIONS: Section = {"driver": "noop"}


def render(sections: Sections) -> str:
    """Return the text of an oslo.config file."""
    lines = []
    for name, options in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {_text(value)}" for key, value in options.items()]
        lines.append("")
    return "\n".join(lines)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _client(user: str) -> dict[str, object]:
    return {
        "auth_url": settings.AUTH_URL,
        "auth_type": "password",
        "username": user,
        "password": settings.SERVICE_PASSWORD,
        "user_domain_id": "default",
        "project_name": "service",
        "project_domain_id": "default",
        "region_name": settings.REGION,
    }


def _endpoint_client(user: str) -> Section:
    return {**_client(user), "valid_interfaces": "internal"}


def _authtoken(user: str, service_type: str) -> Section:
    return {
        **_client(user),
        "www_authenticate_uri": settings.AUTH_URL,
        "interface": "internal",
        "service_token_roles": "service",
        "service_token_roles_required": True,
        "service_type": service_type,  # else access rules of application credentials do not work
    }


def _log(paths: CloudPaths, service: str) -> Section:
    return {"log_file": paths.log(service)}


def keystone(paths: CloudPaths) -> Sections:
    """Return keystone.conf. Few password hash rounds: a token costs milliseconds."""
    return {
        "DEFAULT": {**_log(paths, "keystone"), "max_token_size": 512},
        "database": {"connection": settings.database_url("keystone"), **POOL},
        "cache": {"enabled": True, "backend": "oslo_cache.dict"},
        "identity": {"password_hash_rounds": 4},
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": paths.keys / "fernet"},
        "fernet_receipts": {"key_repository": paths.keys / "fernet"},
        "credential": {"key_repository": paths.keys / "credential"},
    }


def placement(paths: CloudPaths) -> Sections:
    """Return placement.conf."""
    return {
        "DEFAULT": _log(paths, "placement"),
        "placement_database": {"connection": settings.database_url("placement"), **POOL},
        "api": {"auth_strategy": "keystone"},
        "keystone_authtoken": _authtoken("placement", "placement"),
    }


def glance(paths: CloudPaths) -> Sections:
    """Return glance-api.conf."""
    images = paths.images
    return {
        "DEFAULT": {
            **_log(paths, "glance"),
            "enabled_backends": "file:file",
            "transport_url": settings.bus_url(),
        },
        "database": {"connection": settings.database_url("glance"), **POOL},
        "glance_store": {"default_backend": "file"},
        "file": {"filesystem_store_datadir": images},
        "os_glance_staging_store": {"filesystem_store_datadir": images / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": images / "tasks"},
        "oslo_concurrency": {"lock_path": paths.lock},
        "oslo_messaging_notifications": NO_NOTIFICATIONS,
        "paste_deploy": {
            "flavor": "keystone",
            "config_file": paths.venv / "etc/glance/glance-api-paste.ini",
        },
        "keystone_authtoken": _authtoken("glance", "image"),
    }


def neutron(paths: CloudPaths) -> Sections:
    """Return neutron.conf: the API only, no agents, no networks that anything would plug."""
    return {
        "DEFAULT": {
            **_log(paths, "neutron"),
            "transport_url": settings.bus_url(),
            "core_plugin": "ml2",
            "service_plugins": "",
            "auth_strategy": "keystone",
            "api_paste_config": paths.venv / "etc/neutron/api-paste.ini",
            "state_path": paths.root / "neutron",
            "notify_nova_on_port_status_changes": False,
            "notify_nova_on_port_data_changes": False,
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
        },
        "database": {"connection": settings.database_url("neutron"), **POOL},
        "oslo_concurrency": {"lock_path": paths.lock},
        "oslo_messaging_rabbit": BUS,
        "oslo_messaging_notifications": NO_NOTIFICATIONS,
        "ml2": {
            "type_drivers": "local,flat",
            "project_network_types": "local",
            "mechanism_drivers": "",
            "extension_drivers": "",
        },
        "keystone_authtoken": _authtoken("neutron", "network"),
    }


def _nova_common() -> dict[str, Section]:
    """Return what the control plane and nova-compute share: no database here."""
    return {
        "DEFAULT": {
            "transport_url": settings.bus_url(),
            "concurrency_backend": "threading",
            # Short, so that a lab's dead service shows as "down" soon; production has 10 and 60.
            "report_interval": 3,
            "service_down_time": 15,
            "max_concurrent_builds": 10,
            "osapi_max_limit": 5000,
            "instance_usage_audit": False,
            "shelved_offload_time": -1,
        },
        "api": {"auth_strategy": "keystone"},
        "service_user": {"send_service_user_token": True, **_client("nova")},
        "keystone_authtoken": _authtoken("nova", "compute"),
        "placement": _endpoint_client("placement"),
        "neutron": _endpoint_client("neutron"),
        "glance": {"endpoint_override": settings.url("glance")},
        "notifications": {"notification_format": "unversioned"},
        "oslo_messaging_notifications": NO_NOTIFICATIONS,
        "oslo_messaging_rabbit": BUS,
        "vnc": {"enabled": False},
        "key_manager": {
            "backend": "nova.keymgr.conf_key_mgr.ConfKeyManager",
            "fixed_key": "0" * 64,
        },
    }


def nova(paths: CloudPaths) -> Sections:
    """Return nova.conf of the API, the conductor and the scheduler."""
    common = _nova_common()
    return {
        **common,
        "DEFAULT": {
            **common["DEFAULT"],
            "my_ip": settings.ADDRESS,
            "host": "cloud",
            "state_path": paths.root / "nova",
        },
        "api_database": {"connection": settings.database_url("nova_api"), **POOL},
        "database": {"connection": settings.database_url("nova_cell1"), **POOL},
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1},
        # The best four hosts are drawn from at random: otherwise a burst lands on one host.
        "filter_scheduler": {"track_instance_changes": False, "host_subset_size": 4},
        "quota": {"instances": -1, "cores": -1, "ram": -1},
        "oslo_concurrency": {"lock_path": paths.lock},
    }


def nova_compute(host: str, guests: Path, log_file: Path) -> Sections:
    """Return nova.conf of the nova-compute on one host: it never sees a database.

    :param guests: where the hypervisor keeps the guests of all hosts (see driver.py)
    """
    common = _nova_common()
    return {
        **common,
        "DEFAULT": {
            **common["DEFAULT"],
            "host": host,
            "my_ip": layout.address(host, "api"),
            "compute_driver": "novahalab.Driver",
            "resume_guests_state_on_host_boot": True,  # as docs/guide/install.md wants it
            "state_path": "/var/lib/nova",
            "log_file": log_file,
            # No instance has a network: asking Neutron about each costs CPU for nothing.
            "heal_instance_info_cache_interval": -1,
        },
        "oslo_concurrency": {"lock_path": "/var/lib/nova/lock"},
        "novahalab": {"guests": guests},
    }
