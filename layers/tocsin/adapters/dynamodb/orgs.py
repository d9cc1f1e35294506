"""Orgs in the state table: ``org`` · org, and the sweeper's ``sweep`` · org."""

from collections.abc import Mapping, Sequence
from typing import Any, override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import calls, condition_failed, whole
from tocsin.adapters.dynamodb._state import StateTable, item_key, number
from tocsin.domain.errors import IntegrityError
from tocsin.domain.org import Org, OrgStatus
from tocsin.ports.orgs import Orgs

__all__ = ["DynamoOrgs"]

_NAMES = ("events_per_month", "status", "since", "held")


class DynamoOrgs(StateTable, Orgs):
    """:class:`~tocsin.ports.orgs.Orgs`: ``org`` · org, and the sweeper's ``sweep`` · org."""

    @override
    def get(self, org: str) -> Org | None:
        item = self._get("org", org)
        return _org(item) if item else None

    @override
    def put(self, org: Org) -> None:
        self._put("org", org.id, _attributes(org))

    @override
    def change(self, org: Org, was: Org | None) -> bool:
        if was is None:
            request: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        else:
            before = _attributes(was)
            names = {f"#{name}": name for name in _NAMES}
            conditions = [
                f"{alias} = :{name}" if name in before else f"attribute_not_exists({alias})"
                for alias, name in names.items()
            ]
            request = {
                "ConditionExpression": " AND ".join(conditions),
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": {f":{name}": at for name, at in before.items()},
            }
        try:
            with calls():
                self._client.put_item(
                    TableName=self._table,
                    Item={**item_key("org", org.id), **_attributes(org)},
                    **request,
                )
        except ClientError as error:
            if condition_failed(error):
                return False
            raise
        return True

    @override
    def all(self) -> Sequence[Org]:
        return [_org_or_suspended(item) for item in self._all("org")]

    @override
    def swept_until(self, org: str) -> str:
        item = self._get("sweep", org)
        return str(item["until"]["S"]) if item else ""

    @override
    def set_swept_until(self, org: str, batch_id: str) -> None:
        self._put("sweep", org, {"until": {"S": batch_id}})


def _attributes(org: Org) -> dict[str, Any]:
    attributes: dict[str, Any] = {"events_per_month": number(org.events_per_month)}
    if org.status is not OrgStatus.ACTIVE:
        attributes["status"] = {"S": org.status}
    if org.since_ms:
        attributes["since"] = number(org.since_ms)
    if org.held_since_ms:
        attributes["held"] = number(org.held_since_ms)
    return attributes


def _org(item: Mapping[str, Any]) -> Org:
    id = item["sk"]["S"]
    with whole(id, "the org's settings"):
        return Org(
            id=id,
            events_per_month=int(item["events_per_month"]["N"]),
            status=OrgStatus(item["status"]["S"]) if "status" in item else OrgStatus.ACTIVE,
            since_ms=int(item["since"]["N"]) if "since" in item else 0,
            held_since_ms=int(item["held"]["N"]) if "held" in item else 0,
        )


def _org_or_suspended(item: Mapping[str, Any]) -> Org:
    try:
        return _org(item)
    except IntegrityError:  # one org's item holds up no other
        return Org(item["sk"]["S"], 0, OrgStatus.SUSPENDED)
