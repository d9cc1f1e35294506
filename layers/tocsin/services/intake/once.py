"""Store a request once, however often it is sent with its idempotency key.

The receipt is written first, and says under which id the batch is stored. So all requests with the
same key, at the same time or after a crash, store the same batch under the same id, and one is
kept. The quota that the receipt's writer reserved belongs to the receipt: it is no longer given
back, and not reserved again.
"""

import re
from dataclasses import dataclass, replace
from hashlib import sha256

from tocsin.domain.errors import Busy, Conflict, Malformed, QuotaExhausted, TooLarge
from tocsin.domain.ids import batch_time_ms
from tocsin.domain.limits import MAX_IDEMPOTENCY_KEY_CHARS, RECEIPT_SECONDS, SETTLED_MS
from tocsin.domain.receipt import Receipt
from tocsin.ports.intake import Receipts
from tocsin.ports.log import Journal
from tocsin.ports.world import Clock
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.stamp import Draft, new_id

__all__ = ["Once", "Stored", "check_key", "expiry", "fingerprint_of"]

# From this age on nothing is written under an id: a request takes half a minute at most.
LATE_MS = SETTLED_MS - 60_000

_WAIT_SECONDS = (SETTLED_MS - LATE_MS) // 1000
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def check_key(text: str) -> None:
    """Make sure that a text can be an idempotency key.

    Raises:
        Malformed: it can't.
    """
    if len(text) > MAX_IDEMPOTENCY_KEY_CHARS or _KEY.fullmatch(text) is None:
        raise Malformed(
            f"Idempotency-Key: send 1 to {MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters"
        )


def fingerprint_of(body: bytes, *, partial: bool, backfill: bool = False) -> bytes:
    """Return 32 bytes that are the same in a repetition, however it was compressed."""
    return sha256(bytes([partial + 2 * backfill]) + body).digest()


@dataclass(frozen=True, slots=True)
class Stored:
    """Under which id a batch is stored, and the quota that was left when it first came.

    ``duplicates`` of its events were stored before.
    """

    batch_id: str
    quota_left: int
    duplicates: int = 0


class Once:
    """Stores drafts that come with an idempotency key."""

    def __init__(
        self, receipts: Receipts, journal: Journal, allowance: Allowance, clock: Clock
    ) -> None:
        self._receipts = receipts
        self._journal = journal
        self._allowance = allowance
        self._clock = clock

    def __call__(self, draft: Draft, key: str, fingerprint: bytes) -> Stored:
        """Make sure that a draft is stored.

        Raises:
            Conflict: the key stands for another request.
            Busy: it may not be stored yet; the same request, sent again, continues from there.
            QuotaExhausted: there is no room for it, or no more in the month that has begun since.
        """
        now_ms = self._clock.now_ms()
        try:
            batch, packed = draft.stamped(new_id(now_ms))
            with self._allowance.reserved(batch) as left:
                mine = Receipt(batch.org, key, fingerprint, batch.id, left, expiry(now_ms))
                receipt = self._receipts.put(mine, now_ms)
        except (TooLarge, QuotaExhausted):
            # What was taken before is not refused: the quota may have ended with it, and its
            # packed size depends a little on its id.
            earlier = self._receipts.find(draft.key.org, key, now_ms)
            if earlier is None:
                raise
            receipt = earlier
        else:
            if receipt.batch_id == batch.id:
                self._journal.put(batch, packed)
                return Stored(batch.id, left)
            self._allowance.release(batch)
        batch_id = self._finish(draft, receipt, fingerprint)
        return Stored(batch_id, receipt.quota_left, len(draft.events))

    def _finish(self, draft: Draft, receipt: Receipt, fingerprint: bytes) -> str:
        """Store what an earlier request, or a twin, may have failed to store; return its id."""
        if receipt.fingerprint != fingerprint:
            raise Conflict(
                f"this Idempotency-Key was used in the last {RECEIPT_SECONDS // 3_600} hours "
                "with another body: "
                "use a new key for a new request"
            )
        now_ms = self._clock.now_ms()
        age_ms = now_ms - batch_time_ms(receipt.batch_id)
        if age_ms < LATE_MS:
            self._journal.put(*draft.accepted(receipt.batch_id))
        elif not self._journal.get(receipt.org, [receipt.batch_id]):
            if age_ms < SETTLED_MS:
                raise Busy("an earlier request with this key may still store it", _WAIT_SECONDS)
            # Nobody stores it under that id any more, and the sweeper has passed that id.
            return self._finish(draft, self._dated_again(draft, receipt, now_ms), fingerprint)
        return receipt.batch_id

    def _dated_again(self, draft: Draft, receipt: Receipt, now_ms: int) -> Receipt:
        """Replace a receipt by one for a batch of now, counted in its month; return what stands."""
        batch, _ = draft.accepted(new_id(now_ms))
        again = replace(receipt, batch_id=batch.id, expires_at=expiry(now_ms))
        if self._allowance.counted_with(batch, batch_time_ms(receipt.batch_id)):
            return self._receipts.put(again, now_ms, instead_of=receipt.batch_id)
        with self._allowance.reserved(batch) as left:
            again = replace(again, quota_left=left)
            standing = self._receipts.put(again, now_ms, instead_of=receipt.batch_id)
        if standing.batch_id != batch.id:
            self._allowance.release(batch)
        return standing


def expiry(now_ms: int) -> int:
    """Return until when a receipt of now is kept, as Unix time in seconds."""
    return now_ms // 1000 + RECEIPT_SECONDS
