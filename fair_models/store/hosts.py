"""Which hosts may be asked: those that the settings name, or any public one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from fair_models import settings
from fair_models.errors import Invalid

ANY_PUBLIC_HOST = "*"
"""Entry of FAIR_ALLOWED_HOSTS that allows every public host, beside those that are named."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def allowed() -> frozenset[str]:
    """The hosts that FAIR_ALLOWED_HOSTS names, each in one spelling; empty where it names none."""
    return frozenset(_plain(host) for host in settings.current().allowed_hosts)


def is_named(host: str, named: frozenset[str] | None = None) -> bool:
    """Whether FAIR_ALLOWED_HOSTS names a host: it may lie in this network, and answer plain http.

    Args:
        host: The host.
        named: What `allowed` gave. Default: it is asked.
    """
    return _plain(host) in (allowed() if named is None else named)


def check_peer(host: str, address: str) -> None:
    """Refuse a machine that the name of a host led to, before anything is sent there.

    Args:
        host: The host as the address on the web names it.
        address: IP address that the name was resolved to.

    Raises:
        Invalid: It is no public machine, and the host is not named in the settings.
    """
    if not is_named(host) and not all(_is_public(each) for each in _meant(address)):
        raise Invalid(
            f"{host} is refused: it leads to {address}, which is no public address but one of this machine "
            "or network; download the file and name that, or have the operator add the host to "
            "FAIR_ALLOWED_HOSTS"
        )


def _plain(host: str) -> str:
    """A host in one spelling: lower case, no brackets, no last dot, IP addresses in their short form."""
    host = host.strip().strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def _meant(text: str) -> Iterator[Address]:
    """An IP address, and the IPv4 address that it carries, if any."""
    address = ipaddress.ip_address(text.partition("%")[0])
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        yield from (each for each in carried if each is not None)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None or address in _NAT64:
            return True  # the IPv4 address in it is checked
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
