"""The ingest function without I/O, in events a second of CPU time.

The deployed handler gets API Gateway proxy events; behind the ports are the tests' fakes, or, in
the last rows, the DynamoDB adapters over a client that does all but send. The baseline is
:mod:`bench.straightforward`, measured to the same point: the bytes of its requests, or all but the
sending. Both handlers have the same Powertools around them.
"""

from typing import Any

import boto3

from bench import lambdas, straightforward, traffic
from bench.lambdas import Tenant, rotating
from bench.report import number, ratio, show
from bench.timing import Variant, measure
from bench.unsent import hold
from fakes.stores import FakeJournal
from tocsin.adapters import dynamodb
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.quota import DynamoQuota
from tocsin.services.intake.ingest import Ingest, IngestRequest

__all__ = ["main"]

BODIES = 8  # different ones of each size, taken in turn
_WAYS = ("service", "handler", "handler to the send")


def main() -> None:
    """Measure and print."""
    lambdas.prepare()
    rates = {size: measure(_variants(size)) for size in traffic.BATCHES}
    rows = []
    for way in _WAYS:
        for size, measured in rates.items():
            ours, theirs = measured[f"Tocsin {way}"], measured[f"straightforward {way}"]
            rows.append(
                (
                    way,
                    str(size),
                    number(ours.typical),
                    number(theirs.typical),
                    ratio(ours.over(theirs)),
                    number(size / ours.typical * 1e6),
                )
            )
    show(
        "Ingest: events a second of CPU time (three shapes of events, mixed)",
        ("", "batch", "Tocsin", "straightforward", "Tocsin is", "Tocsin, µs/request"),
        rows,
        (
            "straightforward: a Pydantic model and an item per event, batch_write_item by 25; it",
            "  knows no keys, no quota, no limits and no canonical bytes.",
            "service: from the body to the answer. Tocsin's stores are the tests' fakes; the other",
            "  ends with the bytes of its requests (botocore's validation and serialiser).",
            "handler: the same in the Lambda handler, from API Gateway's event to the result.",
            "handler to the send: both with a boto3 client that does everything but send.",
        ),
    )


def _variants(size: int) -> dict[str, Variant]:
    from functions.ingest import handler as deployed

    context = lambdas.context("ingest")
    bodies = traffic.bodies(size, BODIES)
    journal = FakeJournal()
    faked, unsent = Tenant(journal), _unsent_tenant()

    def serve(request: IngestRequest) -> bytes:
        answer = faked.ingest(request)
        journal.batches.clear()  # a real store keeps nothing in the function's memory
        return answer

    def handle(ingest: Ingest, event: dict[str, Any]) -> None:
        deployed.service = lambda: ingest  # type: ignore[assignment]
        _check(deployed.handler(event, context))
        journal.batches.clear()

    events = [faked.event(body) for body in bodies]
    serialise = straightforward.serialising()
    theirs = straightforward.handler_of(serialise)
    send = straightforward.sending(
        hold(boto3.client("dynamodb"), {"BatchWriteItem": {"UnprocessedItems": {}}})
    )
    theirs_unsent = straightforward.handler_of(send)
    calls = {
        "Tocsin service": rotating(serve, [faked.request(body) for body in bodies]),
        "straightforward service": rotating(
            lambda body: straightforward.ingest(body, serialise), bodies
        ),
        "Tocsin handler": rotating(lambda event: handle(faked.ingest, event), events),
        "straightforward handler": rotating(lambda event: _check(theirs(event, context)), events),
        "Tocsin handler to the send": rotating(
            lambda event: handle(unsent.ingest, event), [unsent.event(body) for body in bodies]
        ),
        "straightforward handler to the send": rotating(
            lambda event: _check(theirs_unsent(event, context)), events
        ),
    }
    return {name: Variant(call, size) for name, call in calls.items()}


def _unsent_tenant() -> Tenant:
    client = hold(
        dynamodb.client(), {"PutItem": {}, "UpdateItem": {"Attributes": {"used": {"N": "1"}}}}
    )
    journal = DynamoJournal(client, "journal")
    return Tenant(journal, DynamoQuota(client, "state"))


def _check(result: dict[str, Any]) -> None:
    """Make sure that the work was done."""
    if result["statusCode"] != 200:
        raise RuntimeError(f"not accepted: {result}")
