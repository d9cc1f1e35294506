"""How many streams there may be at once: in this process, of an org, and with a key.

Those with the keys that it delegated are a key's own.

A seat is taken before anything is awaited, so that a burst of requests can't pass the limit while
they are authenticated. Only after that is it known whose seat it is; then one step decides and
counts it for the org and the key, before anything else is awaited.
"""

from collections import Counter

from tocsin.domain.errors import Crowded, LimitReached
from tocsin.domain.keys import ApiKey

__all__ = ["Seats"]

RETRY_AFTER_SECONDS = 5


class Seats:
    """Counts streams. Used in the event loop's thread only."""

    def __init__(
        self, in_all: int, per_org: int | None, per_key: int | None, what: str = "streams"
    ) -> None:
        """None: no limit but the process's. ``what`` is what messages call the seats."""
        self._what = what
        self._in_all = in_all
        self._per_org = per_org
        self._per_key = per_key
        self._taken = 0
        self._orgs: Counter[str] = Counter()
        self._keys: Counter[tuple[str, str]] = Counter()

    @property
    def taken(self) -> int:
        """How many seats are taken."""
        return self._taken

    def of_org(self, org: str) -> int:
        """Return how many of them are an org's."""
        return self._orgs[org]

    def take(self) -> None:
        """Take a seat, before it is known whose it is.

        Raises:
            Crowded: none is free.
        """
        if self._taken >= self._in_all:
            raise Crowded(
                f"this instance serves {self._in_all:,} {self._what} and takes no more: "
                "connect again a little later",
                RETRY_AFTER_SECONDS,
            )
        self._taken += 1

    def give_back(self) -> None:
        """Give back a seat that was not yet assigned."""
        self._taken -= 1

    def assign(self, key: ApiKey) -> None:
        """Assign the seat taken last to this key.

        Raises:
            LimitReached: its org or the key has enough; the seat must still be given back.
        """
        for whose, taken, limit in (
            ("org", self._orgs[key.org], self._per_org),
            ("key", self._keys[key.org, key.root], self._per_key),
        ):
            if limit is not None and taken >= limit:
                raise LimitReached(
                    f"this {whose} has {taken:,} {self._what} open, which is its limit: "
                    "close one first",
                    RETRY_AFTER_SECONDS,
                )
        self._orgs[key.org] += 1
        self._keys[key.org, key.root] += 1

    def leave(self, key: ApiKey) -> None:
        """Give back a key's seat."""
        self._taken -= 1
        _less(self._orgs, key.org)
        _less(self._keys, (key.org, key.root))


def _less[K](counter: Counter[K], name: K) -> None:
    counter[name] -= 1
    if not counter[name]:
        del counter[name]
