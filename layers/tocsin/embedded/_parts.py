"""What delivering from a library's log stands on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tocsin.domain.addresses import Network, check_url
from tocsin.domain.receivers import CheckUrl
from tocsin.domain.retention import Retention
from tocsin.embedded._log import SqliteLog
from tocsin.embedded._wakes import LocalWakes

__all__ = ["Parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The log, which receivers there may be, and who is told that there is something to be sent.

    ``loopback``: also those on this machine, over plain HTTP too. ``denied``: none in these.
    """

    log: SqliteLog
    retention: Callable[[], Retention]
    loopback: bool
    denied: tuple[Network, ...]
    wakes: LocalWakes = field(default_factory=LocalWakes)

    @property
    def check_url(self) -> CheckUrl:
        """Raises Refused for a URL where no endpoint may be."""
        return partial(check_url, denied=self.denied, loopback=self.loopback)
