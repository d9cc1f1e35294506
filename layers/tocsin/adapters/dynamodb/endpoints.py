"""Endpoints in the state table, each change with its batch in the journal.

| partition | sort key | what |
|---|---|---|
| ``endpoint#<org>`` | endpoint id | what people set |
| ``endpoint#<org>`` | id, ``#progress`` | how far it is |
| ``endpoint#<org>`` | id, ``#replay#``, replay id | what is sent once more |
| ``notified`` | org | the set of its active endpoints' ids |

What is as in a new endpoint is left out of its item, so that an item of an older version is one in
which more is as in a new one. (What was attempted is in :mod:`.deliveries`.)
"""

import time
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from random import uniform
from typing import Any, Final, override

import orjson
from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import calls, cancellations, condition_failed, query, whole
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable, not_changed_since
from tocsin.domain.batch import Batch
from tocsin.domain.deliveries import Failing, Progress, Replay
from tocsin.domain.detect.kinds import Severity
from tocsin.domain.endpoints import Endpoint, Format, Order, Secret, Status, Wanted
from tocsin.domain.errors import Busy, IntegrityError, UnreadableEndpoint
from tocsin.domain.limits import MAX_SAFE_INTEGER, MAX_URL_CHARS
from tocsin.ports.notify import Endpoints, Kept

__all__ = ["DynamoEndpoints"]

_PROGRESS: Final = "#progress"
_REPLAY: Final = "#replay#"
_END: Final = "#~"  # beyond all that is an endpoint's, before the next endpoint
_NOTIFIED: Final = "notified"
_MAX_ROUNDS: Final = 6
_FIRST_PAUSE_SECONDS: Final = 0.05
_MAX_REASON_CHARS: Final = 200
_LAST_MS: Final = 253_402_300_799_999  # the end of the year 9999

type _Item = Mapping[str, Any]


