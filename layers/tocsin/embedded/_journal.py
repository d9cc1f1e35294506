"""The journal in SQLite."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import override

import orjson

from tocsin.domain import batch as batches
from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch
from tocsin.domain.errors import Poison
from tocsin.embedded._database import Database
from tocsin.ports.log import Journal

__all__ = ["SqliteJournal"]

_COLUMNS = "id, entries, count, key_id, received_at_ms"


class SqliteJournal(Journal):
    """:class:`~tocsin.ports.log.Journal` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @override
    def put(self, batch: Batch, packed: bytes) -> None:
        row = (batch.org, batch.id, packed, batch.count, batch.key_id, batch.received_at_ms)
        with self._db.transaction():
            if not self._db.query(
                "SELECT 1 FROM tocsin_batch WHERE org = ? AND id = ?", batch.org, batch.id
            ):
                self._db.insert("tocsin_batch", [row])

    @override
    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        rows = self._db.query(
            f"SELECT {_COLUMNS} FROM tocsin_batch"  # noqa: S608 (ours)
            " WHERE org = ? AND id IN (SELECT value FROM json_each(?))",
            *(org, orjson.dumps(batch_ids).decode()),
        )
        return {row[0]: _batch(org, *row) for row in rows}

    @override
    def between(self, org: str, after_id: str, until_id: str, limit: int) -> Sequence[StoredBatch]:
        rows = self._db.query(
            f"SELECT {_COLUMNS} FROM tocsin_batch"  # noqa: S608 (ours)
            " WHERE org = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            *(org, after_id, until_id, limit),
        )
        return [StoredBatch(org, row[0], partial(_batch, org, *row)) for row in rows]


def _batch(
    org: str, id: str, packed: bytes, count: int, key_id: str, received_at_ms: int
) -> Batch | UnreadableBatch:
    try:
        batch = Batch(org, id, batches.unpack(packed, count), key_id, received_at_ms)
        batches.check(batch)
    except Poison as error:
        return UnreadableBatch(org, id, f"{type(error).__name__}: {error}")
    return batch
