"""Which addresses a call may reach: a name that leads into the own network leads nowhere unless that is permitted."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

from hansa.egress.interface import unavailable
from hansa.errors import OperatorError

Resolve = Callable[[str], Sequence[str]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def resolve(host: str) -> list[str]:
    """The addresses of a host, as text; raises `connection.failed` where it has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as failure:
        raise unavailable(f"{host} has no address: {failure}", "See that the name in the url is right.") from failure
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def permitted(host: str, allow: Sequence[str], resolve: Resolve) -> list[str]:
    """The addresses of `host` that may be called: to be connected to as they are, without asking for the name again.

    Public addresses are. Others (private, loopback, link-local with the clouds' metadata, reserved) are where `allow`
    has the host or a network around the address, or where the url itself says `localhost` or the bare address.
    Raises `OperatorError("connection.private_address")` where none is left.
    """
    addresses = resolve(host)
    if host in allow or host == "localhost" or _address(host) is not None:
        return list(addresses)
    networks = [network for item in allow if (network := _network(item)) is not None]
    open_ones = [text for text in addresses if _is_public(text) or any(_lies_in(text, network) for network in networks)]
    if not open_ones:
        raise OperatorError(
            "connection.private_address",
            f"{host} leads to {', '.join(addresses)}, which is no public address",
            hint=f"If that is meant, list {host!r} or its network under `allow` of the connection.",
        )
    return open_ones


def _is_public(text: str) -> bool:
    address = _address(text)
    return address is not None and address.is_global and not address.is_multicast


def _lies_in(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    address = _address(text)
    return address is not None and address in network


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
