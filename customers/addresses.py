"""Which IPv4 addresses and DNS names are on the internet, where customers and partners are.

A cell's networks reach partners, and are reached by customers, through the internet only. An address inside
a network leads into the cell's own network or nowhere. Where AWS is emulated on this machine, which the
variable AWS_ENDPOINT_URL tells, partners may be on this machine too.
"""

from __future__ import annotations

import ipaddress
import os
import re
from ipaddress import IPv4Address, IPv4Network
from urllib.parse import urlsplit

from customers.paths import shown

#: Networks without hosts on the internet, and what each is. The networks for documentation are left out,
#: because examples use them. https://www.iana.org/assignments/iana-ipv4-special-registry
_SPECIAL = {
    IPv4Network("0.0.0.0/8"): "an address of no host",
    IPv4Network("10.0.0.0/8"): "private",
    IPv4Network("100.64.0.0/10"): "shared behind a provider's NAT",
    IPv4Network("127.0.0.0/8"): "the machine itself",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("172.16.0.0/12"): "private",
    IPv4Network("192.0.0.0/24"): "reserved for protocols",
    IPv4Network("192.168.0.0/16"): "private",
    IPv4Network("198.18.0.0/15"): "for benchmarks",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved",
}
#: Names that no public name server answers: RFC 6761, RFC 6762, and ICANN's resolution of 2024-07-29.
_PRIVATE_NAMES = ("localhost", "local", "internal")
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$)(?!.*\.[0-9]+$){_LABEL}(\.{_LABEL})+")

#: The widest network that a customer may come from, and as many addresses as all its networks may have.
_WIDEST = 8


def check_host(host: str) -> None:
    """Raise ValueError, with the remedy, if a text is not a DNS name or address on the internet."""
    try:
        address = IPv4Address(host)
    except ValueError:
        if not _NAME.fullmatch(host):
            raise ValueError(
                f"{shown(host)} is not a host; write a full DNS name in lower case or an IPv4 address,"
                " without a port"
            ) from None
        if host.rpartition(".")[2] in _PRIVATE_NAMES:
            raise ValueError(
                f"{shown(host)} is not a name on the internet; write one that public name servers answer"
            ) from None
        return
    if (what := _special(IPv4Network(address))) and not (address.is_loopback and _is_emulated()):
        raise ValueError(f"{host!r} is not on the internet ({what}); write the partner's public address")


def check_network(cidr: str) -> None:
    """Raise ValueError, with the remedy, if a text is not an IPv4 network that a customer can come from."""
    try:
        network = IPv4Network(cidr, strict=False)
    except ValueError:
        raise ValueError(f"{shown(cidr)} is not an IPv4 network; write one such as 198.51.100.0/24") from None
    if "/" not in cidr:
        raise ValueError(f"{cidr!r} has no prefix length; write {network}")
    if cidr != str(network):
        raise ValueError(f"{shown(cidr)} has host bits set or is not in its usual form; write {network}")
    if network.prefixlen < _WIDEST:
        raise ValueError(
            f"{cidr!r} opens the endpoint of every customer of the cell to a large part of the internet;"
            f" list the customer's own networks, /{_WIDEST} or smaller"
        )
    if what := _special(network):
        raise ValueError(
            f"{cidr!r} is not on the internet ({what}), so nobody can come from there; list the addresses"
            " from which the customer reaches the internet"
        )


def check_together(cidrs: list[str]) -> None:
    """Raise ValueError, with the remedy, if networks hold more addresses than the widest one may have.

    Texts that are not networks, and networks that are refused for their own width, are left out.
    """
    networks = set()
    for cidr in cidrs:
        try:
            network = IPv4Network(cidr)
        except ValueError:
            continue
        if network.prefixlen >= _WIDEST:
            networks.add(network)
    addresses = sum(network.num_addresses for network in ipaddress.collapse_addresses(networks))
    allowed = 2 ** (32 - _WIDEST)
    if addresses > allowed:
        raise ValueError(
            f"the networks of this customer hold {addresses:,} addresses together, but {allowed:,} are"
            f" allowed, those of a /{_WIDEST}; list the customer's own networks only"
        )


def _is_emulated() -> bool:
    """Return whether AWS is emulated on this machine."""
    return urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname == "127.0.0.1"


def _special(network: IPv4Network) -> str | None:
    """Return what the addresses of a network are, if none of them is on the internet."""
    return next((what for special, what in _SPECIAL.items() if network.subnet_of(special)), None)
