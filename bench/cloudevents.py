"""CloudEvents through the ingest handler, in events a second of CPU time.

The deployed handler gets API Gateway proxy events of structured and batched requests; behind the
ports are the tests' fakes. The baseline is a first version of such an endpoint: FastAPI, the
CloudEvents SDK, a line of JSON an event into a file's buffer, without a server.
"""

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import count
from typing import Any, Final

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from fastapi import FastAPI, Request

from bench import lambdas, traffic
from bench.asgi import post
from bench.lambdas import Tenant
from bench.report import number, ratio, show
from bench.timing import Variant, measure
from fakes.stores import FakeJournal
from tocsin.wire.intake.cloudevents.formats import BATCHED, STRUCTURED

__all__ = ["main"]

_PATH: Final = "/v1/cloudevents"


def main() -> None:
    """Measure and print."""
    lambdas.prepare()
    rows = []
    for size in traffic.BATCHES:
        measured = measure(_variants(size))
        ours, theirs, raw = (measured[name] for name in ("Tocsin", "FastAPI", "raw"))
        rows.append(
            (
                str(size),
                number(ours.typical),
                number(theirs.typical),
                ratio(ours.over(theirs)),
                ratio(ours.over(raw)),
            )
        )
    show(
        "CloudEvents: events a second of CPU time",
        ("batch", "Tocsin", "FastAPI + SDK", "Tocsin is", "of raw ingestion"),
        rows,
        (
            "FastAPI + SDK: the CloudEvents SDK reads each, a line into memory. It knows no keys,",
            "  quota, limits or repetitions.",
            "Tocsin: the Lambda handler, from API Gateway's event to the result, each event once.",
        ),
    )


def _variants(size: int) -> dict[str, Variant]:
    from functions.ingest import handler as deployed

    context = lambdas.context("ingest")
    journal = FakeJournal()
    tenant = Tenant(journal)
    deployed.service = lambda: tenant.ingest  # type: ignore[assignment]
    media_type = STRUCTURED if size == 1 else BATCHED
    bodies = _bodies(size)
    application = _application()

    def handle(event: dict[str, Any]) -> None:
        result = deployed.handler(event, context)
        if result["statusCode"] != 200 or not journal.batches:
            raise RuntimeError(f"not accepted: {result}")
        journal.batches.clear()

    def ours() -> None:
        event = tenant.event(next(bodies))
        event |= {"path": _PATH, "resource": _PATH, "pathParameters": None}
        event["headers"] = {**event["headers"], "content-type": media_type}
        handle(event)

    def theirs() -> None:
        post(application, _PATH, next(bodies), media_type)

    return {
        "Tocsin": Variant(ours, size),
        "FastAPI": Variant(theirs, size),
        "raw": Variant(_raw(size, tenant, handle), size),
    }


def _raw(size: int, tenant: Tenant, handle: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    """Return what sends the same events as what they are."""
    bodies = [*traffic.bodies(size, 8)]
    turns = count()

    def call() -> None:
        handle(tenant.event(bodies[next(turns) % len(bodies)]))

    return call


def _bodies(size: int) -> Iterator[bytes]:
    """Yield requests with new events each."""
    ids = count()
    said = [json.loads(body) for body in traffic.bodies(size, 8)]
    batches = [each.get("events", [each]) for each in said]
    kinds = {"specversion": "1.0", "source": "/bench", "datacontenttype": "application/json"}
    while True:
        for batch in batches:
            events = [
                kinds | {"id": str(next(ids)), "type": event["type"], "data": event}
                for event in batch
            ]
            yield json.dumps(events if size > 1 else events[0]).encode()


def _application() -> FastAPI:
    app, kept = FastAPI(), BytesIO()
    form = JSONFormat()

    @app.post(_PATH)
    async def receive(request: Request) -> dict[str, int]:
        kept.seek(0)
        headers, body = dict(request.headers), await request.body()
        if headers["content-type"] == STRUCTURED:
            events = [from_http_event(HTTPMessage(headers, body))]
        else:
            events = [form.read(None, json.dumps(each)) for each in json.loads(body)]
        for event in events:
            kept.write(form.write(event) + b"\n")
        return {"ingested": len(events)}

    return app
