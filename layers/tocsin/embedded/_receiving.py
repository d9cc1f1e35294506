"""Which receivers a library's application sends to."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network

from tocsin.domain.addresses import Network, check_url
from tocsin.domain.receivers import CheckUrl

__all__ = ["Receiving"]


@dataclass(frozen=True, slots=True)
class Receiving:
    """``loopback``: also those on this machine, over plain HTTP too. ``denied``: none in these."""

    loopback: bool
    denied: tuple[Network, ...]

    @classmethod
    def of(cls, loopback: bool, denied: Collection[str]) -> "Receiving":
        """Read the options.

        Raises:
            ValueError: a network is none.
        """
        return cls(loopback, tuple(map(ip_network, denied)))

    @property
    def check_url(self) -> CheckUrl:
        """Raises Refused for a URL where no endpoint may be."""
        return partial(check_url, denied=self.denied, loopback=self.loopback)
