"""A dry run: what detection would have told of the past, with these settings."""

from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from typing import Final

import orjson

from tocsin.domain import canonical
from tocsin.domain.detect.finding import Finding
from tocsin.domain.detect.fold import Fold
from tocsin.domain.detect.org import Org
from tocsin.domain.detect.said import SET
from tocsin.domain.detect.settings import Settings
from tocsin.domain.errors import TooFar
from tocsin.domain.keys import ApiKey
from tocsin.services.access.presented import Presented
from tocsin.services.reading.answers import Answers, Piece
from tocsin.services.reading.sealed import sealed_after
from tocsin.services.reading.since import seq_before
from tocsin.services.reading.whole import sees_all
from tocsin.wire import rehearsal
from tocsin.wire.filters import Query

__all__ = ["MAX_EVENTS", "TRAINING_EVENTS", "Rehearsing"]

MAX_EVENTS: Final = 50_000
"""In the time that a dry run is of: what is known can't be carried from one request to the next."""

TRAINING_EVENTS: Final = 20_000
"""Before it, from which is learned."""


class Rehearsing:
    """The use case behind ``/api/v1/detection/dry-run``; raises as :class:`Answers` does."""

    def __init__(
        self,
        answers: Answers,
        settings: Callable[[str], Settings],
        *,
        max_events: int = MAX_EVENTS,
        training_events: int = TRAINING_EVENTS,
    ) -> None:
        """Answer with ``answers``; ``settings`` are an org's as they are now."""
        self._answers = answers
        self._settings = settings
        self._max_events = max_events
        self._training_events = training_events

    def __call__(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield what would have been told, step by step, as JSON.

        Raises:
            TooFar: the time has more than :data:`MAX_EVENTS`.
        """
        return self._answers.answer(credential, lambda key: self._rehearse(key, query))

    def _rehearse(self, key: ApiKey, query: Query) -> Iterator[Piece]:
        sees_all(key)
        asked = rehearsal.asked(query, self._answers.clock.now_ms())
        past = self._answers.past(key)
        fold = Fold(Org(settings=self._wanted(key.org, asked)).pack(), lambda _: b"")
        before = seq_before(past.ledger, key.org, asked.from_ms)
        seq = max(before - self._training_events, 0)
        looked_at = trained_on = 0
        found = list[Finding]()
        for part in sealed_after(past.ledger, past.journal, key.org, seq, retention=past.retention):
            if part.sealed_at_ms >= asked.to_ms:
                break
            for sealed in part.events:
                event = canonical.parse(sealed.entry)
                told = sealed.seq > before
                looked_at, trained_on = looked_at + told, trained_on + (not told)
                if looked_at > self._max_events:
                    raise TooFar(
                        f"a dry run looks at {self._max_events:,} events at most, and there are "
                        "more between from and to: ask for less time at once"
                    )
                if event["type"] != SET:  # the settings are those that are asked about
                    fold.take(sealed.seq, part.sealed_at_ms, event)
                found += [each for each in fold.findings if each.at_ms >= asked.from_ms]
                fold.findings.clear()
            seq = part.last_seq
            yield b""
        while fold.let_pass(asked.to_ms):
            pass
        found += [each for each in fold.findings if each.at_ms >= asked.from_ms]
        yield orjson.dumps(
            rehearsal.told(found, looked_at=looked_at, trained_on=trained_on, through_seq=seq)
        )

    def _wanted(self, org: str, asked: rehearsal.Asked) -> Settings:
        settings = replace(self._settings(org), enabled=True)
        if asked.false_alerts_per_day is not None:
            settings = replace(settings, false_alerts_per_day=asked.false_alerts_per_day)
        return settings if asked.kinds is None else replace(settings, kinds=asked.kinds)
