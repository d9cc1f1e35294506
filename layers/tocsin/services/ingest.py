"""Accept events: authenticate, validate, stamp, reserve the quota, and journal the batch."""

import os
import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson

from tocsin.domain import batch as batches
from tocsin.domain import ids
from tocsin.domain.batch import Batch
from tocsin.domain.canonical import canonical
from tocsin.domain.errors import (
    Busy,
    Conflict,
    Contended,
    Malformed,
    OutcomeUnknown,
    QuotaExhausted,
    TooLarge,
    UnsupportedMedia,
)
from tocsin.domain.keys import ApiKey, Scope
from tocsin.ports import Clock, Journal, Orgs, Quota, Receipt, Receipts
from tocsin.services.access import Access
from tocsin.wire import raw
from tocsin.wire.event import timestamp_of

__all__ = ["MAX_EVENT_BYTES", "Ingest", "IngestRequest", "entries_of"]

MAX_EVENT_BYTES = 256 * 1024
RECEIPT_MS = 24 * 60 * 60 * 1000
SETTINGS_CACHE_MS = 30_000
_TRIES_AGAINST_A_TWIN = 5

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What the ingest route takes from an HTTP request. ``body`` is as it came, maybe gzipped."""

    authorization: str | None
    content_type: str | None
    content_encoding: str | None
    idempotency_key: str | None
    partial: bool
    body: bytes


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
    ) -> None:
        """Wire the ports."""
        self._access = access
        self._orgs = orgs
        self._quota = quota
        self._receipts = receipts
        self._journal = journal
        self._clock = clock
        self._limits: dict[str, tuple[int, int]] = {}  # org → (events a month, read at ms)

    def __call__(self, request: IngestRequest) -> bytes:
        """Store the request's events and return the JSON answer.

        Raises:
            Refused: one of its kinds; the quota is as it was before.
        """
        key = self._access.authorize(request.authorization, Scope.INGEST)
        body = _inflated(request)
        fingerprint = sha256(bytes([request.partial]) + body).digest()
        if request.idempotency_key is not None:
            _check_idempotency_key(request.idempotency_key)
            if (
                answer := self._answered(key.org, request.idempotency_key, fingerprint)
            ) is not None:
                return answer
        parsed = raw.parse(body, partial=request.partial)
        if not parsed.events:
            return _answer(parsed, 0, self._remaining(key.org))
        now_ms = self._clock.now_ms()
        batch_id = ids.new_batch_id(now_ms, os.urandom(10))
        entries = entries_of(parsed.events, batch_id, key, now_ms, plain=parsed.plain)
        batch = Batch(key.org, batch_id, entries, key.id, now_ms)
        packed = batches.pack(entries)
        return self._store(batch, packed, parsed, request.idempotency_key, fingerprint)

    def _store(
        self,
        batch: Batch,
        packed: bytes,
        parsed: raw.RawRequest,
        idempotency_key: str | None,
        fingerprint: bytes,
    ) -> bytes:
        month = _month(batch.received_at_ms)
        remaining = self._quota.reserve(batch.org, month, batch.count, self._limit(batch.org))
        if remaining is None:
            raise self._exhausted(batch, month)
        answer = _answer(parsed, batch.count, remaining)
        receipt = None
        if idempotency_key is not None:
            expires = batch.received_at_ms + RECEIPT_MS
            receipt = Receipt(batch.org, idempotency_key, fingerprint, answer, expires)
        stored = False
        try:
            stored = self._put(batch, packed, receipt)
        except OutcomeUnknown:
            stored = True  # it may have been: keep the quota, so that the limit holds
            raise
        finally:
            if not stored:
                self._quota.release(batch.org, month, batch.count)
        if not stored and receipt is not None:
            earlier = self._answered(batch.org, receipt.key, fingerprint)
            if earlier is None:
                raise Busy("the idempotency key is in use by a request that has not ended")
            return earlier
        return answer

    def _put(self, batch: Batch, packed: bytes, receipt: Receipt | None) -> bool:
        """Put the batch; where a twin with the same idempotency key is in flight, try again."""
        for _ in range(_TRIES_AGAINST_A_TWIN):
            with suppress(Contended):
                return self._journal.put(batch, packed, receipt)
        raise Busy("requests with this idempotency key keep colliding")

    def _answered(self, org: str, idempotency_key: str, fingerprint: bytes) -> bytes | None:
        receipt = self._receipts.find(org, idempotency_key, self._clock.now_ms())
        if receipt is None:
            return None
        if receipt.fingerprint != fingerprint:
            raise Conflict(
                "this Idempotency-Key was used in the last 24 hours with another body: "
                "use a new key for a new request"
            )
        return receipt.answer

    def _limit(self, org: str) -> int:
        now_ms = self._clock.now_ms()
        limit, read_at_ms = self._limits.get(org, (0, -SETTINGS_CACHE_MS))
        if now_ms - read_at_ms >= SETTINGS_CACHE_MS:
            found = self._orgs.get(org)
            if found is None:
                raise Busy(f"the settings of {org} are missing: create the org again with its key")
            limit = found.events_per_month
            self._limits[org] = (limit, now_ms)
        return limit

    def _remaining(self, org: str) -> int:
        used = self._quota.used(org, _month(self._clock.now_ms()))
        return max(0, self._limit(org) - used)

    def _exhausted(self, batch: Batch, month: str) -> QuotaExhausted:
        now = datetime.fromtimestamp(batch.received_at_ms / 1000, UTC)
        renewed = (now.replace(day=1, hour=0, minute=0, second=0) + timedelta(days=32)).replace(
            day=1
        )
        left = max(0, self._limit(batch.org) - self._quota.used(batch.org, month))
        return QuotaExhausted(
            f"{batch.count:,} events were sent and {left:,} of {self._limit(batch.org):,} are left "
            f"in {month}: wait for the next month, or have the limit raised",
            retry_after_seconds=int((renewed - now).total_seconds()) + 1,
        )


def entries_of(
    events: Sequence[dict[str, Any]], batch_id: str, key: ApiKey, now_ms: int, *, plain: bool
) -> tuple[bytes, ...]:
    """Stamp events and return their entries: the canonical bytes that are stored and hashed.

    Raises:
        TooLarge: an event is over 256 KB.
        Malformed: an event is not I-JSON.
    """
    received_at = timestamp_of(datetime.fromtimestamp(now_ms / 1000, UTC))
    defaults = {
        "action": "log",
        "compliance_tag": "default",
        "session_id": f"ses_{key.id}",
        "timestamp": received_at,
    }
    stamp = {"id": "", "received_at": received_at, "source": "client"}
    entries: list[bytes] = []
    for event, event_id in zip(events, ids.event_ids(batch_id, len(events)), strict=True):
        stamp["id"] = event_id
        entry = canonical(defaults | event | stamp, plain=plain)
        if len(entry) > MAX_EVENT_BYTES:
            raise TooLarge(
                f"events[{len(entries)}] is {len(entry):,} bytes and the limit is "
                f"{MAX_EVENT_BYTES:,} an event: store large payloads elsewhere and send a link"
            )
        entries.append(entry)
    return tuple(entries)


def _inflated(request: IngestRequest) -> bytes:
    media_type = (request.content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMedia("send Content-Type: application/json")
    encoding = (request.content_encoding or "identity").strip().lower()
    if encoding == "identity":
        body = request.body
    elif encoding == "gzip":
        body = _gunzip(request.body)
    else:
        raise UnsupportedMedia(f"Content-Encoding {encoding!r}: send gzip, or the body as it is")
    if len(body) > raw.MAX_BODY_BYTES:
        raise TooLarge(
            f"the body is over {raw.MAX_BODY_BYTES:,} bytes (inflated): send fewer events at once"
        )
    return body


def _gunzip(body: bytes) -> bytes:
    """Inflate up to one byte beyond the limit, so that a small body can't fill the memory."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(body, raw.MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise Malformed(f"the body is not gzip as Content-Encoding says: {error}") from error
    if not stream.eof and len(inflated) <= raw.MAX_BODY_BYTES:
        raise Malformed("the gzip body is cut short")
    return inflated


def _check_idempotency_key(text: str) -> None:
    if _IDEMPOTENCY_KEY.fullmatch(text) is None:
        raise Malformed("Idempotency-Key: send 1 to 255 printable ASCII characters")


def _month(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m")


def _answer(parsed: raw.RawRequest, ingested: int, remaining: int) -> bytes:
    data: dict[str, Any] = {"ingested": ingested, "rejected": len(parsed.rejected)}
    if parsed.rejected:
        data["errors"] = [
            {"index": rejection.index, "details": rejection.details}
            for rejection in parsed.rejected
        ]
    meta: dict[str, Any] = {"remainingQuota": remaining}
    if parsed.ignored:
        meta["ignoredFields"] = sorted(parsed.ignored)
    return orjson.dumps({"data": data, "meta": meta})
