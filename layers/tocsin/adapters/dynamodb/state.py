"""The state table: key ``pk`` (``kind#org``) · ``sk`` (id)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import calls, condition_failed, query
from tocsin.domain.keys import ApiKey, Scope
from tocsin.ports import Org, Receipt, SetAsideItem

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = [
    "DynamoKeys",
    "DynamoOrgs",
    "DynamoQuota",
    "DynamoReceipts",
    "DynamoSetAside",
]


class StateTable:
    """What the adapters on the state table share."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        """Use ``table``."""
        self._client = client
        self._table = table

    def _get(self, pk: str, sk: str) -> Mapping[str, Any] | None:
        with calls():
            answer = self._client.get_item(
                TableName=self._table, Key=_key(pk, sk), ConsistentRead=True
            )
        return answer.get("Item")

    def _put(self, pk: str, sk: str, attributes: Mapping[str, Any]) -> None:
        with calls():
            self._client.put_item(TableName=self._table, Item={**_key(pk, sk), **attributes})

    def _take(self, pk: str, sk: str) -> Mapping[str, Any] | None:
        """Delete an item; return what was there. Of several who do, one gets it."""
        with calls():
            answer = self._client.delete_item(
                TableName=self._table, Key=_key(pk, sk), ReturnValues="ALL_OLD"
            )
        return answer.get("Attributes")

    def _all(self, pk: str) -> list[Mapping[str, Any]]:
        return list(
            query(
                self._client,
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": pk}},
                ConsistentRead=True,
            )
        )

    def _update(
        self, pk: str, sk: str, expression: str, values: Mapping[str, Any], condition: str = ""
    ) -> Mapping[str, Any] | None:
        """Update an item; return its new values, or None where ``condition`` does not hold."""
        request: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        try:
            with calls():
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(pk, sk),
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    ReturnValues="UPDATED_NEW",
                    **request,
                )
        except ClientError as error:
            if condition_failed(error):
                return None
            raise
        return answer["Attributes"]


class DynamoKeys(StateTable):
    """:class:`~tocsin.ports.Keys`: ``key#<org>`` · key id."""

    def get(self, org: str, key_id: str) -> ApiKey | None:
        """See :meth:`tocsin.ports.Keys.get`."""
        item = self._get(f"key#{org}", key_id)
        return _api_key(org, item) if item else None

    def put(self, key: ApiKey) -> None:
        """See :meth:`tocsin.ports.Keys.put`."""
        attributes: dict[str, Any] = {
            "digest": {"B": key.digest},
            "scopes": {"SS": sorted(key.scopes)},
            "name": {"S": key.name},
            "created_at": _number(key.created_at_ms),
        }
        if key.revoked_at_ms is not None:
            attributes["revoked_at"] = _number(key.revoked_at_ms)
        if key.types is not None:
            attributes["types"] = {"L": [{"S": type} for type in sorted(key.types)]}
        self._put(f"key#{key.org}", key.id, attributes)

    def all(self, org: str) -> Sequence[ApiKey]:
        """See :meth:`tocsin.ports.Keys.all`."""
        keys = [_api_key(org, item) for item in self._all(f"key#{org}")]
        return sorted(keys, key=lambda key: key.created_at_ms)


class DynamoOrgs(StateTable):
    """:class:`~tocsin.ports.Orgs`: ``org`` · org, and the sweeper's ``sweep`` · org."""

    def get(self, org: str) -> Org | None:
        """See :meth:`tocsin.ports.Orgs.get`."""
        item = self._get("org", org)
        return _org(item) if item else None

    def put(self, org: Org) -> None:
        """See :meth:`tocsin.ports.Orgs.put`."""
        self._put("org", org.id, {"events_per_month": _number(org.events_per_month)})

    def all(self) -> Sequence[Org]:
        """See :meth:`tocsin.ports.Orgs.all`."""
        return [_org(item) for item in self._all("org")]

    def swept_until(self, org: str) -> str:
        """See :meth:`tocsin.ports.Orgs.swept_until`."""
        item = self._get("sweep", org)
        return str(item["until"]["S"]) if item else ""

    def set_swept_until(self, org: str, batch_id: str) -> None:
        """See :meth:`tocsin.ports.Orgs.set_swept_until`."""
        self._put("sweep", org, {"until": {"S": batch_id}})


