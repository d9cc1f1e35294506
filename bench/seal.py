"""Sealing and verifying, in events a second of CPU time, against bare SHA-256 of the same bytes.

One seal takes what one invocation of fan-out gets: up to 100 records and 1,000 events. What is
verified is a ledger of four such seals. The baseline hashes each entry once; to seal an
event takes two hashes, and to publish and to verify it takes more.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from bench import lambdas, traffic
from bench.lambdas import ORG, Tenant
from bench.report import number, ratio, show
from bench.timing import Variant, measure
from bench.unsent import Recorder, hold
from fakes.stores import FakeClock, FakeJournal, FakeLedger, FakeSetAside, FakeSummaries
from tocsin.adapters import dynamodb
from tocsin.adapters.dynamodb.journal import DynamoJournal, batch_of_image
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.domain.batch import Batch, UnreadableBatch
from tocsin.ports.log import Journal, Ledger, Summaries
from tocsin.services.reading.verification import verify
from tocsin.services.sealing.fanout import Fanout
from tocsin.services.sealing.seal import seal_batches
from tocsin.services.sealing.summaries import Summariser

__all__ = ["main"]

RECORDS = 100  # an invocation, at most
EVENTS = 1_000
SEALS = 4  # in the ledger that is verified
_BARE = "bare SHA-256"


def main() -> None:
    """Measure and print."""
    lambdas.prepare()
    rates = {size: measure(_variants(size), rounds=5) for size in traffic.BATCHES}
    names = [name for name in next(iter(rates.values())) if name != _BARE]
    rows = [
        (
            name,
            str(size),
            str(_records(size)),
            number(measured[name].typical),
            number(measured[_BARE].typical),
            number(1e6 / measured[name].typical),
            ratio(measured[_BARE].over(measured[name])),
        )
        for name in names
        for size, measured in rates.items()
    ]
    show(
        "Seal and verify: events a second of CPU time (three shapes of events, mixed)",
        ("", "batch", "batches", "events/s", _BARE, "µs/event", "SHA-256 is 1"),
        rows,
        (
            "batch: events in one; batches: sealed at once, as an invocation of fan-out gets them.",
            "seal: read the head and the markers, chain, commit; the ledger is the tests' fake.",
            "seal, with its items: on the DynamoDB adapter, over a client that does nothing.",
            "seal to the send: on the DynamoDB adapter, with a boto3 client that all but sends.",
            "fan-out handler: from the stream's event, over fakes: unpack, check, seal, encode for",
            "  the channel.",
            "verify: verification.verify over a ledger of four seals, its batches unpacked;",
            "verify from items: the same from journal items as DynamoDB returns them;",
            "verify with summaries: that, and the summaries compared with what is there.",
        ),
    )


def _variants(size: int) -> dict[str, Variant]:
    from functions.fanout import handler as deployed

    context = lambdas.context("fanout")
    images = _journal_items(size, _records(size) * SEALS)
    at_once = images[: _records(size)]
    batches = [_batch(image) for image in at_once]
    entries = [entry for batch in batches for entry in batch.entries]
    event = lambdas.stream_event(at_once)
    clock = FakeClock()
    recorder: Any = Recorder()
    canned = DynamoLedger(recorder, "ledger")
    unsent = DynamoLedger(hold(dynamodb.client(), _EMPTY_STORE), "ledger")
    ledger = _ledger(images, size)
    unpacked, packed = _Unpacked(images), _Packed(images)
    summaries = FakeSummaries()
    Summariser(ledger=ledger, journal=unpacked, summaries=summaries).again(ORG, size * len(images))

    def seal(ledger: Ledger) -> None:
        sealed = seal_batches(ORG, batches, ledger, clock)
        _check(sum(segment.count for segment, _ in sealed.fresh), len(entries))

    def fan_out() -> None:
        fanout = Fanout(
            ledger=FakeLedger(), set_aside=FakeSetAside(), broker=_Broker(), clock=clock
        )
        deployed.service = lambda: fanout  # type: ignore[assignment]
        _check(len(deployed.handler(event, context)["batchItemFailures"]), 0)

    def check_ledger(journal: Journal, summaries: Summaries | None = None) -> None:
        found = verify(ledger, journal, ORG, summaries=summaries)
        _check(found.last_seq, size * len(images))

    return {
        _BARE: Variant(lambda: [sha256(entry).digest() for entry in entries], len(entries)),
        "seal": Variant(lambda: seal(FakeLedger()), len(entries)),
        "seal, with its items": Variant(lambda: seal(canned), len(entries)),
        "seal to the send": Variant(lambda: seal(unsent), len(entries)),
        "fan-out handler": Variant(fan_out, len(entries)),
        "verify": Variant(lambda: check_ledger(unpacked), size * len(images)),
        "verify from items": Variant(lambda: check_ledger(packed), size * len(images)),
        "verify with summaries": Variant(
            lambda: check_ledger(packed, summaries), size * len(images)
        ),
    }


_EMPTY_STORE = {
    "Query": {"Items": [], "Count": 0},
    "BatchGetItem": {"Responses": {}, "UnprocessedKeys": {}},
    "TransactWriteItems": {},
}


def _records(size: int) -> int:
    return min(RECORDS, EVENTS // size)


def _journal_items(size: int, count: int) -> list[dict[str, Any]]:
    """Return the items that ingestion puts for ``count`` requests, in order of their ids."""
    recorder: Any = Recorder()
    clock = FakeClock()
    tenant = Tenant(DynamoJournal(recorder, "journal"), clock=clock)
    for body in traffic.bodies(size, count):
        tenant.ingest(tenant.request(body))
        clock.ms += 10
    items: list[dict[str, Any]] = recorder.items
    return items


def _ledger(images: Sequence[dict[str, Any]], size: int) -> FakeLedger:
    ledger, clock = FakeLedger(), FakeClock()
    for start in range(0, len(images), _records(size)):
        part = [_batch(image) for image in images[start : start + _records(size)]]
        seal_batches(ORG, part, ledger, clock)
    return ledger


def _batch(image: dict[str, Any]) -> Batch:
    batch = batch_of_image(image)
    if not isinstance(batch, Batch):
        raise RuntimeError(batch.reason)
    return batch


class _Unpacked(FakeJournal):
    """A journal that holds batches."""

    def __init__(self, images: Sequence[dict[str, Any]]) -> None:
        batches = map(_batch, images)
        super().__init__(batches={(batch.org, batch.id): batch for batch in batches})


class _Packed(FakeJournal):
    """A journal that holds items, and unpacks those that are asked for."""

    def __init__(self, images: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self._by_id = {image["batch"]["S"]: image for image in images}

    def get(self, org: str, batch_ids: Sequence[str]) -> dict[str, Batch | UnreadableBatch]:
        return {each: batch_of_image(self._by_id[each]) for each in batch_ids}


class _Broker:
    def publish(self, org: str, message: bytes) -> None:
        """Do nothing: nobody listens."""


def _check(found: int, expected: int) -> None:
    if found != expected:
        raise RuntimeError(f"{found} where {expected} are expected")
