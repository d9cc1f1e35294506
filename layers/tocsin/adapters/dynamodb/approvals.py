"""Approvals in the state table, each change with its batch in the journal.

| partition | sort key | what |
|---|---|---|
| ``approval#<org>`` | approval id | the approval |
| ``approval-pending#<org>`` | approval id | one that is pending |
| ``approval-call#<org>`` | digest | the approval that a call was last asked for with |
| ``approval-grant#<org>`` | digest | a run whose calls are approved |
| ``approval-rule#<org>`` | name | a call that is always approved |
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any, Final, override

import orjson

from tocsin.adapters.dynamodb._calls import batch_get, query, whole
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable
from tocsin.domain.approvals import Approval, Call, Expiry, Grant, Rule, Status, Step
from tocsin.domain.batch import Batch
from tocsin.domain.errors import IntegrityError
from tocsin.domain.limits import APPROVAL_RETENTION_DAYS
from tocsin.ports.deciding import Approvals

__all__ = ["PARTITIONS", "DynamoApprovals"]

PARTITIONS: Final = tuple(
    f"approval{kind}#" for kind in ("", "-pending", "-call", "-grant", "-rule")
)
"""What the partition keys begin with, before the org."""

_ITEM, _PENDING, _CALL, _GRANT, _RULE = PARTITIONS
_RETENTION_SECONDS = APPROVAL_RETENTION_DAYS * 86_400
_BATCH_GET_KEYS = 100  # of up to 70 KB each; an answer ends at 16 MB


class DynamoApprovals(ToldTable, Approvals):
    """:class:`~tocsin.ports.deciding.Approvals` on the state table, beside a journal."""

    @override
    def get(self, org: str, ids: Sequence[str]) -> Mapping[str, Approval]:
        if len(ids) == 1:
            item = self._get(_ITEM + org, ids[0])
            return {ids[0]: _approval(org, item)} if item else {}
        keys = [item_key(_ITEM + org, id) for id in ids]
        found = {}
        for item in batch_get(self._client, self._table, keys, _BATCH_GET_KEYS):
            with suppress(IntegrityError):  # which who asks for it alone is told
                found[item["sk"]["S"]] = _approval(org, item)
        return found

    @override
    def pending(self, org: str, limit: int, after: str = "") -> Sequence[str]:
        items = query(
            self._client,
            limit,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk > :after",
            ExpressionAttributeValues={
                ":pk": {"S": _PENDING + org},
                ":after": {"S": after or "!"},  # the least that a key can be; it can't be empty
            },
            ConsistentRead=True,
        )
        return [item["sk"]["S"] for item in items]

    @override
    def waits(self, org: str, id: str) -> bool:
        return self._get(_PENDING + org, id) is not None

    @override
    def asked(self, org: str, digest: bytes) -> str:
        item = self._get(_CALL + org, digest.hex())
        return str(item["approval_id"]["S"]) if item else ""

    @override
    def every(self, org: str) -> Iterator[tuple[str, Approval | None]]:
        for item in self._each(_ITEM + org):
            found = None
            with suppress(IntegrityError):
                found = _approval(org, item)
            yield item["sk"]["S"], found

    @override
    def grant(self, org: str, run: bytes) -> Grant | None:
        item = self._get(_GRANT + org, run.hex())
        if item is None:
            return None
        with whole(org, "a run's grant"):
            return Grant(
                org=org,
                run=run,
                expires_at_ms=int(item["expires_at_ms"]["N"]),
                granted_by=item["granted_by"]["S"],
            )

    @override
    def rule(self, org: str, name: str) -> Rule | None:
        item = self._get(_RULE + org, name)
        return _rule(org, item) if item else None

    @override
    def rules(self, org: str) -> Sequence[Rule]:
        rules = [_rule(org, item) for item in self._all(_RULE + org)]
        return sorted(rules, key=lambda rule: (rule.created_at_ms, rule.name))

    @override
    def write(self, org: str, step: Step, batch: Batch, packed: bytes) -> bool:
        items: list[Any] = [
            *(item for approval in step.approvals for item in self._moved(approval, step.was)),
            *(self._asked(org, *each, step) for each in step.asked),
        ]
        if step.grant:
            attributes = _grant_attributes(step.grant)
            items.append({"Put": self._item(_GRANT + org, step.grant.run.hex(), attributes)})
        if step.rule:
            attributes = _rule_attributes(step.rule)
            items.append({"Put": self._item(_RULE + org, step.rule.name, attributes)})
        if step.removed_rule:
            key = item_key(_RULE + org, step.removed_rule.name)
            there = {"ConditionExpression": "attribute_exists(pk)"}
            items.append({"Delete": {"TableName": self._table, "Key": key, **there}})
        return self._tell(items, batch, packed)

    def _moved(self, approval: Approval, was: Mapping[str, str]) -> list[Any]:
        """Return an approval's own item, and its place among the pending ones."""
        before, place = was.get(approval.id), item_key(_PENDING + approval.org, approval.id)
        put = self._item(_ITEM + approval.org, approval.id, _approval_attributes(approval))
        if before is None:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "#change = :was"
            put["ExpressionAttributeNames"] = {"#change": "change"}
            put["ExpressionAttributeValues"] = {":was": {"S": before}}
        if before is None and approval.pending:
            return [{"Put": put}, {"Put": {"TableName": self._table, "Item": place}}]
        if before is not None and not approval.pending and approval.consumed_at_ms is None:
            return [{"Put": put}, {"Delete": {"TableName": self._table, "Key": place}}]
        return [{"Put": put}]

    def _asked(self, org: str, digest: bytes, id: str, before: str, step: Step) -> Any:
        [approval] = [each for each in step.approvals if each.id == id]
        attributes = {"approval_id": {"S": id}, "expires_at": _gone_at(approval)}
        put = self._item(_CALL + org, digest.hex(), attributes)
        put["ConditionExpression"] = "attribute_not_exists(pk) OR approval_id = :before"
        put["ExpressionAttributeValues"] = {":before": {"S": before}}
        return {"Put": put}

    def _item(self, pk: str, sk: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {"TableName": self._table, "Item": {**item_key(pk, sk), **attributes}}


def _grant_attributes(grant: Grant) -> dict[str, Any]:
    return {
        "granted_by": {"S": grant.granted_by},
        "expires_at_ms": number(grant.expires_at_ms),
        "expires_at": number(grant.expires_at_ms // 1000 + 1),
    }


def _gone_at(approval: Approval) -> dict[str, str]:
    """Return when nobody needs it any more, as the table's time to live: it is not pending then."""
    return number(approval.expires_at_ms // 1000 + _RETENTION_SECONDS)


def _approval_attributes(approval: Approval) -> dict[str, Any]:
    record = asdict(approval)
    for name in ("org", "id", "digest", "rule_digest", "change", "link_secret"):
        del record[name]
    secret = {"link_secret": {"B": approval.link_secret}} if approval.link_secret else {}
    return {
        **secret,
        "change": {"S": approval.change},
        "status": {"S": approval.status},  # for people who look into the table
        "digest": {"B": approval.digest},
        "rule_digest": {"B": approval.rule_digest},
        "record": {"B": orjson.dumps(record)},
        "expires_at": _gone_at(approval),
    }


def _approval(org: str, item: Mapping[str, Any]) -> Approval:
    with whole(org, "an approval"):
        record = _known(Approval, orjson.loads(item["record"]["B"]))
        return Approval(
            **record
            | {
                "org": org,
                "id": item["sk"]["S"],
                "digest": item["digest"]["B"],
                "rule_digest": item["rule_digest"]["B"],
                "change": item["change"]["S"],
                "link_secret": item.get("link_secret", {}).get("B", b""),
                "call": Call(**_known(Call, record["call"])),
                "status": Status(record["status"]),
                "on_expiry": Expiry(record["on_expiry"]),
            }
        )


def _known(kind: type[Approval | Call], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that this version knows: a later one may have written more."""
    return {each.name: record[each.name] for each in fields(kind) if each.name in record}


def _rule_attributes(rule: Rule) -> dict[str, Any]:
    return {
        "digest": {"B": rule.digest},
        "agent": {"S": rule.agent},
        "what": {"B": orjson.dumps(rule.what)},
        "created_at": number(rule.created_at_ms),
        "created_by": {"S": rule.created_by},
    }


def _rule(org: str, item: Mapping[str, Any]) -> Rule:
    with whole(org, "a rule"):
        return Rule(
            org=org,
            digest=item["digest"]["B"],
            agent=item["agent"]["S"],
            what=orjson.loads(item["what"]["B"]),
            created_at_ms=int(item["created_at"]["N"]),
            created_by=item["created_by"]["S"],
        )
