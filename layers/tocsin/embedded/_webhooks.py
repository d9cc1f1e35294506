"""An application's endpoints, as its developer makes and changes them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypedDict, Unpack

import orjson

from tocsin.domain.endpoints import Format, Wanted
from tocsin.domain.errors import Invalid
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import SECRET_OVERLAP_SECONDS
from tocsin.domain.receivers import RECEIVERS
from tocsin.domain.times import iso
from tocsin.embedded._deliveries import SqliteDeliveries
from tocsin.embedded._endpoints import SqliteEndpoints
from tocsin.embedded._ledger import SqliteLedger
from tocsin.embedded._parts import Parts
from tocsin.embedded._webhook import Delivery, Webhook
from tocsin.ports.notify import Kept
from tocsin.services.notify.changing import Changing
from tocsin.services.notify.keeping import Draft, Keeping
from tocsin.services.notify.steering import Steering
from tocsin.wire import bodies
from tocsin.wire import endpoints as wire
from tocsin.wire.notify import signatures

__all__ = ["WebhookOptions", "Webhooks"]

_BY: Final = "embedded"

type _Since = datetime | str | None


class WebhookOptions(TypedDict, total=False):
    """What an endpoint is beside its URL and its format; None ends a filter.

    ``severity`` is the least of an anomaly. ``token`` is what the receiving service asks for.
    """

    description: str
    order: Literal["relaxed", "strict", "none"]
    types: Collection[str] | None
    agent_id: str | None
    tool_name: str | None
    action: str | None
    severity: Literal["info", "warning", "critical"] | None
    token: str


class Webhooks:
    """Where an application's events are sent. A change is one transaction with its event.

    All raise NotFound where there is no such endpoint, and Busy where another process holds the
    file; then nothing was changed.
    """

    def __init__(self, of: Parts) -> None:
        log = of.log
        self._key = ApiKey(log.org, _BY, b"", frozenset({Scope.ADMIN}), _BY, 0, person=_BY)
        self._clock = log.clock
        ledger, deliveries = SqliteLedger(log.changing), SqliteDeliveries(log.changing)
        changing = Changing(SqliteEndpoints(log.changing, log.journal), log.clock)
        self._keeping = Keeping(changing, ledger, signatures, of.check_url)
        self._steering = Steering(
            changing, deliveries, ledger, log.journal, signatures, of.retention
        )

    async def add(
        self,
        url: str,
        *,
        format: str = Format.TOCSIN,
        secret: str | None = None,
        from_seq: int | None = None,
        since: _Since = None,
        **options: Unpack[WebhookOptions],
    ) -> Webhook:
        """Have events sent to a URL from now on, or from a seq or a time in the past.

        ``secret`` is a ``whsec_`` of your own; without one the answer has a new one.

        Raises:
            Invalid, Refused: no endpoint can be so; the message says what to change.
            Conflict: there are as many as there may be.
        """
        begun = _given(secret=secret, from_seq=from_seq, since=_time(since))
        body = _body({"url": url, "format": format, **_options(options), **begun})
        said = bodies.read(body, wire.CREATE)
        draft = Draft(**wire.fields_of(said, Wanted()))
        if RECEIVERS[draft.format].scheme != "https":
            message = "A deployed Tocsin sends mail, and exports to buckets; here it sends HTTP"
            raise Invalid([{"field": "format", "message": message}])
        return self._with_secret(await asyncio.to_thread(self._keeping.create, self._key, draft))

    async def list(self) -> Sequence[Webhook]:
        """Return the endpoints, oldest first, and how far each is."""
        found, _ = await asyncio.to_thread(self._keeping.all, self._key)
        return [self._shown(each) for each in found]

    async def unreadable(self) -> Mapping[str, str]:
        """Return those that can't be read, and so are sent nothing: why, by their ids."""
        _, found = await asyncio.to_thread(self._keeping.all, self._key)
        return {each.id: each.reason for each in found}

    async def get(self, id: str) -> Webhook:
        """Return one."""
        return self._shown(await asyncio.to_thread(self._keeping.one, self._key, id))

    async def update(
        self, id: str, url: str | None = None, **options: Unpack[WebhookOptions]
    ) -> Webhook:
        """Change one; what is not given stays. Raises what :meth:`add` does."""
        body = bodies.read(_body({**_given(url=url), **_options(options)}), wire.UPDATE)
        return self._shown(
            await asyncio.to_thread(
                self._keeping.update, self._key, id, lambda was: wire.fields_of(body, was)
            )
        )

    async def pause(self, id: str, reason: str = "") -> Webhook:
        """Have nothing sent until it is resumed."""
        said = bodies.read(_body({"reason": reason}), wire.PAUSE)
        return self._shown(
            await asyncio.to_thread(self._steering.pause, self._key, id, said.get("reason", ""))
        )

    async def resume(self, id: str, *, skip_missed: bool = False) -> Webhook:
        """Have it sent what it was not, at once; or with ``skip_missed`` only what follows."""
        return self._shown(
            await asyncio.to_thread(self._steering.resume, self._key, id, skip_missed=skip_missed)
        )

    async def rotate(
        self,
        id: str,
        *,
        overlap_seconds: int = SECRET_OVERLAP_SECONDS,
        secret: str | None = None,
    ) -> Webhook:
        """Sign with a new secret, and with the one before it for a day, or so many seconds.

        Raises Conflict: what it is sent is not signed.
        """
        said = {"overlap_seconds": overlap_seconds, **_given(secret=secret)}
        body = bodies.read(_body(said), wire.ROTATE)
        return self._with_secret(
            await asyncio.to_thread(
                self._steering.rotate,
                self._key,
                id,
                body.get("secret", ""),
                wire.overlap_seconds(body),
            )
        )

    async def remove(self, id: str) -> None:
        """Remove one, and what is known of its deliveries."""
        await asyncio.to_thread(self._keeping.remove, self._key, id)

    async def test(self, id: str) -> str:
        """Have an event sent to it alone; return the event's id. Raises Conflict: it is paused."""
        return await asyncio.to_thread(self._steering.test, self._key, id)

    async def replay(
        self,
        id: str,
        from_seq: int | None = None,
        to_seq: int | None = None,
        *,
        since: _Since = None,
    ) -> Webhook:
        """Have it sent a part of the log once more, to the log's end without ``to_seq``.

        Raises:
            Invalid, Malformed: it is no part of the log.
            LimitReached: too many are not at their end.
        """
        said = _given(from_seq=from_seq, to_seq=to_seq, since=_time(since))
        body = bodies.read(_body(said), wire.REPLAY)
        places = body.get("from_seq"), body.get("to_seq"), body.get("since")
        done = await asyncio.to_thread(self._steering.replay, self._key, id, *places)
        return self._shown(done.kept)

    async def deliveries(self, id: str, limit: int = 100) -> Sequence[Delivery]:
        """Return what was attempted, newest first, ``limit`` at most."""
        found, _ = await asyncio.to_thread(self._steering.deliveries, self._key, id, "", limit)
        return [Delivery.of(wire.delivery(each)) for each in found]

    async def given_up(self, id: str, limit: int = 100) -> Sequence[Delivery]:
        """Return the last attempts of what was given up, newest first, ``limit`` at most."""
        found, _ = await asyncio.to_thread(self._steering.given_up, self._key, id, "", limit)
        return [Delivery.of(wire.delivery(each)) for each in found]

    def _shown(self, kept: Kept, secret: str | None = None) -> Webhook:
        keys = kept.endpoint.signing(self._clock.now_ms())
        public_keys = [signatures.public_text(each) for each in keys]
        said = wire.shown(kept.endpoint, kept.progress, kept.replays, public_keys, whole=True)
        return Webhook.of(said, secret)

    def _with_secret(self, kept: Kept) -> Webhook:
        newest = kept.endpoint.secrets[:1]
        return self._shown(kept, signatures.hmac_text(newest[0]) if newest else None)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(given.keys() - WebhookOptions.__optional_keys__):
        raise TypeError(f"a webhook has no option {unknown[0]!r}")
    types = given.get("types")
    if isinstance(types, str):
        raise TypeError("types are several: ['agent.created']")
    return {**given, "types": sorted(types)} if types is not None else dict(given)


def _given(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _time(since: _Since) -> str | None:
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise ValueError("since has no time zone: use datetime.now(UTC) and the like")
        return iso(since)
    return since


def _body(said: Mapping[str, Any]) -> bytes:
    """Return it as the routes take it, which say what may be in it."""
    return orjson.dumps(said)
