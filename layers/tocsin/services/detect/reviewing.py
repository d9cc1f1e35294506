"""Alerts as people see them: listed, acknowledged, snoozed, called false."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.domain.detect.anomaly import Anomaly, Status
from tocsin.domain.detect.kinds import BUDGETED, Kind
from tocsin.domain.detect.said import reviewed
from tocsin.domain.errors import Conflict, NotFound
from tocsin.domain.ids import batch_of
from tocsin.domain.keys import ApiKey
from tocsin.ports.detecting import Anomalies
from tocsin.ports.world import Clock
from tocsin.services.intake.told import tell
from tocsin.wire.reviews import Page

__all__ = ["Reviewing"]

_READ_AT_ONCE: Final = 100
_LOOKED_AT: Final = 1_000  # for one list
_MONTH_MS: Final = 30 * 24 * 60 * 60_000
_REPEATED_MS: Final = 30_000  # within which the same snooze is a repetition
_ORDER: Final = (Status.OPEN, Status.ACKNOWLEDGED, Status.SNOOZED, Status.FALSE_POSITIVE)


class Reviewing:
    """The use cases behind ``/api/v1/anomalies``. Everything blocks, and may raise Busy."""

    def __init__(self, store: Anomalies, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def page(self, org: str, wanted: Page) -> tuple[list[Anomaly], str]:
        """Return alerts, the newest first, and the id before which others may be; empty: none are.

        A thousand are looked at: then the page ends, short or even empty. What can't be read is
        left out.
        """
        found, at = list[Anomaly](), wanted.before
        for looked_at, (id, anomaly) in enumerate(self._newest(org, at)):
            if len(found) == wanted.limit or looked_at == _LOOKED_AT:
                return found, at
            at = id
            if anomaly is not None and wanted.has(anomaly):
                found.append(anomaly)
        return found, ""

    def one(self, org: str, id: str) -> Anomaly:
        """Return an alert, or raise NotFound."""
        found = self._store.get(org, id) if batch_of(id) else None
        if found is None:
            raise NotFound("there is no such anomaly")
        return found

    def acknowledge(self, key: ApiKey, id: str, reason: str) -> Anomaly:
        """Say that an alert was seen; see :meth:`_say`."""
        return self._say(key, id, Status.ACKNOWLEDGED, reason)

    def snooze(
        self, key: ApiKey, id: str, reason: str, *, until_ms: int = 0, seconds: int = 0
    ) -> Anomaly:
        """Have no more alerts like it until a time, or for some seconds; see :meth:`_say`.

        Snoozed once more, it is so until the later request says. The same seconds within half a
        minute are a repetition.
        """
        return self._say(
            key, id, Status.SNOOZED, reason, lambda _, at_ms: until_ms or at_ms + seconds * 1_000
        )

    def false_positive(self, key: ApiKey, id: str, reason: str) -> Anomaly:
        """Have alerts like it only where more is seen than was; see :meth:`_say`.

        Of those that a rule found there are none for a month.
        """
        return self._say(
            key,
            id,
            Status.FALSE_POSITIVE,
            reason,
            lambda kind, at_ms: 0 if kind in BUDGETED else at_ms + _MONTH_MS,
        )

    def _say(
        self,
        key: ApiKey,
        id: str,
        status: Status,
        reason: str,
        until: Callable[[Kind, int], int] = lambda *_: 0,
    ) -> Anomaly:
        """Give an alert a status and tell of it; nothing is told where it has it already.

        Raises:
            NotFound: there is no such alert.
            Conflict: what was said of it before says more.
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """

        def plan(now: Anomaly, at_ms: int) -> tuple[Anomaly, Sequence[dict[str, Any]]]:
            until_ms = until(now.kind, at_ms)
            repeated = status is not Status.SNOOZED or _same(now, until_ms, at_ms)
            if now.status is status and repeated:
                return now, []
            if _ORDER.index(now.status) > _ORDER.index(status):
                raise Conflict(f"it is {_words(now.status)} already")
            next = replace(
                now,
                status=status,
                until_ms=until_ms,
                reason=reason,
                by=key.holder,
                said_at_ms=at_ms,
            )
            return next, [reviewed(next)]

        return tell(
            key.org, self._clock, lambda: self.one(key.org, id), plan, self._store.write, "anomaly"
        )

    def _newest(self, org: str, before: str) -> Iterator[tuple[str, Anomaly | None]]:
        while some := self._store.newest(org, before, _READ_AT_ONCE):
            yield from some
            before = some[-1][0]


def _same(now: Anomaly, until_ms: int, at_ms: int) -> bool:
    """Whether an alert is snoozed so already; ``until_ms`` is asked for at ``at_ms``."""
    since_ms = at_ms - now.said_at_ms
    as_long = until_ms - at_ms == now.until_ms - now.said_at_ms
    return until_ms == now.until_ms or (as_long and 0 <= since_ms < _REPEATED_MS)


def _words(status: Status) -> str:
    return status.replace("_", " ")
