"""Accept events: authenticate, validate, stamp, reserve the quota, and journal the batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from tocsin.domain.errors import Forbidden
from tocsin.domain.keys import Scope
from tocsin.ports.intake import Quota, Receipts
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.orgs import Orgs
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.body import inflated
from tocsin.services.intake.once import Once, Stored, check_key, fingerprint_of
from tocsin.services.intake.sealed import places
from tocsin.services.intake.stamp import BACKFILL, CERTAINLY_FIT_BYTES, Draft, new_id
from tocsin.wire.intake import raw

__all__ = ["Ingest", "IngestRequest"]


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What the ingest route takes from an HTTP request. ``body`` is as it came, perhaps gzipped.

    With ``wait`` the answer says where in the ledger the events are, if that is soon known.
    ``backfill`` marks them as imported.
    """

    authorization: str | None
    content_type: str | None
    content_encoding: str | None
    idempotency_key: str | None
    partial: bool
    body: bytes
    wait: bool = False
    backfill: bool = False


class Ingest:
    """The use case behind ``POST /api/v1/ingest/raw``."""

    def __init__(
        self,
        *,
        access: Access,
        orgs: Orgs,
        quota: Quota,
        receipts: Receipts,
        journal: Journal,
        clock: Clock,
        ledger: Callable[[], Ledger],
        suspended: Callable[[str], frozenset[str]],
    ) -> None:
        """Wire the ports; the ledger is made for the first request that waits.

        ``suspended`` returns the suspended sessions of an org, as far as is known; it never raises.
        """
        self._suspended = suspended
        self._access = access
        self._journal = journal
        self._clock = clock
        self._ledger = ledger
        self._allowance = Allowance(orgs, quota, clock)
        self._once = Once(receipts, journal, self._allowance, clock)

    def __call__(self, request: IngestRequest) -> bytes:
        """Store the request's events and return the JSON answer.

        Raises:
            Refused: one of its kinds. Nothing is stored, and the quota is as it was before; but
                after Busy with an idempotency key, the next request with that key may do both.
        """
        key = self._access.authorize(request.authorization, Scope.INGEST)
        if request.backfill and key.agent:
            raise Forbidden("an agent's own key can't import: what is imported alerts nobody")
        if request.idempotency_key is not None:
            check_key(request.idempotency_key)
        body = inflated(request.body, request.content_type, request.content_encoding)
        parsed = raw.parse(body, partial=request.partial)
        if key.agent:
            parsed.belong_to(key.agent, partial=request.partial)
        if request.backfill:
            for event in parsed.events:
                event[BACKFILL] = True
        if request.partial and len(body) >= CERTAINLY_FIT_BYTES:
            parsed.leave_out(Draft(parsed.events, key, parsed.plain).unfit())
        answer = _answer(parsed)  # before anything is stored, as everything that can fail
        if not parsed.events:
            return answer % (b"", self._allowance.left(key.org))
        draft = Draft(parsed.events, key, parsed.plain)
        suspended = self._is_suspended(draft)
        if request.idempotency_key is None:
            stored = self._store(draft)
        else:
            fingerprint = fingerprint_of(body, partial=request.partial, backfill=request.backfill)
            stored = self._once(draft, request.idempotency_key, fingerprint)
        told = self._places(draft, stored.batch_id) if request.wait else b""
        if suspended:
            told += b',"suspended":true'
        return answer % (told, stored.quota_left)

    def _is_suspended(self, draft: Draft) -> bool:
        """Whether a session of these events is suspended; they are recorded all the same."""
        suspended = self._suspended(draft.key.org)
        if not suspended:
            return False
        own = f"ses_{draft.key.id}"
        return any(event.get("session_id", own) in suspended for event in draft.events)

    def _store(self, draft: Draft) -> Stored:
        batch, packed = draft.stamped(new_id(self._clock.now_ms()))
        with self._allowance.reserved(batch) as left:
            self._journal.put(batch, packed)
        return Stored(batch.id, left)

    def _places(self, draft: Draft, batch_id: str) -> bytes:
        found = places(self._ledger(), draft.key.org, batch_id, draft.entries(batch_id))
        sealed = found[0].seq is not None
        return b"," + orjson.dumps({"sealed": sealed, "events": found})[1:-1]


def _answer(parsed: raw.RawRequest) -> bytes:
    """Return the JSON of an answer, with %b for events' places and %d for the quota's rest."""
    data: dict[str, Any] = {"ingested": len(parsed.events), "rejected": len(parsed.rejected)}
    if parsed.rejected:
        data["errors"] = [
            {"index": rejection.index, "details": rejection.details}
            for rejection in parsed.rejected
        ]
    ignored = {"ignoredFields": sorted(parsed.ignored)} if parsed.ignored else {}
    head, meta = (orjson.dumps(part).replace(b"%", b"%%") for part in (data, ignored))
    quota = b'{"remainingQuota":%d' + (b"," if ignored else b"") + meta[1:]
    return b'{"data":' + head[:-1] + b'%b},"meta":' + quota + b"}"
