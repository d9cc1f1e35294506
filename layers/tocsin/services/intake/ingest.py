"""Accept events: authenticate, validate, stamp, reserve the quota, and journal the batch."""

from collections.abc import Callable
from dataclasses import dataclass

from tocsin.domain.errors import Forbidden
from tocsin.domain.keys import Scope
from tocsin.domain.privacy import Privacy
from tocsin.ports.intake import Quota, Receipts
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.orgs import Orgs
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.body import inflated
from tocsin.services.intake.each import EachOnce
from tocsin.services.intake.once import Once, Stored, check_key, fingerprint_of
from tocsin.services.intake.protecting import Protecting
from tocsin.services.intake.screening import Screening
from tocsin.services.intake.sealed import places
from tocsin.services.intake.stamp import BACKFILL, CERTAINLY_FIT_BYTES, Draft, new_id
from tocsin.wire.intake.format import Accepted, Format, Place
from tocsin.wire.intake.identified import Identified
from tocsin.wire.intake.incoming import Incoming
from tocsin.wire.intake.raw import RAW

__all__ = ["Ingest", "IngestRequest"]


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What a route takes from an HTTP request. ``body`` is as it came, perhaps gzipped.

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
    """The use case behind ``POST /api/v1/ingest/raw`` and every other way that events come in."""

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
        privacy: Callable[[str], Privacy] | None = None,
        protecting: Protecting | None = None,
    ) -> None:
        """Wire the ports; the ledger is made for the first request that waits.

        ``suspended`` returns the suspended sessions of an org, as far as is known; it never raises.
        ``privacy`` returns an org's setting; without it all have the usual one. Without
        ``protecting`` all is stored in clear.
        """
        self._suspended = suspended
        self._access = access
        self._journal = journal
        self._clock = clock
        self._ledger = ledger
        self._allowance = Allowance(access.org, quota, clock)
        self._screening = Screening(clock, privacy)
        self._protecting = protecting
        self._once = Once(receipts, journal, self._allowance, clock)
        self._each_once = EachOnce(self._once, receipts, self._allowance, clock, ledger)

    def __call__(self, request: IngestRequest, format: Format = RAW) -> bytes:
        """Store the events of a request in this format, and return its answer.

        Raises:
            Refused: one of its kinds. Nothing is stored, and the quota is as it was before; but
                after Busy with an idempotency key, the next request with that key may do both.
        """
        key = self._access.authorize(request.authorization, Scope.INGEST)
        if request.backfill and key.agent:
            raise Forbidden("an agent's own key can't import: what is imported alerts nobody")
        if request.idempotency_key is not None:
            check_key(request.idempotency_key)
        body = inflated(
            request.body, request.content_type, request.content_encoding, format.media_types
        )
        parsed = format.read(body, partial=request.partial)
        if key.agent:
            parsed.belong_to(key.agent, partial=request.partial)
        self._screening(key.org, parsed, partial=request.partial)
        if request.backfill:
            for event in parsed.events:
                event[BACKFILL] = True
        protect = self._protecting(key.org, parsed.events) if self._protecting else None
        if request.partial and len(body) >= CERTAINLY_FIT_BYTES:
            parsed.leave_out(Draft(parsed.events, key, parsed.plain, protect).unfit())
        answer = format.answer(parsed)
        if not parsed.events:
            return answer(Accepted(self._allowance.left(key.org)))
        draft = Draft(parsed.events, key, parsed.plain, protect)
        suspended = self._is_suspended(draft)
        stored = self._stored(draft, parsed, request, format, body)
        places = self._places(draft, stored.batch_id) if request.wait else None
        return answer(Accepted(stored.quota_left, places, suspended, stored.duplicates))

    def _stored(
        self, draft: Draft, parsed: Incoming, request: IngestRequest, format: Format, body: bytes
    ) -> Stored:
        if isinstance(parsed, Identified):
            return self._each_once(draft, parsed.identities)
        if request.idempotency_key is not None:
            fingerprint = fingerprint_of(body, partial=request.partial, backfill=request.backfill)
            return self._once(draft, request.idempotency_key, fingerprint)
        if format.once is not None:
            same = f"{format.once(body)} {draft.key.agent}"  # another agent's events are its own
            return self._once(draft, same, fingerprint_of(same.encode(), partial=False))
        return self._store(draft)

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

    def _places(self, draft: Draft, batch_id: str) -> list[Place]:
        return places(self._ledger(), draft.key.org, batch_id, draft.entries(batch_id))