class DynamoEndpoints(ToldTable, Endpoints):
    """:class:`~tocsin.ports.notify.Endpoints` on the state table, beside a journal."""

    @override
    def get(self, org: str, id: str) -> Kept | None:
        items = self._named(org, id)
        return _kept(org, id, items) if id in items else None

    @override
    def every(self, org: str) -> tuple[Sequence[Kept], Sequence[UnreadableEndpoint]]:
        by_id: dict[str, dict[str, _Item]] = defaultdict(dict)
        for item in self._all(f"endpoint#{org}"):
            name = item["sk"]["S"]
            by_id[name.partition("#")[0]][name] = item
        found, unreadable = list[Kept](), list[UnreadableEndpoint]()
        for id, items in by_id.items():
            try:
                if id in items:
                    found.append(_kept(org, id, items))
            except UnreadableEndpoint as error:  # which holds up no other
                unreadable.append(error)
        found.sort(key=lambda kept: (kept.endpoint.created_at_ms, kept.endpoint.id))
        return found, unreadable

    @override
    def active(self, org: str) -> Sequence[str]:
        item = self._get(_NOTIFIED, org)
        with whole(org, "the set of active endpoints"):
            return sorted(item["endpoints"]["SS"]) if item and "endpoints" in item else []

    @override
    def orgs(self) -> Iterable[str]:
        for item in query(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            FilterExpression="attribute_exists(endpoints)",
            ProjectionExpression="sk",
            ExpressionAttributeValues={":pk": {"S": _NOTIFIED}},
            ConsistentRead=True,
        ):
            yield item["sk"]["S"]

    @override
    def write(
        self,
        endpoint: Endpoint,
        was: str,
        batch: Batch,
        packed: bytes,
        progress: Progress | None = None,
        replay: Replay | None = None,
    ) -> bool:
        pk, id = f"endpoint#{endpoint.org}", endpoint.id
        items = [{**item_key(pk, id), **_endpoint_item(endpoint)}]
        conditions = [not_changed_since(was)]
        if progress is not None:
            items.append({**item_key(pk, id + _PROGRESS), **_progress_item(progress)})
        if replay is not None:
            items.append({**item_key(pk, id + _REPLAY + replay.id), **_replay_item(replay)})
        conditions += [{}] * (len(items) - 1)
        puts = [
            {"Put": {"TableName": self._table, "Item": item, **condition}}
            for item, condition in zip(items, conditions, strict=True)
        ]
        listed = self._listed(endpoint.org, id, endpoint.active)
        return self._change(endpoint.org, [*puts, listed], batch, packed)

    @override
    def remove(self, endpoint: Endpoint, was: str, batch: Batch, packed: bytes) -> bool:
        if not was:
            return False
        items = self._named(endpoint.org, endpoint.id)
        unchanged = not_changed_since(was)
        return self._remove(endpoint.org, endpoint.id, items, unchanged, batch, packed)

    @override
    def discard(self, org: str, id: str, batch: Batch, packed: bytes) -> bool:
        items = self._named(org, id)
        if id not in items or _readable(org, id, items):
            return False
        return self._remove(org, id, items, _as_found(items[id]), batch, packed)

    @override
    def save(self, org: str, id: str, was: str, now: Progress) -> bool:
        key = item_key(f"endpoint#{org}", id + _PROGRESS)
        # One that was never saved has no change yet; one that is gone has none either.
        there = not_changed_since(was)
        if not was:
            there = {
                "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(#change)"
            }
            there["ExpressionAttributeNames"] = {"#change": "change"}
        try:
            with calls():
                self._client.put_item(
                    TableName=self._table, Item={**key, **_progress_item(now)}, **there
                )
        except ClientError as error:
            if condition_failed(error):
                return False
            raise
        return True

    @override
    def save_replay(self, org: str, id: str, replay: Replay) -> None:
        self._update(
            f"endpoint#{org}",
            id + _REPLAY + replay.id,
            "SET next_seq = :next, to_seq = :to",
            {":next": number(replay.next_seq), ":to": number(replay.to_seq)},
            "attribute_exists(pk)",
        )

    @override
    def drop_replay(self, org: str, id: str, replay_id: str) -> None:
        self._take(f"endpoint#{org}", id + _REPLAY + replay_id)

    def _named(self, org: str, id: str) -> dict[str, _Item]:
        """Return all that is an endpoint's, by its sort keys: one query."""
        items = query(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :id AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": f"endpoint#{org}"},
                ":id": {"S": id},
                ":last": {"S": id + _END},
            },
            ConsistentRead=True,
        )
        return {item["sk"]["S"]: item for item in items}

    def _remove(
        self,
        org: str,
        id: str,
        items: Iterable[str],
        unchanged: Mapping[str, Any],
        batch: Batch,
        packed: bytes,
    ) -> bool:
        """Remove all that was found of an endpoint, if it is ``unchanged``.

        A replay that is added meanwhile changes the endpoint: then nothing is removed.
        """
        deletes: list[Any] = [
            {
                "Delete": {
                    "TableName": self._table,
                    "Key": item_key(f"endpoint#{org}", name),
                    **(unchanged if name == id else {}),
                }
            }
            for name in {id: None, **dict.fromkeys(items)}
        ]
        return self._change(org, [*deletes, self._listed(org, id, False)], batch, packed)

    def _listed(self, org: str, id: str, active: bool) -> dict[str, Any]:
        """Return the write that has an endpoint counted as active, or not."""
        return {
            "Update": {
                "TableName": self._table,
                "Key": item_key(_NOTIFIED, org),
                "UpdateExpression": f"{'ADD' if active else 'DELETE'} endpoints :id",
                "ExpressionAttributeValues": {":id": {"SS": [id]}},
            }
        }

    def _change(self, org: str, items: Sequence[Any], batch: Batch, packed: bytes) -> bool:
        """Write items and the batch that tells of them; False: an item was changed meanwhile.

        All endpoints of an org are in one set, so who makes many at once waits for each other.
        """
        told: Any = {"Put": self._journal.put_request(batch, packed)}
        for round in range(_MAX_ROUNDS):
            try:
                with calls():
                    self._client.transact_write_items(TransactItems=[told, *items])
                return True
            except ClientError as error:
                reasons = set(cancellations(error)) - {"None"}
                if "ConditionalCheckFailed" in reasons:
                    return False
                if "ValidationError" in reasons:  # it is no set any more
                    what = "the set of active endpoints is malformed: remove its attribute"
                    raise IntegrityError(org, 1, what) from error
                if reasons != {"TransactionConflict"}:
                    raise
            pause_seconds = _FIRST_PAUSE_SECONDS * 2**round
            time.sleep(uniform(0, pause_seconds))  # noqa: S311 (no secret)
        raise Busy("others are changing the org's endpoints: send the request again")


