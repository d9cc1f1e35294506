"""The persons that events are about, in the state table: ``subject#<org>`` · their id.

An item has ``secret``, and ``secret_id`` by which it is known to be whole; after an erasure who did
it, when, and the batch that tells of it, too.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, override

from tocsin.adapters.dynamodb._calls import batch_get
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable
from tocsin.domain.batch import Batch
from tocsin.domain.errors import IntegrityError
from tocsin.domain.subjects import KeptSubject, SubjectKey
from tocsin.ports.privacy import Subjects

__all__ = ["DynamoSubjects"]

_KEYS_PER_CALL = 100


class DynamoSubjects(ToldTable, Subjects):
    """:class:`~tocsin.ports.privacy.Subjects` on the state table, beside a journal."""

    @override
    def find(self, org: str, users: Collection[str]) -> Mapping[str, KeptSubject]:
        wanted = [item_key(_pk(org), user) for user in users]
        items = batch_get(self._client, self._table, wanted, _KEYS_PER_CALL)
        return {item["sk"]["S"]: _subject(org, item["sk"]["S"], item) for item in items}

    @override
    def all(self, org: str) -> Iterator[KeptSubject]:
        return (_subject(org, item["sk"]["S"], item) for item in self._each(_pk(org)))

    @override
    def give(self, org: str, user: str, key: SubjectKey) -> SubjectKey:
        # Both attributes come and go together, so of two writers one gives both.
        item = self._update(
            _pk(org),
            user,
            "SET secret = if_not_exists(secret, :key), secret_id = if_not_exists(secret_id, :id)",
            {":key": {"B": key.secret}, ":id": {"S": key.id}},
        )
        subject = _subject(org, user, item or {})
        if subject.key is None:
            raise IntegrityError(org, 1, "a person's key is damaged: erase it, or restore it")
        return subject.key

    @override
    def erase(self, erased: KeptSubject, was: KeptSubject, batch: Batch, packed: bytes) -> bool:
        values: dict[str, Any] = {
            ":by": {"S": erased.erased_by},
            ":at": number(erased.erased_at_ms),
            ":change": {"S": erased.change},
        }
        condition = "attribute_exists(secret)"
        if was.key is not None:  # no other has it, so it is erased once
            condition, values[":key"] = "secret = :key", {"B": was.key.secret}
        update: Any = {
            "TableName": self._table,
            "Key": item_key(_pk(erased.org), erased.user),
            "UpdateExpression": "SET erased_by = :by, erased_at_ms = :at, #change = :change "
            "REMOVE secret, secret_id",
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#change": "change"},
            "ExpressionAttributeValues": values,
        }
        not_held: Any = {
            "TableName": self._table,
            "Key": item_key("org", erased.org),
            "ConditionExpression": "attribute_not_exists(held)",
        }
        return self._tell([{"Update": update}, {"ConditionCheck": not_held}], batch, packed)


def _pk(org: str) -> str:
    return f"subject#{org}"


def _subject(org: str, user: str, item: Mapping[str, Any]) -> KeptSubject:
    key, damaged = None, False
    if "secret" in item or "secret_id" in item:
        try:
            key = SubjectKey(bytes(item["secret"]["B"]))
            damaged = key.id != item["secret_id"]["S"]
        except (KeyError, TypeError):
            damaged = True
    subject = KeptSubject(org=org, user=user, key=None if damaged else key, damaged=damaged)
    try:  # what is damaged of it keeps nobody from the key
        return replace(
            subject,
            erased_by=item["erased_by"]["S"],
            erased_at_ms=int(item["erased_at_ms"]["N"]),
            change=item["change"]["S"],
        )
    except (KeyError, TypeError, ValueError):
        return subject
