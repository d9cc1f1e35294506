"""Store each event once that has an identity with its sender, however requests are cut.

An event that comes alone has a receipt that is written first, as an idempotency key's: whoever
comes with it again has the same event, and can store what another failed to. Several events are
journaled in one transaction with the receipts of all of them, so a receipt of theirs says that its
event is stored. What stands in either kind of receipt is left out of what comes later.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import batched
from typing import Any, Final

import orjson

from tocsin.domain import ids
from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, Conflict, QuotaExhausted
from tocsin.domain.org import event_source
from tocsin.domain.receipt import Receipt
from tocsin.ports.intake import MOST_TOGETHER, Receipts
from tocsin.ports.log import Ledger
from tocsin.ports.world import Clock
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.once import Once, Stored, expiry
from tocsin.services.intake.stamp import Draft, new_id
from tocsin.wire.intake.identified import Identity

__all__ = ["EachOnce"]

# In place of a fingerprint: the same identity is the same event, whatever it says.
_ALONE: Final = sha256(b"alone").digest()
_TOGETHER: Final = sha256(b"together").digest()
_TRIES: Final = 4


class EachOnce:
    """Stores drafts of events that have an identity each."""

    def __init__(
        self,
        once: Once,
        receipts: Receipts,
        allowance: Allowance,
        clock: Clock,
        ledger: Callable[[], Ledger],
    ) -> None:
        self._once = once
        self._receipts = receipts
        self._allowance = allowance
        self._clock = clock
        self._ledger = ledger

    def __call__(self, draft: Draft, identities: Sequence[Identity]) -> Stored:
        """Make sure that each event of a draft is stored, and count those that were before.

        Raises:
            TooLarge, Malformed: as :meth:`.Draft.stamped` does; nothing is stored.
            QuotaExhausted: there is no room for all. Of over 99 events some may be stored.
            Busy: some may not be stored; the same events, sent again, are completed.
        """
        here = self._sealed_here(draft.key.org, identities)
        new: dict[str, dict[str, Any]] = {}
        for event, identity in zip(draft.events, identities, strict=True):
            if identity not in here:
                new.setdefault(_key(draft.key.agent, identity), event)
        parts = [dict(part) for part in batched(new.items(), MOST_TOGETHER, strict=False)]
        if len(parts) > 1:
            for part in parts:  # what can't be stored is refused before anything is
                _of(draft, part).stamped(new_id(self._clock.now_ms()))
        fresh = 0
        last: Stored | None = None
        for part in parts:
            done = self._stored(draft, part)
            if done is not None:
                fresh, last = fresh + len(part) - done.duplicates, done
        if last is None:
            return Stored("", self._allowance.left(draft.key.org), len(draft.events))
        return replace(last, duplicates=len(draft.events) - fresh)

    def _stored(self, draft: Draft, part: Mapping[str, dict[str, Any]]) -> Stored | None:
        """Store some events, by their receipts' keys; None: all of them were stored before."""
        rest, tries = dict(part), _TRIES
        while rest:
            if len(rest) == 1:
                done = self._alone(draft, rest)
                return done and replace(done, duplicates=len(part) - 1 + done.duplicates)
            now_ms = self._clock.now_ms()
            batch, packed = _of(draft, rest).stamped(new_id(now_ms))
            exhausted: QuotaExhausted | None = None
            try:
                with self._allowance.reserved(batch) as left:
                    receipts = _receipts(batch, rest, left, now_ms)
                    if self._receipts.put_with(receipts, batch, packed, now_ms):
                        return Stored(batch.id, left, len(part) - len(rest))
            except QuotaExhausted as error:  # it may have ended with the same events
                exhausted = error
            standing = self._receipts.find_all(batch.org, list(rest), now_ms)
            if any(receipt.batch_id == batch.id for receipt in standing.values()):
                return Stored(batch.id, receipts[0].quota_left, len(part) - len(rest))
            if exhausted is None:
                self._allowance.release(batch)
            for key, receipt in standing.items():
                event = rest.pop(key)
                if receipt.fingerprint == _ALONE:  # perhaps it was never stored
                    self._alone(draft, {key: event})
            if not standing:
                tries -= 1
                if exhausted is not None:
                    raise exhausted
                if not tries:
                    raise Busy("the same events are being stored: send the request again")
        return None

    def _alone(self, draft: Draft, one: Mapping[str, dict[str, Any]]) -> Stored | None:
        """Store one event; None: it was stored before, or by now."""
        [key] = one
        try:
            stored = self._once(_of(draft, one), key, _ALONE)
        except Conflict:  # with a receipt that was written with its batch
            return None
        return None if stored.duplicates else stored

    def _sealed_here(self, org: str, identities: Sequence[Identity]) -> set[Identity]:
        """Return those that the org's own webhooks sent to where their events came from.

        Each would be sent again as another event, and so on without an end.
        """
        source = event_source(org)
        ours = {each: ids.batch_of(each.id) for each in identities if each.source == source}
        batch_ids = {found[0] for found in ours.values() if found is not None}
        if not batch_ids:
            return set()
        sealed = self._ledger().first_seqs(org, sorted(batch_ids))
        return {each for each, found in ours.items() if found is not None and found[0] in sealed}


def _key(agent: str, identity: Identity) -> str:
    """Return a receipt's key, which no idempotency key can be: it begins with a space.

    The key of an agent can't take the identities of what others send.
    """
    return f" {sha256(orjson.dumps([agent, *identity])).hexdigest()}"


def _of(draft: Draft, part: Mapping[str, dict[str, Any]]) -> Draft:
    return replace(draft, events=list(part.values()))


def _receipts(batch: Batch, keys: Iterable[str], left: int, now_ms: int) -> list[Receipt]:
    expires_at = expiry(now_ms)
    return [Receipt(batch.org, key, _TOGETHER, batch.id, left, expires_at) for key in keys]
