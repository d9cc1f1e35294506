"""Which status sessions have: ``session-state#<org>`` · id, and ``suspended#<org>`` · ``all``.

(``session#<org>`` holds the projected sessions.)
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, override

from tocsin.adapters.dynamodb._calls import batch_get, whole
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable, not_changed_since
from tocsin.domain.batch import Batch
from tocsin.domain.sessions import SessionState, SessionStatus
from tocsin.ports.deciding import SessionStates

__all__ = ["DynamoSessionStates"]

_ALL: Final = "all"
_BATCH_GET_KEYS = 100


class DynamoSessionStates(ToldTable, SessionStates):
    """:class:`~tocsin.ports.deciding.SessionStates` on the state table, beside a journal."""

    @override
    def get(self, org: str, ids: Sequence[str]) -> Mapping[str, SessionState]:
        keys = [item_key(f"session-state#{org}", id) for id in ids]
        items = batch_get(self._client, self._table, keys, _BATCH_GET_KEYS)
        return {item["sk"]["S"]: _state(org, item) for item in items}

    @override
    def suspended(self, org: str) -> frozenset[str]:
        item = self._get(f"suspended#{org}", _ALL) or {}
        with whole(org, "the suspended sessions"):
            return frozenset(item["ids"]["SS"] if "ids" in item else ())

    @override
    def begin(self, states: Sequence[SessionState], batch: Batch, packed: bytes) -> bool:
        return self._tell([{"Put": self._request(state)} for state in states], batch, packed)

    @override
    def write(self, state: SessionState, was: str, batch: Batch, packed: bytes) -> bool:
        put = self._request(state, was)
        verb = "ADD" if state.status is SessionStatus.SUSPENDED else "DELETE"
        update: Any = {
            "TableName": self._table,
            "Key": item_key(f"suspended#{state.org}", _ALL),
            "UpdateExpression": f"{verb} ids :id",
            "ExpressionAttributeValues": {":id": {"SS": [state.id]}},
        }
        return self._tell([{"Put": put}, {"Update": update}], batch, packed)

    def _request(self, state: SessionState, was: str = "") -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": {
                **item_key(f"session-state#{state.org}", state.id),
                "status": {"S": state.status},
                "reason": {"S": state.reason},
                "by": {"S": state.by},
                "at": number(state.at_ms),
                "change": {"S": state.change},
            },
            **not_changed_since(was),
        }


def _state(org: str, item: Mapping[str, Any]) -> SessionState:
    with whole(org, "a session's state"):
        return SessionState(
            org=org,
            id=item["sk"]["S"],
            status=SessionStatus(item["status"]["S"]),
            reason=item["reason"]["S"],
            by=item["by"]["S"],
            at_ms=int(item["at"]["N"]),
            change=item["change"]["S"],
        )
