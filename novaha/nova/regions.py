"""Which region's Nova is meant: never the one that Keystone happens to list first."""

from __future__ import annotations

from keystoneauth1.session import Session

from novaha.core.errors import NotSentError

_WHAT = "find Nova in Keystone's catalogue"


class RegionError(NotSentError):
    """No region is chosen, or none of that name has a Nova. regions: those that have one."""

    def __init__(self, wanted: str | None, regions: list[str]) -> None:
        self.regions = tuple(regions)
        names = ", ".join(regions)
        super().__init__(
            _WHAT,
            f"there is no Nova in the region {wanted}, only in {names}: set region_name in the "
            "section [keystone] to one of these"
            if wanted
            else f"Nova is in the regions {names} and none is chosen: set region_name in the "
            "section [keystone] to the one whose compute hosts this cluster has",
        )


def chosen(session: Session, interface: str, region_name: str | None) -> str | None:
    """The region to use: the one that is named, else the only one that there is.

    None where the way to sign in has no catalogue. Signs in, if that was not done.

    Raises RegionError, and what keystoneauth1 raises.
    """
    access = getattr(session.auth, "get_access", None)
    if access is None:
        return region_name
    catalog = access(session).service_catalog
    found = catalog.get_endpoints_data(service_type="compute", interface=interface)
    regions = sorted({e.region_name for each in found.values() for e in each if e.region_name})
    if not regions:
        return region_name  # there is no Nova at all: whoever asks it says so
    if region_name:
        if region_name not in regions:
            raise RegionError(region_name, regions)
        return region_name
    if len(regions) > 1:
        raise RegionError(None, regions)
    return str(regions[0])
