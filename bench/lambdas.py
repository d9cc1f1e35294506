"""What it takes to call the deployed handlers here: environment, events, an org with a key."""

import copy
import json
import os
import warnings
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

from fakes.stores import (
    FakeClock,
    FakeJournal,
    FakeKeys,
    FakeLedger,
    FakeOrgs,
    FakeQuota,
    FakeReceipts,
)
from tocsin.domain.keys import Scope, mint
from tocsin.domain.org import Org
from tocsin.local.environment import Context
from tocsin.local.functions import FUNCTIONS
from tocsin.ports.intake import Quota
from tocsin.ports.log import Journal
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access
from tocsin.services.intake.ingest import Ingest, IngestRequest
from tocsin.services.intake.protecting import Protecting

__all__ = ["ORG", "Tenant", "context", "prepare", "rotating", "stream_event", "tail_event"]

ORG = "bench"
EVENTS_PER_MONTH = 10**12
_EVENTS = Path(__file__).parents[1] / "events"


def prepare() -> None:
    """Set what a function finds in its environment; call it before importing a handler."""
    for name, value in {
        "POWERTOOLS_METRICS_NAMESPACE": "Tocsin",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }.items():
        os.environ.setdefault(name, value)
    # Powertools says this once per environment.
    warnings.filterwarnings("ignore", message="No application metrics to publish")


def context(function: str) -> LambdaContext:
    """Return what Lambda hands a handler besides the event."""
    return cast("LambdaContext", Context(function, FUNCTIONS[function].timeout_seconds))


class Tenant:
    """An org with a key and its ingest service, over the tests' fakes unless told otherwise."""

    def __init__(
        self,
        journal: Journal | None = None,
        quota: Quota | None = None,
        clock: Clock | None = None,
        protecting: Protecting | None = None,
    ) -> None:
        clock, journal = clock or FakeClock(), journal or FakeJournal()
        keys, orgs = FakeKeys(), FakeOrgs()
        self.token, key = mint(ORG, frozenset({Scope.INGEST}), "bench", 0)
        keys.put(key)
        orgs.put(Org(ORG, EVENTS_PER_MONTH))
        self.ingest = Ingest(
            access=Access(keys, orgs, clock),
            orgs=orgs,
            quota=quota or FakeQuota(),
            receipts=FakeReceipts(journal),
            journal=journal,
            clock=clock,
            ledger=FakeLedger,
            suspended=lambda org: frozenset(),
            protecting=protecting,
        )

    def request(self, body: bytes) -> IngestRequest:
        """Return a request for the ingest service with this body."""
        return IngestRequest(
            authorization=f"Bearer {self.token}",
            content_type="application/json",
            content_encoding=None,
            idempotency_key=None,
            partial=False,
            body=body,
        )

    def event(self, body: bytes) -> dict[str, Any]:
        """Return an API Gateway proxy event with this body, for the handler."""
        event: dict[str, Any] = json.loads((_EVENTS / "apigateway-ingest.json").read_bytes())
        bearer = f"Bearer {self.token}"
        event["headers"]["authorization"] = bearer
        event["multiValueHeaders"]["authorization"] = [bearer]
        event["queryStringParameters"] = event["multiValueQueryStringParameters"] = None
        return event | {"body": body.decode()}


def stream_event(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the event with which Lambda delivers these journal items (as boto3 has them)."""
    event: dict[str, Any] = json.loads((_EVENTS / "dynamodb-journal-insert.json").read_bytes())
    record = event["Records"][0]
    records = []
    for item in items:
        made = copy.deepcopy(record)
        image = {
            name: {kind: b64encode(value).decode() if kind == "B" else value}
            for name, attribute in item.items()
            for kind, value in attribute.items()
        }
        keys = {"org": image["org"], "batch": image["batch"]}
        made["dynamodb"] |= {"Keys": keys, "NewImage": image}
        records.append(made)
    return {"Records": records}


def tail_event() -> dict[str, Any]:
    """Return the event with which Lambda delivers the tail of the bench's org."""
    event: dict[str, Any] = json.loads((_EVENTS / "sqs-tail.json").read_bytes())
    event["Records"][0]["body"] = json.dumps({"org": ORG})
    return event


def rotating[T](call: Callable[[T], object], values: Sequence[T]) -> Callable[[], object]:
    """Return a call without arguments that passes on the values in turn."""
    place = 0

    def turn() -> object:
        nonlocal place
        place = (place + 1) % len(values)
        return call(values[place])

    return turn
