"""Wires the deliver function."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, override

from tocsin.adapters import sqs
from tocsin.adapters.aws_senders import S3Sender, SesSender, s3_client, ses_client
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.adapters.dynamodb.deliveries import DynamoDeliveries
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeys
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.subjects import DynamoSubjects
from tocsin.adapters.http.sender import HttpSender
from tocsin.domain.deliveries import Answer, Outgoing
from tocsin.domain.endpoints import Endpoint
from tocsin.domain.errors import Busy, Refused
from tocsin.domain.keys import Scope
from tocsin.domain.org import OrgStatus
from tocsin.domain.retention import Retention
from tocsin.ports.notify import Sender, Wakes
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access
from tocsin.services.access.remembered import Remembered
from tocsin.services.approvals.deciding import Deciding
from tocsin.services.approvals.linking import Linking
from tocsin.services.approvals.steps import Steps
from tocsin.services.notify.delivering import Delivering, LinksOf
from tocsin.services.notify.reading import Log
from tocsin.services.notify.serving import Serving
from tocsin.services.notify.sweeping import Sweeping
from tocsin.services.reading.opening import OpenedJournal
from tocsin.settings import DeliverSettings
from tocsin.wire import links as wire_links
from tocsin.wire.notify.rendering import Answers

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["BySchemes", "DeliverParts", "links_of", "wire"]

_AT_ONCE: Final = 8  # requests, of an endpoint that has no order


@dataclass(frozen=True, slots=True)
class DeliverParts:
    """What the function calls: ``serve`` for a message, ``sweep`` by schedule.

    ``is_slow`` tells by a queue's name which it is.

    ``close`` ends the connections that are kept, for who wires it more than once.
    """

    serve: Serving
    sweep: Sweeping
    is_slow: Callable[[str], bool]
    close: Callable[[], None]


class BySchemes(Sender):
    """Sends each request by the sender of its URL's scheme; without one it is refused."""

    def __init__(self, senders: Mapping[str, Sender]) -> None:
        self._senders = senders

    @override
    def send(self, outgoing: Outgoing) -> Answer:
        scheme = outgoing.url.partition(":")[0]
        sender = self._senders.get(scheme)
        if sender is None:
            return Answer(0, 0, "blocked", excerpt=f"this deployment sends nothing by {scheme}:")
        return sender.send(outgoing)


def wire(
    settings: DeliverSettings | None = None,
    *,
    db: "DynamoDBClient | None" = None,
    clock: Clock | None = None,
    wakes: Wakes | None = None,
) -> DeliverParts:
    """Return the use cases on the tables and the queues."""
    settings = settings or DeliverSettings()
    db, clock, state = db or client(), clock or SystemClock(), settings.state_table
    queues = settings.wakes_queue_url, settings.slow_wakes_queue_url
    wakes = wakes or sqs.SqsWakes(sqs.client(), *queues)
    journal = DynamoJournal(db, settings.journal_table, settings.retention_days)
    ledger, endpoints = DynamoLedger(db, settings.ledger_table), DynamoEndpoints(db, state, journal)
    orgs = DynamoOrgs(db, state)
    known = Remembered(orgs.get, clock)

    def works(id: str) -> bool:
        org = known.read(id)
        return org is None or org.status is OrgStatus.ACTIVE

    http = HttpSender(
        denied_networks=tuple(settings.denied_networks), loopback=settings.loopback_receivers
    )
    steps = Steps(DynamoApprovals(db, state, journal), clock)
    access = Access(DynamoKeys(db, state), orgs, clock)
    linking = Linking(steps, Deciding(steps), access, orgs, settings.public_url)
    read = OpenedJournal(journal, DynamoSubjects(db, state, journal), clock)
    deliver = Delivering(
        log=Log(ledger, read, lambda: Retention(clock.now_ms(), settings.retention_days)),
        endpoints=endpoints,
        deliveries=DynamoDeliveries(db, state),
        sender=_sender(settings, http),
        wakes=wakes,
        clock=clock,
        pool=partial(ThreadPoolExecutor, _AT_ONCE),
        works=works,
        links=links_of(access, linking),
        public_url=settings.public_url,
    )
    slow = settings.slow_wakes_queue_url.rpartition("/")[2]
    sweep = Sweeping(endpoints, ledger, wakes, clock)
    serve = Serving(deliver, endpoints, clock)
    return DeliverParts(serve, sweep, lambda queue: queue == slow, http.close)


def links_of(access: Access, linking: Linking) -> LinksOf:
    """Return what makes an endpoint's links: with the key of who asked for them, while it works."""

    def make(endpoint: Endpoint, id: str) -> Answers | None:
        try:
            key = access.authorize_key(endpoint.org, endpoint.links_key, Scope.APPROVE)
            links = linking.make(key, id)
        except Busy:
            raise
        except Refused:  # it was answered before, or the key may not (any more)
            return None
        approve, deny = (
            wire_links.url(links.public_url, each) for each in (links.approve, links.deny)
        )
        return Answers(approve_url=approve, deny_url=deny, expires_at_ms=links.expires_at_ms)

    return make


def _sender(settings: DeliverSettings, http: Sender) -> Sender:
    senders: dict[str, Sender] = {"https": http, "http": http}
    if settings.mail_from:
        senders["mailto"] = SesSender(ses_client(), settings.mail_from)
    if settings.export_buckets:
        senders["s3"] = S3Sender(s3_client(), settings.export_buckets)
    return BySchemes(senders)
