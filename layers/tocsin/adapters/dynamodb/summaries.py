"""Summaries in the state table: ``summary#<org>`` · level ``#`` number, and how far they are made.

They are read without strong consistency: what is not there yet is looked at itself.
"""

from collections.abc import Mapping
from typing import override

from tocsin.adapters.dynamodb._calls import query
from tocsin.adapters.dynamodb._state import StateTable, number
from tocsin.domain.stretches import Made
from tocsin.ports.log import Summaries

__all__ = ["DynamoSummaries"]

_MADE = "made"


class DynamoSummaries(StateTable, Summaries):
    """:class:`~tocsin.ports.log.Summaries` on the state table."""

    @override
    def get(self, org: str, level: int, numbers: range) -> Mapping[int, bytes]:
        if not numbers:
            return {}
        found = query(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": _partition(org)},
                ":first": {"S": _id(level, numbers[0])},
                ":last": {"S": _id(level, numbers[-1])},
            },
        )
        by_id = {item["sk"]["S"]: item.get("summary", {}) for item in found}
        return {
            each: summary["B"]
            for each in numbers
            if "B" in (summary := by_id.get(_id(level, each), {}))
        }

    @override
    def put(self, org: str, level: int, number: int, summary: bytes) -> None:
        self._put(_partition(org), _id(level, number), {"summary": {"B": summary}})

    @override
    def made(self, org: str) -> Made:
        item = self._get(_partition(org), _MADE) or {}
        try:
            return Made(int(item["stretches"]["N"]), item["hash"]["B"], int(item["version"]["N"]))
        except (KeyError, ValueError):  # not there, or not ours: they are made from the beginning
            return Made()

    @override
    def set_made(self, org: str, made: Made) -> None:
        self._put(
            _partition(org),
            _MADE,
            {
                "stretches": number(made.stretches),
                "hash": {"B": made.hash},
                "version": number(made.version),
            },
        )


def _partition(org: str) -> str:
    return f"summary#{org}"


def _id(level: int, number: int) -> str:
    return f"{level}#{number:012}"
