"""Endpoints: where events are sent; made, changed, tested and looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self, TypedDict, Unpack
from urllib.parse import parse_qsl, urlsplit

from tocsin.client._asking import Asking, AsyncAsking, Flow, Question, listed, one, path, read
from tocsin.domain.limits import MAX_LIST_EVENTS
from tocsin.domain.times import iso

__all__ = ["AsyncWebhooks", "Delivery", "Webhook", "WebhookOptions", "Webhooks"]

_WEBHOOKS: Final = "/api/v1/webhooks"

type _Since = datetime | str | None


class WebhookOptions(TypedDict, total=False):
    """What an endpoint is beside its URL; None ends a filter. Its ``format`` stays as it was made.

    ``severity`` is the least of an anomaly. ``token`` is what the receiving service asks for.
    """

    description: str
    format: str
    order: Literal["relaxed", "strict", "none"]
    escalation: bool
    links: bool
    types: Sequence[str] | None
    agent_id: str | None
    tool_name: str | None
    action: str | None
    severity: Literal["info", "warning", "critical"] | None
    token: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint; ``secret`` is its new one, where it was just made or rotated.

    ``fields`` is all that Tocsin said of it, how far it is among it.
    """

    id: str
    url: str
    format: str
    status: Literal["active", "paused"]
    secret: str | None = field(default=None, repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return it as Tocsin's answers have it; raises KeyError or TypeError: it is none."""
        return cls(
            id=fields["id"],
            url=fields["url"],
            format=fields["format"],
            status=fields["status"],
            secret=fields.get("secret"),
            fields=fields,
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt: ``outcome`` is ``delivered``, ``failed``, ``slowed``, ``gone`` or ``untried``.

    ``status`` is HTTP's; None: no answer came. ``fields`` is all that Tocsin said of it.
    """

    event_id: str
    attempt: int
    outcome: str
    status: int | None
    latency_ms: int
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return it as Tocsin's answers have it; raises KeyError or TypeError: it is none."""
        return cls(
            event_id=fields["event_id"],
            attempt=fields["attempt"],
            outcome=fields["outcome"],
            status=fields["status"],
            latency_ms=fields["latency_ms"],
            fields=fields,
        )


class Webhooks(Asking):
    """A client's methods of endpoints."""

    def webhooks(self) -> list[Webhook]:
        """Return the org's endpoints, oldest first, and how far each is.

        Raises:
            ApiError: Tocsin refused.
            httpx.TransportError: Tocsin can't be reached, or its answer was lost.
        """
        return self._run(_all())

    def unreadable_webhooks(self) -> dict[str, str]:
        """Return why Tocsin can't read an endpoint, by its id: it is sent nothing; remove it.

        Those are not among :meth:`webhooks`; raises what that raises.
        """
        return self._run(_unreadable())

    def webhook(self, id: str) -> Webhook:
        """Return one endpoint; raises what :meth:`webhooks` raises."""
        return self._run(_one(id))

    def create_webhook(
        self,
        url: str,
        *,
        secret: str | None = None,
        from_seq: int | None = None,
        since: _Since = None,
        **options: Unpack[WebhookOptions],
    ) -> Webhook:
        """Have events sent to a URL from now on; needs the scope ``admin``.

        With ``from_seq`` or ``since`` it begins before. ``secret`` is a ``whsec_`` of your own. It
        is sent once: if the answer is lost, :meth:`webhooks` says whether there is one, and
        :meth:`rotate_webhook` gives it a secret that you know. Raises what :meth:`webhooks` raises.
        """
        return self._run(_created(url, secret, from_seq, since, options))

    def update_webhook(
        self, id: str, url: str | None = None, **options: Unpack[WebhookOptions]
    ) -> Webhook:
        """Change an endpoint; what is not given stays."""
        return self._run(_updated(id, url, options))

    def pause_webhook(self, id: str, reason: str = "") -> Webhook:
        """Have nothing sent until it is resumed."""
        return self._run(_steered(id, "pause", reason=reason))

    def resume_webhook(self, id: str, *, skip_missed: bool = False) -> Webhook:
        """Have it sent what it was not, at once; or with ``skip_missed`` only what follows."""
        return self._run(_steered(id, "resume", skip_missed=skip_missed))

    def rotate_webhook(
        self, id: str, overlap_seconds: int | None = None, *, secret: str | None = None
    ) -> Webhook:
        """Sign with a new secret, and with the one before it for a day, or so many seconds."""
        return self._run(_rotated(id, overlap_seconds, secret))

    def test_webhook(self, id: str) -> str:
        """Have an event sent to it alone; return the event's id.

        As soon as that was tried it is one of :meth:`webhook_deliveries`.
        """
        return self._run(_tested(id))

    def replay_webhook(
        self,
        id: str,
        from_seq: int | None = None,
        to_seq: int | None = None,
        *,
        since: _Since = None,
    ) -> Webhook:
        """Have it sent a part of the ledger once more, to the ledger's end without ``to_seq``.

        What is not kept any more is left out; ``fields["expired_through_seq"]`` says up to where.
        It is sent once.
        """
        return self._run(_replayed(id, from_seq, to_seq, since))

    def remove_webhook(self, id: str) -> None:
        """Remove an endpoint.

        An ApiError's ``status`` is 404 if there is none, also by a try of this very call whose
        answer was lost.
        """
        self._run(_removed(id))

    def webhook_deliveries(self, id: str, limit: int = 100) -> list[Delivery]:
        """Return what was attempted, newest first, ``limit`` at most."""
        return self._run(_attempts(id, "deliveries", limit))

    def webhook_given_up(self, id: str, limit: int = 100) -> list[Delivery]:
        """Return the last attempts of what was given up, newest first, ``limit`` at most."""
        return self._run(_attempts(id, "given-up", limit))


class AsyncWebhooks(AsyncAsking):
    """The same for asyncio; see :class:`Client`'s methods."""

    async def webhooks(self) -> list[Webhook]:
        """Return the org's endpoints."""
        return await self._run(_all())

    async def unreadable_webhooks(self) -> dict[str, str]:
        """Return why Tocsin can't read an endpoint, by its id."""
        return await self._run(_unreadable())

    async def webhook(self, id: str) -> Webhook:
        """Return one endpoint."""
        return await self._run(_one(id))

    async def create_webhook(
        self,
        url: str,
        *,
        secret: str | None = None,
        from_seq: int | None = None,
        since: _Since = None,
        **options: Unpack[WebhookOptions],
    ) -> Webhook:
        """Have events sent to a URL from now on."""
        return await self._run(_created(url, secret, from_seq, since, options))

    async def update_webhook(
        self, id: str, url: str | None = None, **options: Unpack[WebhookOptions]
    ) -> Webhook:
        """Change an endpoint."""
        return await self._run(_updated(id, url, options))

    async def pause_webhook(self, id: str, reason: str = "") -> Webhook:
        """Have nothing sent until it is resumed."""
        return await self._run(_steered(id, "pause", reason=reason))

    async def resume_webhook(self, id: str, *, skip_missed: bool = False) -> Webhook:
        """Have it sent what it was not, or only what follows."""
        return await self._run(_steered(id, "resume", skip_missed=skip_missed))

    async def rotate_webhook(
        self, id: str, overlap_seconds: int | None = None, *, secret: str | None = None
    ) -> Webhook:
        """Sign with a new secret."""
        return await self._run(_rotated(id, overlap_seconds, secret))

    async def test_webhook(self, id: str) -> str:
        """Have an event sent to it alone; return the event's id."""
        return await self._run(_tested(id))

    async def replay_webhook(
        self,
        id: str,
        from_seq: int | None = None,
        to_seq: int | None = None,
        *,
        since: _Since = None,
    ) -> Webhook:
        """Have it sent a part of the ledger once more."""
        return await self._run(_replayed(id, from_seq, to_seq, since))

    async def remove_webhook(self, id: str) -> None:
        """Remove an endpoint."""
        await self._run(_removed(id))

    async def webhook_deliveries(self, id: str, limit: int = 100) -> list[Delivery]:
        """Return what was attempted, newest first."""
        return await self._run(_attempts(id, "deliveries", limit))

    async def webhook_given_up(self, id: str, limit: int = 100) -> list[Delivery]:
        """Return the last attempts of what was given up, newest first."""
        return await self._run(_attempts(id, "given-up", limit))


def _all() -> Flow[list[Webhook]]:
    return listed(_WEBHOOKS, None, Webhook.from_fields, "list of endpoints")


def _unreadable() -> Flow[dict[str, str]]:
    def why(page: Mapping[str, Any]) -> dict[str, str]:
        found = page.get("unreadable", ())  # an older Tocsin names none
        return {each["id"]: each["reason"] for each in found}

    return one(Question("GET", _WEBHOOKS), why, "list of endpoints")


def _one(id: str) -> Flow[Webhook]:
    return one(Question("GET", path(_WEBHOOKS, id)), Webhook.from_fields, "endpoint")


def _created(
    url: str, secret: str | None, from_seq: int | None, since: _Since, options: WebhookOptions
) -> Flow[Webhook]:
    begun = _given(secret=secret, from_seq=from_seq, since=_time(since))
    body = {"url": url, **options, **begun}
    return one(Question("POST", _WEBHOOKS, body=body, once=True), Webhook.from_fields, "endpoint")


def _updated(id: str, url: str | None, options: WebhookOptions) -> Flow[Webhook]:
    body = {**_given(url=url), **options}
    return one(Question("PUT", path(_WEBHOOKS, id), body=body), Webhook.from_fields, "endpoint")


def _steered(id: str, verb: str, *, once: bool = False, **said: Any) -> Flow[Webhook]:
    question = Question("POST", path(_WEBHOOKS, id, verb), body=said, once=once)
    return one(question, Webhook.from_fields, "endpoint")


def _rotated(id: str, overlap_seconds: int | None, secret: str | None) -> Flow[Webhook]:
    said = _given(overlap_seconds=overlap_seconds, secret=secret)
    return _steered(id, "rotate", once=True, **said)


def _tested(id: str) -> Flow[str]:
    question = Question("POST", path(_WEBHOOKS, id, "test"), body={})
    return one(question, lambda body: str(body["event_id"]), "test")


def _replayed(id: str, from_seq: int | None, to_seq: int | None, since: _Since) -> Flow[Webhook]:
    said = _given(from_seq=from_seq, to_seq=to_seq, since=_time(since))
    return _steered(id, "replay", once=True, **said)


def _removed(id: str) -> Flow[object]:
    return one(Question("DELETE", path(_WEBHOOKS, id)), lambda body: body["deleted"], "endpoint")


def _attempts(id: str, of: str, limit: int) -> Flow[list[Delivery]]:
    found, params = list[Delivery](), dict[str, str]()
    while len(found) < limit:
        params["limit"] = str(min(limit - len(found), MAX_LIST_EVENTS))
        response = yield Question("GET", path(_WEBHOOKS, id, of), params)
        found += read(
            response,
            lambda page: list(map(Delivery.from_fields, page["data"])),
            "list of deliveries",
        )
        link = response.links.get("next")
        if link is None:
            break
        params = dict(parse_qsl(urlsplit(link["url"]).query))
    return found


def _given(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _time(since: _Since) -> str | None:
    if isinstance(since, datetime):
        return iso(since if since.tzinfo else since.replace(tzinfo=UTC))
    return since