def _endpoint_item(endpoint: Endpoint) -> dict[str, Any]:
    wanted = endpoint.wanted
    named = {
        "agent_id": wanted.agent_id,
        "tool_name": wanted.tool_name,
        "action": wanted.action,
        "severity": None if wanted.severity is None else wanted.severity.word,
        "types": None if wanted.types is None else sorted(wanted.types),
    }
    filters = {name: value for name, value in named.items() if value is not None}
    secrets = [_secret_text(each) for each in endpoint.secrets]
    item = {
        "url": {"S": endpoint.url},
        "description": {"S": endpoint.description},
        "sent_as": {"S": endpoint.format},
        "ordered": {"S": endpoint.order},
        "escalation": {"BOOL": endpoint.escalation},
        "links": {"BOOL": endpoint.links},
        "links_key": {"S": endpoint.links_key},
        "wanted": {"S": _json(filters)},
        "service_token": {"S": endpoint.token},
        "secrets": {"S": _json(secrets)},
        "is": {"S": endpoint.status},
        "reason": {"S": endpoint.reason},
        "set_by": {"S": endpoint.by},
        "set_at_ms": number(endpoint.at_ms),
        "created_at_ms": number(endpoint.created_at_ms),
        "resumed_at_ms": number(endpoint.resumed_at_ms),
        "resumed_after_seq": number(endpoint.resumed_after_seq),
        "change": {"S": endpoint.change},
    }
    return _without_defaults(item)


def _progress_item(progress: Progress) -> dict[str, Any]:
    failing = [
        [each.seq, each.until_seq, each.attempts, each.due_ms, each.first_ms]
        for each in progress.failing
    ]
    item = {
        "through_seq": number(progress.through_seq),
        "ledger_hash": {"B": progress.hash},
        "failing": {"S": _json(failing)},
        "hold_until_ms": number(progress.hold_until_ms),
        "streak": number(progress.streak),
        "failing_since_ms": number(progress.failing_since_ms),
        "slow_until_ms": number(progress.slow_until_ms),
        "lease": {"S": progress.lease},
        "lease_until_ms": number(progress.lease_until_ms),
        "delivered": number(progress.delivered),
        "passed_over": number(progress.passed_over),
        "delivered_at_ms": number(progress.delivered_at_ms),
        "resumed_at_ms": number(progress.resumed_at_ms),
        "change": {"S": progress.change},
    }
    return {"through_seq": item["through_seq"], **_without_defaults(item)}


def _replay_item(replay: Replay) -> dict[str, Any]:
    return {"next_seq": number(replay.next_seq), "to_seq": number(replay.to_seq)}


def _without_defaults(item: Mapping[str, Any]) -> dict[str, Any]:
    defaults: list[Any] = [{"S": ""}, {"B": b""}, {"BOOL": False}, {"N": "0"}]
    return {name: value for name, value in item.items() if value not in defaults}


def _kept(org: str, id: str, items: Mapping[str, _Item]) -> Kept:
    """Return an endpoint from all its items; raises UnreadableEndpoint if one is damaged."""
    try:
        replays = [
            Replay(
                name.removeprefix(id + _REPLAY), _count(item, "next_seq"), _count(item, "to_seq")
            )
            for name, item in sorted(items.items())
            if name.startswith(id + _REPLAY)
        ]
        return Kept(_endpoint(org, id, items[id]), _progress(items[id + _PROGRESS]), tuple(replays))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        url = items[id].get("url", {}).get("S", "")
        reason = repr(error)[:_MAX_REASON_CHARS]
        raise UnreadableEndpoint(org, id, reason, url[:MAX_URL_CHARS]) from error


def _readable(org: str, id: str, items: Mapping[str, _Item]) -> bool:
    try:
        _kept(org, id, items)
    except UnreadableEndpoint:
        return False
    return True


def _as_found(item: _Item) -> dict[str, Any]:
    """Return a write's condition: the item has the change that was found, whatever that is."""
    names = {"ExpressionAttributeNames": {"#change": "change"}}
    if "change" not in item:
        there = "attribute_exists(pk) AND attribute_not_exists(#change)"
        return {"ConditionExpression": there, **names}
    values = {":was": item["change"]}
    return {"ConditionExpression": "#change = :was", "ExpressionAttributeValues": values, **names}


