"""Endpoints in SQLite: what is as in a new one is left out, so an older version's can be read.

What people set and the batch that tells of it are one transaction. How far an endpoint is need not
be on the disk at once: after a power cut some of it is sent again.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, override

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tocsin.domain.batch import Batch
from tocsin.domain.deliveries import Progress, Replay
from tocsin.domain.endpoints import Endpoint
from tocsin.domain.errors import UnreadableEndpoint
from tocsin.domain.limits import MAX_URL_CHARS
from tocsin.embedded._database import Database
from tocsin.ports.log import Journal
from tocsin.ports.notify import Endpoints, Kept

__all__ = ["SqliteEndpoints"]

_BYTES: Final = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
# Tuples: a dataclass by itself takes no configuration from here.
_ENDPOINT: Final = TypeAdapter(tuple[Endpoint], config=_BYTES)
_PROGRESS: Final = TypeAdapter(tuple[Progress], config=_BYTES)

_KEPT: Final = "SELECT id, change, settings, saved, progress FROM tocsin_endpoint WHERE org = ?"
_REPLAYS: Final = (
    "SELECT endpoint_id, id, next_seq, to_seq FROM tocsin_replay WHERE org = ?1"
    " AND endpoint_id = coalesce(?2, endpoint_id) ORDER BY endpoint_id, id"
)


class SqliteEndpoints(Endpoints):
    """:class:`~tocsin.ports.notify.Endpoints` on SQLite, beside a journal on ``database``."""

    def __init__(
        self, database: Database, journal: Journal, progress: Database | None = None
    ) -> None:
        """``progress`` is another connection to the file, for all but changes."""
        self._db = database
        self._journal = journal
        self._progress = progress or database

    @override
    def get(self, org: str, id: str) -> Kept | None:
        return _get(self._progress, org, id)

    @override
    def every(self, org: str) -> tuple[Sequence[Kept], Sequence[UnreadableEndpoint]]:
        rows = self._progress.query(f"{_KEPT} ORDER BY id", org)
        replays = _replays(self._progress, org)
        found, unreadable = list[Kept](), list[UnreadableEndpoint]()
        for row in rows:
            try:
                found.append(_kept(org, row, replays.get(row[0], ())))
            except UnreadableEndpoint as error:  # which holds up no other
                unreadable.append(error)
        found.sort(key=lambda kept: (kept.endpoint.created_at_ms, kept.endpoint.id))
        return found, unreadable

    @override
    def active(self, org: str) -> Sequence[str]:
        rows = self._progress.query(
            "SELECT id FROM tocsin_endpoint WHERE org = ? AND active ORDER BY id", org
        )
        return [id for (id,) in rows]

    @override
    def orgs(self) -> Iterable[str]:
        rows = self._progress.query("SELECT DISTINCT org FROM tocsin_endpoint WHERE active")
        return [org for (org,) in rows]

    @override
    def write(
        self,
        endpoint: Endpoint,
        was: str,
        batch: Batch,
        packed: bytes,
        progress: Progress | None = None,
        replay: Replay | None = None,
    ) -> bool:
        place = endpoint.org, endpoint.id
        settings = _ENDPOINT.dump_json((endpoint,), exclude_defaults=True)
        with self._db.transaction():
            if self._change(*place) != was:
                return False
            if was:
                self._db.query(
                    "UPDATE tocsin_endpoint SET change = ?, active = ?, settings = ?"
                    " WHERE org = ? AND id = ?",
                    *(endpoint.change, endpoint.active, settings, *place),
                )
            else:
                new = progress or Progress(0)
                kept = (new.change, _PROGRESS.dump_json((new,), exclude_defaults=True))
                row = (*place, endpoint.change, endpoint.active, settings, *kept)
                self._db.insert("tocsin_endpoint", [row])
            if replay is not None:
                again = (*place, replay.id, replay.next_seq, replay.to_seq)
                self._db.insert("tocsin_replay", [again])
            self._journal.put(batch, packed)
        return True

    @override
    def remove(self, endpoint: Endpoint, was: str, batch: Batch, packed: bytes) -> bool:
        place = endpoint.org, endpoint.id
        with self._db.transaction():
            if not was or self._change(*place) != was:
                return False
            self._remove(*place)
            self._journal.put(batch, packed)
        return True

    @override
    def discard(self, org: str, id: str, batch: Batch, packed: bytes) -> bool:
        with self._db.transaction():
            try:
                _get(self._db, org, id)
            except UnreadableEndpoint:
                self._remove(org, id)
                self._journal.put(batch, packed)
                return True
            return False

    @override
    def save(self, org: str, id: str, was: str, now: Progress) -> bool:
        saved = self._progress.query(
            "UPDATE tocsin_endpoint SET saved = ?, progress = ?"
            " WHERE org = ? AND id = ? AND saved = ? RETURNING id",
            *(now.change, _PROGRESS.dump_json((now,), exclude_defaults=True), org, id, was),
        )
        return bool(saved)

    @override
    def save_replay(self, org: str, id: str, replay: Replay) -> None:
        self._progress.query(
            "UPDATE tocsin_replay SET next_seq = ?, to_seq = ?"
            " WHERE org = ? AND endpoint_id = ? AND id = ?",
            *(replay.next_seq, replay.to_seq, org, id, replay.id),
        )

    @override
    def drop_replay(self, org: str, id: str, replay_id: str) -> None:
        self._progress.query(
            "DELETE FROM tocsin_replay WHERE org = ? AND endpoint_id = ? AND id = ?",
            *(org, id, replay_id),
        )

    def _change(self, org: str, id: str) -> str:
        rows = self._db.query(
            "SELECT change FROM tocsin_endpoint WHERE org = ? AND id = ?", org, id
        )
        return rows[0][0] if rows else ""

    def _remove(self, *place: str) -> None:
        self._db.query("DELETE FROM tocsin_endpoint WHERE org = ? AND id = ?", *place)
        for beside in ("tocsin_replay", "tocsin_attempt"):
            self._db.query(
                f"DELETE FROM {beside} WHERE org = ? AND endpoint_id = ?",  # noqa: S608 (ours)
                *place,
            )


def _get(database: Database, org: str, id: str) -> Kept | None:
    rows = database.query(f"{_KEPT} AND id = ?", org, id)
    return _kept(org, rows[0], _replays(database, org, id).get(id, ())) if rows else None


def _replays(database: Database, org: str, id: str | None = None) -> dict[str, list[Replay]]:
    found: dict[str, list[Replay]] = {}
    for endpoint_id, *replay in database.query(_REPLAYS, org, id):
        found.setdefault(endpoint_id, []).append(Replay(*replay))
    return found


def _kept(org: str, row: tuple[Any, ...], replays: Sequence[Replay]) -> Kept:
    id, change, settings, saved, progress = row
    try:
        (endpoint,) = _ENDPOINT.validate_json(settings)
        (how_far,) = _PROGRESS.validate_json(progress)
        if (endpoint.org, endpoint.id, endpoint.change, how_far.change) != (org, id, change, saved):
            raise ValueError("its columns say something else")
        if any(each.next_seq is None or each.to_seq is None for each in replays):
            raise ValueError("a replay has no place")
        return Kept(endpoint, how_far, tuple(replays))
    except (TypeError, ValueError) as error:
        # Not what pydantic says: that holds the values, and some are secrets.
        faults = error.error_count() if isinstance(error, ValidationError) else 1
        raise UnreadableEndpoint(org, id, f"{faults} faults in it", _url(settings)) from None


def _url(settings: object) -> str:
    """Return the URL in what is stored, if that can be read."""
    try:
        (said,) = orjson.loads(settings)  # type: ignore[arg-type]
        url = said["url"]
    except (TypeError, ValueError, KeyError, IndexError):
        return ""
    return url[:MAX_URL_CHARS] if isinstance(url, str) else ""
