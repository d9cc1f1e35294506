"""The state table: key ``pk`` (``kind#org``) · ``sk`` (id).

Every kind of partition is in :data:`OF_AN_ORG` or :data:`OF_ALL_ORGS`: a key of another kind can't
be made. So whoever removes an org knows of all that it has.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import calls, condition_failed, partition, watched

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["OF_ALL_ORGS", "OF_AN_ORG", "StateTable", "item_key", "number"]

OF_AN_ORG: Final = frozenset(
    {
        *("key", "quota", "receipt", "set-aside", "pass-session", "pass-ticket"),
        *("session", "agent", "usage", "day", "seen-session", "seen-agent", "calls"),
        *("day-agent", "day-model", "day-tool", "day-provider"),
        *("approval", "approval-pending", "approval-call", "approval-grant", "approval-rule"),
        *("policy", "session-state", "suspended", "agent-state"),
        *("budget", "budget-turn", "spent", "auth-failed", "rate", "summary"),
        *("detect", "detection", "anomaly", "privacy"),
        *("endpoint", "delivery", "given-up", "hook-wait"),
        *("tree", "checkpoint", "subject"),
    }
)
"""Kinds whose partitions are one org's: ``kind#org``, and perhaps ``#`` and a generation."""

OF_ALL_ORGS: Final = frozenset({"org", "sweep", "projected", "detected", "notified"})
"""Partitions with an item for each org: the sort key is the org, perhaps with a generation."""


class StateTable:
    """What the adapters on the state table share."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = watched(client)
        self._table = table

    def _get(self, pk: str, sk: str) -> Mapping[str, Any] | None:
        with calls():
            answer = self._client.get_item(
                TableName=self._table, Key=item_key(pk, sk), ConsistentRead=True
            )
        return answer.get("Item")

    def _put(self, pk: str, sk: str, attributes: Mapping[str, Any]) -> None:
        with calls():
            self._client.put_item(TableName=self._table, Item={**item_key(pk, sk), **attributes})

    def _take(self, pk: str, sk: str) -> Mapping[str, Any] | None:
        """Delete an item; return what was there. Of several callers, one gets it."""
        with calls():
            answer = self._client.delete_item(
                TableName=self._table, Key=item_key(pk, sk), ReturnValues="ALL_OLD"
            )
        return answer.get("Attributes")

    def _all(self, pk: str) -> list[Mapping[str, Any]]:
        return list(self._each(pk))

    def _each(self, pk: str) -> Iterator[Mapping[str, Any]]:
        """Yield the items of a partition, page by page."""
        return partition(self._client, self._table, pk)

    def _update(
        self, pk: str, sk: str, expression: str, values: Mapping[str, Any], condition: str = ""
    ) -> Mapping[str, Any] | None:
        """Update an item; return its new values, or None where ``condition`` does not hold."""
        request: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        try:
            with calls():
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=item_key(pk, sk),
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


def item_key(pk: str, sk: str) -> dict[str, Any]:
    """Return an item's key as the API's attribute values.

    Raises:
        LookupError: there is no such kind of partition (yet).
    """
    kind, separator, _ = pk.partition("#")
    if kind not in (OF_AN_ORG if separator else OF_ALL_ORGS):
        raise LookupError(f"{pk!r} is in no list of partitions: see {__name__}")
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def number(value: int) -> dict[str, str]:
    """Return a number as the API's attribute value: ``{"N": "7"}``."""
    return {"N": str(value)}
