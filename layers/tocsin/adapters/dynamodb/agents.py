"""What admins say of agents: ``agent-state#<org>`` · id (``agent#<org>`` holds the projected)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, override

from tocsin.adapters.dynamodb import keys
from tocsin.adapters.dynamodb._calls import batch_get, query, whole
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable, not_changed_since
from tocsin.domain.agents import AgentState
from tocsin.domain.batch import Batch
from tocsin.domain.errors import IntegrityError
from tocsin.domain.keys import ApiKey
from tocsin.ports.deciding import AgentStates

__all__ = ["DynamoAgentStates"]

_BATCH_GET_KEYS = 100  # of up to 120 KB each; an answer ends at 16 MB


class DynamoAgentStates(ToldTable, AgentStates):
    """:class:`~tocsin.ports.deciding.AgentStates` on the state table, beside a journal."""

    @override
    def get(self, org: str, ids: Sequence[str]) -> Mapping[str, AgentState]:
        if len(ids) == 1:
            item = self._get(f"agent-state#{org}", ids[0])
            return {ids[0]: _state(org, item)} if item else {}
        wanted = [item_key(f"agent-state#{org}", id) for id in ids]
        items = batch_get(self._client, self._table, wanted, _BATCH_GET_KEYS)
        return {state.id: state for state in _readable(org, items)}

    @override
    def all(self, org: str) -> Iterator[AgentState]:
        return _readable(org, self._all(f"agent-state#{org}"))

    @override
    def ids(self, org: str, after: str, limit: int) -> Sequence[str]:
        values = {":pk": {"S": f"agent-state#{org}"}}
        if after:  # a key is never empty
            values[":after"] = {"S": after}
        items = query(
            self._client,
            limit,
            TableName=self._table,
            KeyConditionExpression="pk = :pk" + (" AND sk > :after" if after else ""),
            ExpressionAttributeValues=values,
            ProjectionExpression="sk",
            ConsistentRead=True,
        )
        return [item["sk"]["S"] for item in items]

    @override
    def write(
        self, state: AgentState, was: str, batch: Batch, packed: bytes, key: ApiKey | None = None
    ) -> bool:
        put: Any = {
            "TableName": self._table,
            "Item": {**item_key(f"agent-state#{state.org}", state.id), **_attributes(state)},
            **not_changed_since(was),
        }
        items = [{"Put": put}]
        if key is not None:
            items.append({"Put": keys.put_request(self._table, key)})
        return self._tell(items, batch, packed)


def _attributes(state: AgentState) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "name": {"S": state.name},
        "description": {"S": state.description},
        "framework": {"S": state.framework},
        "labels": {"M": {name: {"S": value} for name, value in state.labels.items()}},
        "reason": {"S": state.reason},
        "by": {"S": state.by},
        "at": number(state.at_ms),
        "change": {"S": state.change},
    }
    if state.retired_at_ms is not None:
        attributes["retired_at"] = number(state.retired_at_ms)
    return attributes


def _readable(org: str, items: Iterable[Mapping[str, Any]]) -> Iterator[AgentState]:
    for item in items:
        with suppress(IntegrityError):  # which who asks for it alone is told
            yield _state(org, item)


def _state(org: str, item: Mapping[str, Any]) -> AgentState:
    with whole(org, "an agent's state"):
        return AgentState(
            org=org,
            id=item["sk"]["S"],
            name=item["name"]["S"],
            description=item["description"]["S"],
            framework=item["framework"]["S"],
            labels={name: value["S"] for name, value in item["labels"]["M"].items()},
            retired_at_ms=int(item["retired_at"]["N"]) if "retired_at" in item else None,
            reason=item["reason"]["S"],
            by=item["by"]["S"],
            at_ms=int(item["at"]["N"]),
            change=item["change"]["S"],
        )
