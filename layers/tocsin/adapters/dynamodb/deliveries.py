"""Attempts in the state table: ``delivery#<org>`` · endpoint id, ``#``, place.

An item holds what was put at once, as far as that goes into :data:`_MAX_BYTES`: a JSON list of
lists, each an attempt's fields in the order of :class:`~tocsin.domain.deliveries.Attempt`, without
those at the end that are as in any other. Its place is a ULID of the time. What was given up is in
``given-up#<org>`` too, and kept there for longer.

A place on a page is an item's, and how many of its attempts are before it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import count
from typing import Any, Final, override

import orjson

from tocsin.adapters.dynamodb._calls import query, whole
from tocsin.adapters.dynamodb._state import StateTable, number
from tocsin.domain.deliveries import Attempt, Outcome
from tocsin.domain.errors import IntegrityError
from tocsin.domain.ids import from_bytes
from tocsin.domain.limits import DELIVERY_RETENTION_DAYS, GIVEN_UP_RETENTION_DAYS
from tocsin.ports.notify import Deliveries

__all__ = ["DynamoDeliveries"]

_ALL: Final = "delivery"
_GIVEN_UP: Final = "given-up"
_DAYS: Final = {_ALL: DELIVERY_RETENTION_DAYS, _GIVEN_UP: GIVEN_UP_RETENTION_DAYS}
_MAX_BYTES: Final = 300_000  # DynamoDB's limit is 400 KB an item
_END: Final = "~"  # beyond every place
_LAST_MS: Final = 253_402_300_799_999  # the end of the year 9999
_FIELDS: Final = fields(Attempt)
_OUTCOME: Final = [each.name for each in _FIELDS].index("outcome")
_KINDS: Final[tuple[type, ...]] = (
    *(int, int, str, str, int, int),
    *(str, int, int, str, str, bool),
)


class DynamoDeliveries(StateTable, Deliveries):
    """:class:`~tocsin.ports.notify.Deliveries` on the state table."""

    @override
    def put(self, org: str, endpoint_id: str, attempts: Sequence[Attempt], now_ms: int) -> None:
        # What was given up first: it is what somebody must hear of, if this ends in between.
        for kind, some in ((_GIVEN_UP, [at for at in attempts if at.given_up]), (_ALL, attempts)):
            expires_at = now_ms // 1_000 + _DAYS[kind] * 86_400
            for place, packed in zip(_places(now_ms), _packed(some), strict=False):
                self._put(
                    f"{kind}#{org}",
                    f"{endpoint_id}#{place}",
                    {"attempts": {"S": packed.decode()}, "expires_at": number(expires_at)},
                )

    @override
    def newest(
        self, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[Sequence[Attempt], str]:
        return self._page(_ALL, org, endpoint_id, before, limit)

    @override
    def given_up(
        self, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[Sequence[Attempt], str]:
        return self._page(_GIVEN_UP, org, endpoint_id, before, limit)

    def _page(
        self, kind: str, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[list[Attempt], str]:
        found, prefix = list[Attempt](), f"{endpoint_id}#"
        begun, _, held = before.partition(".")
        items = query(
            self._client,
            limit + 1,  # in each is at least one attempt
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": f"{kind}#{org}"},
                ":first": {"S": prefix},
                ":last": {"S": prefix + (begun or _END)},
            },
            ScanIndexForward=False,
            ConsistentRead=True,
        )
        read = 0
        for item in items:
            read += 1
            place = item["sk"]["S"].removeprefix(prefix)
            try:
                attempts = _attempts(org, item)
            except IntegrityError:  # one that is damaged must not hide the others
                continue
            if place == begun:
                attempts = attempts[: int(held) if held.isdecimal() else 0]
            room = limit - len(found)
            if len(attempts) > room:
                left = len(attempts) - room
                return [*found, *reversed(attempts[left:])], f"{place}.{left}"
            found += reversed(attempts)
        return found, f"{place}.0" if read > limit else ""


def _places(now_ms: int) -> Iterator[str]:
    """Yield places in ascending order."""
    for each in count(now_ms << 80 | int.from_bytes(os.urandom(8)) << 8):
        yield from_bytes(each.to_bytes(16))


def _packed(attempts: Sequence[Attempt]) -> Iterator[bytes]:
    some, size_bytes = list[bytes](), 2
    for attempt in attempts:
        row = _row(attempt)
        if some and size_bytes + len(row) + 1 > _MAX_BYTES:
            yield b"[%b]" % b",".join(some)
            some, size_bytes = [], 2
        some.append(row)
        size_bytes += len(row) + 1
    if some:
        yield b"[%b]" % b",".join(some)


def _row(attempt: Attempt) -> bytes:
    row = [getattr(attempt, each.name) for each in _FIELDS]
    while row[-1] == _FIELDS[len(row) - 1].default:
        row.pop()
    return orjson.dumps(row)


def _attempts(org: str, item: Any) -> list[Attempt]:
    with whole(org, "a list of attempts"):
        return [_attempt(row) for row in orjson.loads(item["attempts"]["S"])]


def _attempt(row: Sequence[Any]) -> Attempt:
    for value, kind in zip(row, _KINDS, strict=False):
        if type(value) is not kind:
            raise TypeError(f"{value!r} is no {kind.__name__}")
    known: list[Any] = list(row[: len(_KINDS)])  # a newer version's may have more
    known[_OUTCOME] = Outcome(known[_OUTCOME])
    attempt = Attempt(*known)
    if not 0 <= attempt.at_ms <= _LAST_MS:
        raise ValueError(f"{attempt.at_ms} is no time that can be shown")
    return attempt
