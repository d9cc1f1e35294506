"""Attempts in SQLite, a row each; a place on a page is a row's number."""

from collections.abc import Sequence
from typing import Final, override

from pydantic import TypeAdapter, ValidationError

from tocsin.domain.deliveries import Attempt
from tocsin.domain.limits import DELIVERY_RETENTION_DAYS, GIVEN_UP_RETENTION_DAYS
from tocsin.domain.retention import DAY_MS
from tocsin.embedded._database import Database
from tocsin.ports.notify import Deliveries

__all__ = ["SqliteDeliveries"]

_ATTEMPT: Final = TypeAdapter(Attempt)
_NEWEST: Final = 2**63 - 1


class SqliteDeliveries(Deliveries):
    """:class:`~tocsin.ports.notify.Deliveries` on SQLite."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @override
    def put(self, org: str, endpoint_id: str, attempts: Sequence[Attempt], now_ms: int) -> None:
        rows = [
            (None, org, endpoint_id, each.given_up, _expires_at_ms(each, now_ms), _packed(each))
            for each in attempts
        ]
        with self._db.transaction():
            if rows:
                self._db.insert("tocsin_attempt", rows)
            self._db.query("DELETE FROM tocsin_attempt WHERE expires_at_ms < ?", now_ms)

    @override
    def newest(
        self, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[Sequence[Attempt], str]:
        return self._page("", org, endpoint_id, before, limit)

    @override
    def given_up(
        self, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[Sequence[Attempt], str]:
        return self._page("AND given_up", org, endpoint_id, before, limit)

    def _page(
        self, which: str, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[list[Attempt], str]:
        rows = self._db.query(
            "SELECT place, attempt FROM tocsin_attempt WHERE org = ? AND endpoint_id = ?"  # noqa: S608 (ours)
            f" AND place < ? {which} ORDER BY place DESC LIMIT ?",
            *(org, endpoint_id, int(before) if before.isdecimal() else _NEWEST, limit + 1),
        )
        found = [attempt for _, packed in rows[:limit] for attempt in _attempts(packed)]
        return found, str(rows[limit - 1][0]) if len(rows) > limit else ""


def _expires_at_ms(attempt: Attempt, now_ms: int) -> int:
    days = GIVEN_UP_RETENTION_DAYS if attempt.given_up else DELIVERY_RETENTION_DAYS
    return now_ms + days * DAY_MS


def _packed(attempt: Attempt) -> bytes:
    return _ATTEMPT.dump_json(attempt, exclude_defaults=True)


def _attempts(packed: bytes) -> Sequence[Attempt]:
    try:
        return [_ATTEMPT.validate_json(packed)]
    except ValidationError:  # one that is damaged must not hide the others
        return []