class DynamoQuota(StateTable):
    """:class:`~tocsin.ports.Quota`: ``quota#<org>`` · month.

    A counter can't be added to idempotently: when the store's answer to a reservation is lost and
    the SDK asks again, the events count twice. The limit still holds.
    """

    def reserve(self, org: str, month: str, events: int, limit: int) -> int | None:
        """See :meth:`tocsin.ports.Quota.reserve`."""
        if events > limit:
            return None
        updated = self._update(
            f"quota#{org}",
            month,
            "ADD used :events",
            {":events": _number(events), ":room": _number(limit - events)},
            "attribute_not_exists(used) OR used <= :room",
        )
        return None if updated is None else limit - int(updated["used"]["N"])

    def release(self, org: str, month: str, events: int) -> None:
        """See :meth:`tocsin.ports.Quota.release`."""
        self._update(f"quota#{org}", month, "ADD used :back", {":back": _number(-events)})

    def used(self, org: str, month: str) -> int:
        """See :meth:`tocsin.ports.Quota.used`."""
        item = self._get(f"quota#{org}", month)
        return int(item["used"]["N"]) if item else 0


class DynamoReceipts(StateTable):
    """:class:`~tocsin.ports.Receipts`: ``receipt#<org>`` · idempotency key."""

    def put(self, receipt: Receipt, now_ms: int, *, instead_of: str = "") -> Receipt:
        """See :meth:`tocsin.ports.Receipts.put`."""
        item: Any = {
            **_key(f"receipt#{receipt.org}", receipt.key),
            "fingerprint": {"B": receipt.fingerprint},
            "batch_id": {"S": receipt.batch_id},
            "quota_left": _number(receipt.quota_left),
            "expires_at": _number(receipt.expires_at),
        }
        try:
            with calls():
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR expires_at <= :now "
                    "OR batch_id = :instead_of",
                    ExpressionAttributeValues={
                        ":now": _number(now_ms // 1000),
                        ":instead_of": {"S": instead_of},
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if not condition_failed(error):
                raise
            refusal: Any = error.response
            return _receipt(receipt.org, refusal["Item"])  # ours, where the SDK has tried twice
        return receipt

    def find(self, org: str, key: str, now_ms: int) -> Receipt | None:
        """See :meth:`tocsin.ports.Receipts.find`."""
        item = self._get(f"receipt#{org}", key)
        if item is None or int(item["expires_at"]["N"]) <= now_ms // 1000:
            return None
        return _receipt(org, item)


class DynamoSetAside(StateTable):
    """:class:`~tocsin.ports.SetAside`: ``set-aside#<org>`` · batch id."""

    def add(self, item: SetAsideItem) -> bool:
        """See :meth:`tocsin.ports.SetAside.add`."""
        try:
            with calls():
                self._client.put_item(
                    TableName=self._table,
                    Item={
                        **_key(f"set-aside#{item.org}", item.batch_id),
                        "reason": {"S": item.reason},
                        "at": _number(item.at_ms),
                    },
                    ConditionExpression="attribute_not_exists(pk)",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def all(self, org: str) -> Sequence[SetAsideItem]:
        """See :meth:`tocsin.ports.SetAside.all`."""
        return [
            SetAsideItem(org, item["sk"]["S"], item["reason"]["S"], int(item["at"]["N"]))
            for item in self._all(f"set-aside#{org}")
        ]


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _receipt(org: str, item: Mapping[str, Any]) -> Receipt:
    return Receipt(
        org=org,
        key=item["sk"]["S"],
        fingerprint=item["fingerprint"]["B"],
        batch_id=item["batch_id"]["S"],
        quota_left=int(item["quota_left"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
    )


def _org(item: Mapping[str, Any]) -> Org:
    return Org(id=item["sk"]["S"], events_per_month=int(item["events_per_month"]["N"]))


def _api_key(org: str, item: Mapping[str, Any]) -> ApiKey:
    revoked_at, types = item.get("revoked_at"), item.get("types")
    return ApiKey(
        org=org,
        id=item["sk"]["S"],
        digest=item["digest"]["B"],
        scopes=frozenset(Scope(scope) for scope in item["scopes"]["SS"]),
        name=item["name"]["S"],
        created_at_ms=int(item["created_at"]["N"]),
        revoked_at_ms=int(revoked_at["N"]) if revoked_at else None,
        types=frozenset(type["S"] for type in types["L"]) if types else None,
    )