def _endpoint(org: str, id: str, item: _Item) -> Endpoint:
    wanted = orjson.loads(_text(item, "wanted") or "{}")
    types, severity = wanted.get("types"), wanted.get("severity")
    return Endpoint(
        org=org,
        id=id,
        url=item["url"]["S"],
        description=_text(item, "description"),
        format=Format(_text(item, "sent_as") or Format.TOCSIN),
        order=Order(_text(item, "ordered") or Order.RELAXED),
        escalation=_flag(item, "escalation"),
        links=_flag(item, "links"),
        links_key=_text(item, "links_key"),
        wanted=Wanted(
            types=None if types is None else frozenset(_of(str, each) for each in types),
            agent_id=_perhaps(wanted, "agent_id"),
            tool_name=_perhaps(wanted, "tool_name"),
            action=_perhaps(wanted, "action"),
            severity=None if severity is None else Severity[severity.upper()],
        ),
        token=_text(item, "service_token"),
        secrets=tuple(map(_secret, orjson.loads(_text(item, "secrets") or "[]"))),
        status=Status(_text(item, "is") or Status.ACTIVE),
        reason=_text(item, "reason"),
        by=_text(item, "set_by"),
        at_ms=_count(item, "set_at_ms", 0),
        created_at_ms=_count(item, "created_at_ms", 0),
        resumed_at_ms=_count(item, "resumed_at_ms", 0),
        resumed_after_seq=_count(item, "resumed_after_seq", 0),
        change=item["change"]["S"],
    )


def _progress(item: _Item) -> Progress:
    return Progress(
        through_seq=_count(item, "through_seq"),
        hash=_of(bytes, item["ledger_hash"]["B"]) if "ledger_hash" in item else b"",
        failing=tuple(map(_failing, orjson.loads(_text(item, "failing") or "[]"))),
        hold_until_ms=_count(item, "hold_until_ms", 0),
        streak=_count(item, "streak", 0),
        failing_since_ms=_count(item, "failing_since_ms", 0),
        slow_until_ms=_count(item, "slow_until_ms", 0),
        lease=_text(item, "lease"),
        lease_until_ms=_count(item, "lease_until_ms", 0),
        delivered=_count(item, "delivered", 0),
        passed_over=_count(item, "passed_over", 0),
        delivered_at_ms=_count(item, "delivered_at_ms", 0),
        resumed_at_ms=_count(item, "resumed_at_ms", 0),
        change=_text(item, "change"),
    )


def _failing(kept: Sequence[Any]) -> Failing:
    failing = Failing(*(_of(int, each) for each in kept))
    for at_ms in (failing.due_ms, failing.first_ms):
        _moment(at_ms)
    return failing


def _secret_text(secret: Secret) -> list[Any]:
    keys = [b64encode(each).decode() for each in (secret.hmac, secret.seed, secret.public)]
    return [*keys, secret.ends_at_ms]


def _secret(kept: Sequence[Any]) -> Secret:
    hmac, seed, public, ends_at_ms = kept
    keys = [b64decode(_of(str, each), validate=True) for each in (hmac, seed, public)]
    if not (keys[0] and len(keys[1]) == len(keys[2]) == 32):
        raise ValueError("a secret has another length")
    return Secret(keys[0], keys[1], keys[2], _of(int, ends_at_ms))


def _text(item: _Item, name: str) -> str:
    return _of(str, item[name]["S"]) if name in item else ""


def _flag(item: _Item, name: str) -> bool:
    return _of(bool, item[name]["BOOL"]) if name in item else False


def _count(item: _Item, name: str, default: int | None = None) -> int:
    if name not in item and default is not None:
        return default
    count = int(item[name]["N"])
    if not 0 <= count <= MAX_SAFE_INTEGER:
        raise ValueError(f"{name} is {count}")
    return _moment(count) if name.endswith("_ms") else count


def _moment(at_ms: int) -> int:
    if not 0 <= at_ms <= _LAST_MS:
        raise ValueError(f"{at_ms} is no time that can be shown")
    return at_ms


def _perhaps(wanted: Mapping[str, Any], name: str) -> str | None:
    value = wanted.get(name)
    return None if value is None else _of(str, value)


def _of[T](kind: type[T], value: object) -> T:
    if type(value) is not kind:  # True is no number here
        raise TypeError(f"it is no {kind.__name__}")  # not what it is: that may be a secret
    return value


def _json(value: Any) -> str:
    return orjson.dumps(value).decode() if value else ""
