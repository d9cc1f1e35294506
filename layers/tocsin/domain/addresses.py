"""Where an endpoint may be: which URLs, and which IP addresses may be connected to.

Addresses are allowed, not denied: IPv4's unicast and what IANA gives out of IPv6 (2000::/3), less
every block of its special-purpose registries (RFC 6890), also of those that are globally reachable:
no receiver is at an anycast address of a protocol, and some lead to the next router. So private,
loopback, link-local, shared, site-local and multicast addresses, those of a cloud's metadata, and
all IPv6 addresses in which an IPv4 address hides (mapped, compatible, NAT64, 6to4, Teredo) are out:
the hidden one is not looked at, since where a translator leads can't be known here.

https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry

A URL is taken as it is written: nothing in it is mapped, decoded or completed, so no two parsers
can disagree about it, and whoever connects uses the parts that were checked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import Final

from tocsin.domain.errors import Invalid
from tocsin.domain.limits import MAX_URL_CHARS

__all__ = ["Address", "Network", "Place", "check_url", "may_connect", "parsed"]

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(each) for each in text.split())


_UNICAST: Final = _networks("0.0.0.0/1 128.0.0.0/2 192.0.0.0/3 2000::/3")
_SPECIAL: Final = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24"
    " 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24"
    " 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24"
    " 2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"
    " 168.63.129.16/32"  # Azure's metadata, at an address that is otherwise public
)
_LOOPBACK: Final = _networks("127.0.0.0/8 ::1/128")

_URL: Final = re.compile(
    r"""(?P<scheme>https?)://
        (?P<host>\[[0-9a-f:.]+\]|[0-9a-z._-]+)
        (?::(?P<port>[0-9]+))?
        (?P<target>(?:/[^?\#]*)?(?:\?[^\#]*)?)""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*", re.ASCII)  # RFC 3986, 2
_NAME: Final = re.compile(r"(?!.{254})(?:(?!-)[0-9a-z-]{1,63}(?<!-)\.)*(?!-)[0-9a-z-]{1,63}(?<!-)")
_ENDS_IN_A_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Place:
    """The parts of a URL that was checked. ``host`` is in lower case: a name or an IP address.

    ``target`` is what is asked for there: the path and the query, and perhaps secret.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL; the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """What may be told of the URL: scheme, host and port."""
        return f"{self.scheme}://{self.authority}"


def parsed(text: str) -> Address | None:
    """Return the address that a text is, or None: it is none as they are written properly.

    Octal, hexadecimal and shortened forms of IPv4 are none, nor is an address with a zone.
    """
    try:
        return IPv4Address(text)
    except AddressValueError:
        pass
    try:
        return None if "%" in text else IPv6Address(text)
    except AddressValueError:
        return None


def may_connect(address: Address, *, denied: Sequence[Network] = (), loopback: bool) -> bool:
    """Whether an address may be connected to.

    ``denied`` are further networks where nothing may be. ``loopback``: this machine itself may be,
    whatever is denied; only on a developer's machine.
    """
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    if any(address in each for each in _LOOPBACK):
        return loopback
    allowed = any(address in each for each in _UNICAST)
    return allowed and not any(address in each for each in (*_SPECIAL, *denied))


def check_url(url: str, *, denied: Sequence[Network] = (), loopback: bool) -> Place:
    """Return the parts of a URL that an endpoint may have.

    ``loopback``: it may be on this machine, and plain HTTP. Whether a *name* leads to an address
    that may be connected to is not known yet: it is looked at when that is connected to.

    Raises:
        Invalid: an endpoint can't be there; the message says what to change.
    """
    if len(url) > MAX_URL_CHARS:
        raise _invalid(f"It is longer than {MAX_URL_CHARS:,} characters: send a shorter URL")
    if not _CHARACTERS.fullmatch(url.replace("#", "")):
        raise _invalid(
            "It has characters that no URL has: write them as %XX, and a host as xn--… (RFC 3986)"
        )
    if "#" in url:
        raise _invalid("It has a fragment (#…), which is never sent: leave that out")
    found = _URL.fullmatch(url)
    if found is None:
        usual = "https:// or http://" if loopback else "https://"
        raise _invalid(f"Send {usual}, a host, perhaps a port, and a path: without user and @")
    scheme, host = found["scheme"].lower(), found["host"].lower().strip("[]")
    if scheme == "http" and not loopback:
        raise _invalid("Plain HTTP can be read and changed on its way: use https://")
    port = _port(found["port"], _PORTS[scheme])
    _check_host(host, bracketed=found["host"][0] == "[", denied=denied, loopback=loopback)
    target = found["target"]
    return Place(scheme, host, port, target if target[:1] == "/" else f"/{target}")


def _port(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    if text[0] == "0" or len(text) > 5 or int(text) > 65_535:
        raise _invalid("The port is a number from 1 to 65535: without zeros in front")
    return int(text)


def _check_host(host: str, *, bracketed: bool, denied: Sequence[Network], loopback: bool) -> None:
    address = parsed(host)
    if address is not None and (address.version == 6) is bracketed:
        if not may_connect(address, denied=denied, loopback=loopback):
            raise _invalid("Nothing is sent to this address: name a receiver on the internet")
        return
    if bracketed or _ENDS_IN_A_NUMBER.fullmatch(host):
        raise _invalid("The host is no IP address: write four decimal numbers, or IPv6 in [ ]")
    if host.endswith("."):
        raise _invalid("The host ends with a dot: leave that out")
    if not _NAME.fullmatch(host):
        raise _invalid("The host is no name: it has letters, digits, - and dots (RFC 1123)")
    if "." not in host and not loopback:
        raise _invalid("The host is not a whole name: name a receiver on the internet")


def _invalid(message: str) -> Invalid:
    return Invalid([{"field": "url", "message": message}], message)
