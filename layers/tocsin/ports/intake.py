"""What taking events in needs beside the journal."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.receipt import Receipt

__all__ = ["MOST_TOGETHER", "Quota", "Receipts"]

MOST_TOGETHER: Final = 99
"""As many receipts are written with their batch: a DynamoDB transaction has 100 items."""


class Receipts(Protocol):
    """What is kept for idempotency keys, and for events that have an identity."""

    def put(self, receipt: Receipt, now_ms: int, *, instead_of: str = "") -> Receipt:
        """Keep a receipt, unless its key has one; return the one that the key has now.

        One that has expired makes room, and so does one with the batch id ``instead_of``.
        Repeating a call is safe: it returns the receipt that it wrote before.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: the store stopped answering, it may or may not have been written.
        """

    def put_with(
        self, receipts: Sequence[Receipt], batch: Batch, packed: bytes, now_ms: int
    ) -> bool:
        """Keep receipts, :data:`MOST_TOGETHER` at most, and journal their batch; or do neither.

        Returns:
            Whether it was done: it is not where a key has a receipt that has not expired, or where
            others are writing one.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: the store stopped answering, it may or may not have been written.
        """

    def find(self, org: str, key: str, now_ms: int) -> Receipt | None:
        """Return the receipt that has not expired, strongly consistent."""

    def find_all(self, org: str, keys: Sequence[str], now_ms: int) -> Mapping[str, Receipt]:
        """Return those of the keys' receipts that have not expired, each strongly consistent."""


class Quota(Protocol):
    """How many events an org has used in a month (``2026-11``)."""

    def reserve(self, org: str, month: str, events: int, limit: int) -> int | None:
        """Take ``events`` if that keeps the month at ``limit`` or below.

        Returns:
            How many are left after it, or None when they do not fit (nothing is taken).
        """

    def release(self, org: str, month: str, events: int) -> None:
        """Give back what was reserved and not used."""

    def used(self, org: str, month: str) -> int:
        """Return how many events are taken, strongly consistent."""
