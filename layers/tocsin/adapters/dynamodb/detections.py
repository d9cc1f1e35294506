"""Detection's items in the state table.

Cursors are ``detected`` · org, what is watched is ``detect#<org>`` · key, alerts are
``anomaly#<org>`` · event id, and settings ``detection#<org>`` · ``settings``. What was not touched
for a while expires.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, override

import orjson

from tocsin.adapters.dynamodb._calls import batch_get, calls, query, transact, whole
from tocsin.adapters.dynamodb._settings import SettingsTable
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable, not_changed_since
from tocsin.domain.batch import Batch
from tocsin.domain.detect.anomaly import Anomaly, Status
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.kept import KeptSettings
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.detect.settings import Settings
from tocsin.domain.errors import IntegrityError
from tocsin.domain.limits import ANOMALY_RETENTION_DAYS, IDLE_SUBJECT_DAYS
from tocsin.ports.detecting import Anomalies, Detections, DetectionSettings

__all__ = ["DynamoAnomalies", "DynamoDetectionSettings", "DynamoDetections"]

_CURSORS: Final = "detected"
_DAY_SECONDS: Final = 24 * 60 * 60
_KEYS_PER_GET: Final = 100
_SETTINGS: Final = "settings"
_END: Final = "~"  # beyond every event's id


class DynamoDetections(ToldTable, Detections):
    """:class:`~tocsin.ports.detecting.Detections` on the state table, beside a journal."""

    @override
    def cursor(self, org: str) -> Cursor:
        item = self._get(_CURSORS, org)
        return _cursor(org, item) if item else Cursor()

    @override
    def due(self, now_ms: int) -> Sequence[str]:
        items = query(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            FilterExpression="due_ms BETWEEN :any AND :now",
            ProjectionExpression="sk",
            ExpressionAttributeValues={
                ":pk": {"S": _CURSORS},
                ":any": number(1),
                ":now": number(now_ms),
            },
        )
        return [item["sk"]["S"] for item in items]

    @override
    def states(self, org: str, places: Sequence[str]) -> Mapping[str, bytes]:
        wanted = [item_key(f"detect#{org}", place) for place in places]
        found = batch_get(self._client, self._table, wanted, _KEYS_PER_GET)
        # One that was damaged is as one that is not there: it is learned anew.
        return {
            item["sk"]["S"]: state["B"] for item in found if "B" in (state := item.get("state", {}))
        }

    @override
    def put(self, org: str, place: str, states: bytes, now_ms: int) -> None:
        gone = now_ms // 1_000 + IDLE_SUBJECT_DAYS * _DAY_SECONDS
        self._put(f"detect#{org}", place, {"state": {"B": states}, "expires_at": number(gone)})

    @override
    def drop(self, org: str, places: Iterable[str]) -> None:
        for place in places:
            with calls():
                self._client.delete_item(
                    TableName=self._table, Key=item_key(f"detect#{org}", place)
                )

    @override
    def advance(
        self,
        org: str,
        was: Cursor,
        now: Cursor,
        told: tuple[Batch, bytes] | None = None,
        anomalies: Sequence[Anomaly] = (),
    ) -> bool:
        cursor = {
            **item_key(_CURSORS, org),
            "through_seq": number(now.through_seq),
            "ledger_hash": {"B": now.hash},
            "state": {"B": now.state},
            "due_ms": number(now.due_ms),
            "change": {"S": now.change},
            "shelves": {"S": orjson.dumps(now.shelves).decode()},
            "told": number(now.told),
        }
        puts: list[Any] = [
            {"Item": cursor, **not_changed_since(was.change)},
            *({"Item": _item(anomaly)} for anomaly in anomalies),
        ]
        items = [{"Put": {"TableName": self._table, **put}} for put in puts]
        return transact(self._client, items) if told is None else self._tell(items, *told)


class DynamoAnomalies(ToldTable, Anomalies):
    """:class:`~tocsin.ports.detecting.Anomalies` on the state table, beside a journal."""

    @override
    def get(self, org: str, id: str) -> Anomaly | None:
        item = self._get(f"anomaly#{org}", id)
        return _anomaly(org, item) if item else None

    @override
    def newest(self, org: str, before: str, limit: int) -> Sequence[tuple[str, Anomaly | None]]:
        found = query(
            self._client,
            limit,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk < :before",
            ExpressionAttributeValues={
                ":pk": {"S": f"anomaly#{org}"},
                ":before": {"S": before or _END},
            },
            ScanIndexForward=False,
            ConsistentRead=True,
        )
        return [(item["sk"]["S"], _readable(org, item)) for item in found]

    @override
    def write(self, anomaly: Anomaly, was: str, batch: Batch, packed: bytes) -> bool:
        put: Any = {"TableName": self._table, "Item": _item(anomaly), **not_changed_since(was)}
        return self._tell([{"Put": put}], batch, packed)


class DynamoDetectionSettings(SettingsTable, DetectionSettings):
    """:class:`~tocsin.ports.detecting.DetectionSettings` on the state table, beside a journal."""

    @override
    def get(self, org: str) -> KeptSettings:
        return self._read("detection", org, "detection's settings", KeptSettings, Settings.of_data)

    @override
    def write(self, kept: KeptSettings, was: str, batch: Batch, packed: bytes) -> bool:
        return self._write("detection", kept, was, batch, packed)


def _cursor(org: str, item: Mapping[str, Any]) -> Cursor:
    with whole(org, "detection's cursor"):
        return Cursor(
            int(item["through_seq"]["N"]),
            item["ledger_hash"]["B"],
            item["state"]["B"],
            int(item["due_ms"]["N"]),
            item["change"]["S"],
            dict(orjson.loads(item["shelves"]["S"])),
            int(item["told"]["N"]),
        )


def _item(anomaly: Anomaly) -> dict[str, Any]:
    subject = anomaly.subject
    return {
        **item_key(f"anomaly#{anomaly.org}", anomaly.id),
        "kind": {"S": anomaly.kind},
        "severity": {"S": anomaly.severity.word},
        "subject": {"S": orjson.dumps([subject.kind, subject.name, subject.of]).decode()},
        "series": {"S": anomaly.series},
        "description": {"S": anomaly.description},
        "at_ms": number(anomaly.at_ms),
        "counted": number(anomaly.count),
        "nats": {"S": orjson.dumps(anomaly.nats).decode()},
        "seqs": {"S": orjson.dumps(anomaly.seqs).decode()},
        "said": {"S": anomaly.status},
        "until_ms": number(anomaly.until_ms),
        "reason": {"S": anomaly.reason},
        "said_by": {"S": anomaly.by},
        "said_at_ms": number(anomaly.said_at_ms),
        "change": {"S": anomaly.change},
        "expires_at": number(anomaly.at_ms // 1_000 + ANOMALY_RETENTION_DAYS * _DAY_SECONDS),
    }


def _readable(org: str, item: Mapping[str, Any]) -> Anomaly | None:
    try:
        return _anomaly(org, item)
    except IntegrityError:  # which who asks for it alone is told
        return None


def _anomaly(org: str, item: Mapping[str, Any]) -> Anomaly:
    with whole(org, "an anomaly"):
        nats = orjson.loads(item["nats"]["S"])
        return Anomaly(
            org=org,
            id=item["sk"]["S"],
            kind=Kind(item["kind"]["S"]),
            severity=Severity[item["severity"]["S"].upper()],
            subject=Subject(*orjson.loads(item["subject"]["S"])),
            series=item["series"]["S"],
            description=item["description"]["S"],
            at_ms=int(item["at_ms"]["N"]),
            count=int(item["counted"]["N"]),
            nats=None if nats is None else _of(float, nats),
            seqs=tuple(_of(int, seq) for seq in orjson.loads(item["seqs"]["S"])),
            status=Status(item["said"]["S"]),
            until_ms=int(item["until_ms"]["N"]),
            reason=item["reason"]["S"],
            by=item["said_by"]["S"],
            said_at_ms=int(item["said_at_ms"]["N"]),
            change=item["change"]["S"],
        )


def _of[T](kind: type[T], value: object) -> T:
    if type(value) is not kind:  # True is no number here
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
