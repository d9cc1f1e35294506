"""Keeping an org's endpoints: made, changed and removed, each told by an event."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.deliveries import Progress
from tocsin.domain.endpoints import Endpoint, Format, Order, Secret, Status, Wanted, new_id
from tocsin.domain.errors import Conflict, Forbidden, Invalid, UnreadableEndpoint
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import MAX_ENDPOINTS
from tocsin.domain.receivers import RECEIVERS, CheckUrl, check
from tocsin.ports.log import Ledger
from tocsin.ports.notify import Kept
from tocsin.services.intake.told import tell
from tocsin.services.notify.changing import Changing, sees, told
from tocsin.services.reading.cursor import Start, resolve

__all__ = ["Draft", "Keeping", "Signatures", "new_secret", "place"]


class Signatures(Protocol):
    """What deliveries are signed with: :mod:`tocsin.wire.notify.signatures`."""

    def new_secret(self, key: bytes | None = None) -> Secret:
        """Return a new secret, with an HMAC key that somebody brought or a random one."""

    def read_hmac(self, text: str) -> bytes:
        """Return the HMAC key that a ``whsec_`` text stands for; raises Invalid: it is none."""

    def hmac_text(self, secret: Secret) -> str:
        """Return its ``whsec_`` text."""

    def public_text(self, secret: Secret) -> str:
        """Return its ``whpk_`` text, which is no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an endpoint shall be; ``from_seq`` or ``since`` say with what it begins, as a stream's.

    ``secret`` is a ``whsec_`` that its receiver has; empty: a new one is made.
    """

    url: str
    description: str = ""
    format: Format = Format.TOCSIN
    order: Order = Order.RELAXED
    escalation: bool = False
    links: bool = False
    wanted: Wanted = field(default_factory=Wanted)
    token: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    from_seq: int | None = None
    since: str | None = None


class Keeping:
    """The use cases of making and changing, behind ``/api/v1/webhooks``. Everything blocks.

    All may raise Busy where nothing was written, or OutcomeUnknown where it may have been.
    """

    def __init__(
        self,
        changing: Changing,
        ledger: Ledger,
        signatures: Signatures,
        check_url: CheckUrl,
        buckets: Collection[str] = (),
        *,
        mails: bool = False,
    ) -> None:
        """Wire the ports; ``buckets`` are those that exports may go to, ``mails``: mail is sent."""
        self._changing = changing
        self._store = changing.store
        self._ledger = ledger
        self._signatures = signatures
        self._check_url = check_url
        self._buckets = buckets
        self._mails = mails

    def all(self, key: ApiKey) -> tuple[Sequence[Kept], Sequence[UnreadableEndpoint]]:
        """Return the endpoints, oldest first, and those that can't be read.

        A key of some event types sees those that it could make.
        """
        found, unreadable = self._store.every(key.org)
        seen = [kept for kept in found if sees(key, kept.endpoint)]
        return seen, unreadable if key.types is None else ()

    def one(self, key: ApiKey, id: str) -> Kept:
        """Return an endpoint; raises as :meth:`.changing.Changing.found`."""
        return self._changing.found(key, id)

    def create(self, key: ApiKey, draft: Draft) -> Kept:
        """Make an endpoint.

        Raises:
            Invalid, Malformed: what it shall be is contradictory, or no place to begin at.
            Refused: nothing may be sent to its URL.
            Forbidden: the key may not see all that it would be sent, or answer its links.
            Conflict: the org has :data:`.limits.MAX_ENDPOINTS`.
        """
        org, now_ms = key.org, self._changing.clock.now_ms()
        if draft.secret and not RECEIVERS[draft.format].signed:
            raise _invalid("secret", f"What is sent in the format {draft.format} is not signed")
        new = Endpoint(
            org=org,
            id=new_id(),
            url=draft.url,
            description=draft.description,
            format=draft.format,
            order=draft.order,
            escalation=draft.escalation,
            links=draft.links,
            links_key=key.id if draft.links else "",
            wanted=draft.wanted,
            token=draft.token,
            by=key.holder,
            at_ms=now_ms,
            created_at_ms=now_ms,
        )
        self._check(key, new)
        if RECEIVERS[draft.format].signed:
            new = replace(new, secrets=(new_secret(self._signatures, draft.secret),))
        progress = Progress(place(self._ledger, org, draft.from_seq, draft.since, now_ms))
        kept = Kept(new, progress)

        def read() -> Endpoint:
            nonlocal kept
            there = self._store.get(org, new.id)
            kept = there or Kept(new, progress)
            return kept.endpoint

        def plan(now: Endpoint, _: int) -> tuple[Endpoint, Sequence[dict[str, Any]]]:
            if sum(map(len, self._store.every(org))) >= MAX_ENDPOINTS:
                raise Conflict(f"the org has {MAX_ENDPOINTS:,} endpoints: remove one first")
            more = {
                "format": str(new.format),
                "order": str(new.order),
                "escalation": new.escalation,
                "links": new.links,
            }
            return now, [told(key, now, "created", more)]

        def write(endpoint: Endpoint, was: str, batch: Batch, packed: bytes) -> bool:
            return self._store.write(endpoint, was, batch, packed, progress)

        made = tell(org, self._changing.clock, read, plan, write, "endpoint")
        return replace(kept, endpoint=made)

    def update(self, key: ApiKey, id: str, changed: Callable[[Wanted], dict[str, Any]]) -> Kept:
        """Change an endpoint: ``changed`` says which fields, from what it wants so far.

        What is not given stays. Its format stays: who was sent one can't read another. Nothing is
        told where nothing changes. Raises as :meth:`create` and :class:`.changing.Changing` do.
        """

        def plan(now: Kept, _: int) -> tuple[Endpoint, dict[str, Any] | None]:
            changes = changed(now.endpoint.wanted)
            next = replace(now.endpoint, **changes)
            if next.format is not now.endpoint.format:
                raise _invalid("format", "It stays: make another endpoint for another format")
            self._check(key, next)
            # What links open is what the key of who directs them may open.
            next = replace(next, links_key=key.id if next.links else "")
            names = [name for name in changes if getattr(next, name) != getattr(now.endpoint, name)]
            return next, {"changed": sorted(names)} if names else None

        return self._changing(key, id, "updated", plan)

    def remove(self, key: ApiKey, id: str) -> None:
        """Remove an endpoint: what is on its way arrives, and nothing is sent any more.

        So also one that can't be read; see :meth:`.changing.Changing.discard`.
        """

        def plan(now: Kept, _: int) -> tuple[Endpoint, dict[str, Any]]:
            # Who holds its lease and reads it in between finds nothing to send.
            return replace(now.endpoint, status=Status.PAUSED), {}

        try:
            self._changing(key, id, "removed", plan, self._store.remove, removes=True)
        except UnreadableEndpoint:
            self._changing.discard(key, id)

    def _check(self, key: ApiKey, endpoint: Endpoint) -> None:
        check(
            endpoint.format,
            endpoint.url,
            token=endpoint.token,
            links=endpoint.links,
            check_web=self._check_url,
            buckets=self._buckets,
            mails=self._mails,
        )
        if endpoint.links and not key.may(Scope.APPROVE):
            raise Forbidden("links that answer approvals take a key with the scope approve")
        if not sees(key, endpoint):
            raise Forbidden(
                "the API key sees some event types: have the endpoint want none but those"
                " (types), and be no escalation target unless approval.reminder is one of them"
            )


def new_secret(signatures: Signatures, text: str) -> Secret:
    """Return a secret from a ``whsec_`` text, or where that is empty one of its own."""
    return signatures.new_secret(signatures.read_hmac(text) if text else None)


def place(ledger: Ledger, org: str, from_seq: int | None, since: str | None, now_ms: int) -> int:
    """Return the seq after which to begin: before ``from_seq``, at ``since``, or at the head.

    Raises:
        Invalid: both are given, or it is ahead of the ledger.
        Malformed: ``since`` is none; see :func:`.cursor.resolve`.
    """
    if from_seq is not None and since is not None:
        raise _invalid("since", "Both say where to begin: give since or from_seq")
    head = ledger.head(org).seq
    if from_seq is not None:
        if from_seq > head + 1:
            raise _invalid("from_seq", f"The ledger ends at {head}")
        return from_seq - 1
    found = resolve(ledger, org, Start(since=since), head, now_ms) if since else None
    return head if found is None else found


def _invalid(field: str, message: str) -> Invalid:
    return Invalid([{"field": field, "message": message}])
