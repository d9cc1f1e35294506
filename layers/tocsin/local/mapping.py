"""What Lambda's event source mapping for DynamoDB Streams decides: records in, invocations out.

Pure. Batching, filtering, ``ReportBatchItemFailures``, retries, bisecting and discarding are as in
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html and
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html; where those are silent
(the backoff, and whether progress within a batch renews its attempts), see the code.
"""

from collections import deque
from collections.abc import Iterable

from tocsin.local.environment import MAX_PAYLOAD_BYTES
from tocsin.local.functions import MappingSettings
from tocsin.local.invocations import Discarded, Invocation, Record

__all__ = ["EventSourceMapping"]

_ENVELOPE_BYTES = len(b'{"Records":[]}')
_FIRST_RETRY_MS = 100
_LONGEST_RETRY_MS = 5_000


class EventSourceMapping:
    """One shard's mapping.

    Offer what the stream yields, in order; send what :meth:`due` returns, and report how that ended
    with :meth:`answered`, :meth:`failed` or :meth:`postponed` before asking again.
    """

    def __init__(self, settings: MappingSettings) -> None:
        self._settings = settings
        self._pending: deque[tuple[Record, int]] = deque()  # with the time when it was read
        self._work: deque[Invocation] = deque()  # parts of the current batch, in order
        self._last_read: str | None = None
        self._last_done: str | None = None

    @property
    def checkpoint(self) -> str | None:
        """The sequence number through which nothing remains to be done."""
        return self._last_done if self._work or self._pending else self._last_read

    @property
    def idle(self) -> bool:
        """Whether nothing that was read remains to be done."""
        return not self._work and not self._pending

    @property
    def wants_records(self) -> bool:
        """Whether less than a batch is waiting."""
        return len(self._pending) < self._settings.batch_size

    def offer(self, records: Iterable[Record], now_ms: int) -> None:
        """Take records read from the stream; those that the filter drops count as done."""
        for record in records:
            self._last_read = record.sequence_number
            if record.event_name in self._settings.event_names:
                self._pending.append((record, now_ms))
            elif self.idle:
                self._last_done = record.sequence_number

    def due(self, now_ms: int) -> Invocation | None:
        """Return the batch to send next, or None while there is none or its window is open."""
        if not self._work and self._pending:
            _, read_at_ms = self._pending[0]
            settings = self._settings
            full = len(self._pending) >= settings.batch_size
            if full or now_ms - read_at_ms >= settings.maximum_batching_window_ms:
                self._work.append(Invocation(self._take_batch()))
        return self._work[0] if self._work else None

    def expired(self, now_ms: int) -> Discarded | None:
        """Give up the records at the front that are older than the limit."""
        limit = self._settings.maximum_record_age_seconds
        if limit < 0 or self.due(now_ms) is None:
            return None
        invocation = self._work[0]
        oldest_ms = now_ms - limit * 1000
        old = [record for record in invocation.records if record.created_at_ms < oldest_ms]
        if not old:
            return None
        young = [record for record in invocation.records if record.created_at_ms >= oldest_ms]
        self._last_done = old[-1].sequence_number
        self._replace(*([Invocation(young)] if young else []))
        return Discarded(old, invocation.attempts, "MaximumRecordAgeExceeded")

    def answered(self, payload: bytes, now_ms: int) -> Discarded | None:
        """Note the function's result; return what is given up because of it."""
        invocation = self._work[0]
        reporting = self._settings.report_batch_item_failures
        failed_from = invocation.first_failure(payload) if reporting else None
        if failed_from is None:
            self._done(len(invocation.records))
            return None
        if failed_from == 0:
            return self._retry(invocation, now_ms)
        # Progress: what remains is another batch, with attempts of its own.
        self._done(failed_from)
        self._work[0].not_before_ms = now_ms + _FIRST_RETRY_MS
        return None

    def failed(self, now_ms: int) -> Discarded | None:
        """Note that the function raised or timed out; return what is given up because of it."""
        invocation = self._work[0]
        size = len(invocation.records)
        if self._settings.bisect_batch_on_function_error and size > 1:
            halves = invocation.records[: size // 2], invocation.records[size // 2 :]
            self._replace(*(Invocation(half, invocation.attempts) for half in halves))
            return None
        return self._retry(invocation, now_ms)

    def postponed(self, now_ms: int) -> None:
        """Note that the function could not be invoked at all, which uses up no attempt."""
        self._work[0].not_before_ms = now_ms + _FIRST_RETRY_MS

    def _take_batch(self) -> list[Record]:
        batch: list[Record] = []
        size = _ENVELOPE_BYTES
        while self._pending and len(batch) < self._settings.batch_size:
            record, _ = self._pending[0]
            size += len(record.json) + 1
            if batch and size > MAX_PAYLOAD_BYTES:
                break
            batch.append(self._pending.popleft()[0])
        return batch

    def _retry(self, invocation: Invocation, now_ms: int) -> Discarded | None:
        invocation.attempts += 1
        limit = self._settings.maximum_retry_attempts
        if 0 <= limit < invocation.attempts:
            self._done(len(invocation.records))
            return Discarded(invocation.records, invocation.attempts, "RetryAttemptsExhausted")
        wait_ms = min(_FIRST_RETRY_MS << min(invocation.attempts - 1, 10), _LONGEST_RETRY_MS)
        invocation.not_before_ms = now_ms + wait_ms
        return None

    def _done(self, count: int) -> None:
        records = self._work[0].records
        self._last_done = records[count - 1].sequence_number
        self._replace(*([Invocation(records[count:])] if records[count:] else []))

    def _replace(self, *invocations: Invocation) -> None:
        """Replace the first invocation by these."""
        self._work.popleft()
        self._work.extendleft(reversed(invocations))
