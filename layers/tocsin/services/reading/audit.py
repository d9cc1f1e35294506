"""Rampart's audit: what was sealed on a day, in lists, counts and files; and proof of it.

A day is UTC's, and an event is of the day in which it was sealed: so a day that is over never
changes, whatever comes late.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterator
from datetime import date, timedelta
from typing import Any, Final

import orjson

from tocsin.domain import canonical
from tocsin.domain.errors import Forbidden, IntegrityError, NotFound
from tocsin.domain.keys import ApiKey
from tocsin.services.access.presented import Presented
from tocsin.services.reading import selection
from tocsin.services.reading.answers import Answers, Attachment, Piece
from tocsin.services.reading.entries import entries
from tocsin.services.reading.past import Past, common
from tocsin.services.reading.search import Search
from tocsin.services.reading.since import first_sealed_since
from tocsin.services.reading.verification import verify_some
from tocsin.wire import audit, rampart
from tocsin.wire.audit import DayPage
from tocsin.wire.filters import Filter, Query
from tocsin.wire.page import Page
from tocsin.wire.parameters import known
from tocsin.wire.summary import Wanted

__all__ = ["Audit"]

_DAY: Final = timedelta(days=1)
_COUNTED: Final = {"by_action": "action", "by_tool": "tool_name", "by_agent": "agent_id"} | {
    "by_session": "session_id"
}
_NAME_CHARS: Final = 4_000_000  # of all names in one answer: each event may bring some of its own


class Audit:
    """Answers in pieces of JSON; raises as :class:`Answers` does."""

    def __init__(self, answers: Answers) -> None:
        """Answer with ``answers``."""
        self._answers = answers

    def events(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield a page of a day's events, the newest first.

        It ends, short or empty, where a request looks no further, and ``next_offset`` goes on.
        """
        return self._answers.answer(credential, lambda key: self._events(key, query))

    def dates(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield the days of which something is kept, the oldest first."""
        return self._answers.answer(credential, lambda key: self._dates(key, query))

    def stats(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield how many events there were in some days: in all, and by what they say.

        These are of the newest as far as a request looks; ``next_before`` goes on, null at the end.
        """
        return self._answers.answer(credential, lambda key: self._stats(key, query))

    def export(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield a whole day as lines of JSON, the oldest event first, or raise NotFound."""
        return self._answers.answer(credential, lambda key: self._export(key, query))

    def verify(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield whether what was sealed is what is stored, as far as one request looks."""
        return self._answers.answer(credential, lambda key: self._verify(key, query))

    def entries(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield events as they were hashed, in lines; of what has expired the leaves.

        Refused with Forbidden is a key that may not see every type. Leaves in place of what it may
        not see would give that away: the event beside it in its batch tells its id and its time,
        and what is left to guess, such as a tool and an action, a leaf confirms offline.
        """
        return self._answers.answer(credential, lambda key: self._entries(key, query))

    def _events(self, key: ApiKey, query: Query) -> Iterator[Piece]:
        answers, past = self._answers, self._answers.past(key)
        now_ms, types = answers.clock.now_ms(), answers.types(key)
        asked = audit.day_page(query, now_ms, types)
        span = _days(past, asked.day, asked.day)
        total = len(span)
        if types is not None:
            total = yield from _count(past, span, Filter(types))
        page = _page(asked, span)
        found = yield from selection.page_of(past, answers.projections, page, now_ms)
        following = 0
        if len(found.places) > asked.limit:
            following = audit.next_offset(asked.left, asked.offset + asked.limit)
        elif found.goes_on is not None:
            following = audit.next_offset(found.goes_on - span.start, found.skip)
        del found.places[asked.limit :]
        before = b'{"events":['
        for events in found.read(past):
            if events:
                yield before + b",".join(orjson.dumps(rampart.audit_event(each)) for each in events)
                before = b","
        end = {
            "total_in_file": total,
            "next_offset": following,
            "date": asked.day.isoformat(),
        }
        yield (before if before != b"," else b"") + b"]," + orjson.dumps(end)[1:]

    def _dates(self, key: ApiKey, query: Query) -> Iterator[Piece]:
        known(query, ())
        past = self._answers.past(key)
        ledger, org, dates = past.ledger, key.org, list[str]()
        end = ledger.head(org).seq + 1
        kept = past.first_kept(range(1, end))
        while kept < end and (segments := ledger.segments(org, kept, 1)):
            try:
                day = audit.day_of(segments[0].sealed_at_ms)
                following = audit.minute_of(day + _DAY)
            except OverflowError as error:
                raise IntegrityError(org, kept, "it was sealed at no time") from error
            dates.append(day.isoformat())
            kept = first_sealed_since(ledger, org, following, end)
            yield b""
        yield orjson.dumps({"dates": dates, "configured": True})

    def _stats(self, key: ApiKey, query: Query) -> Iterator[Piece]:
        answers, past = self._answers, self._answers.past(key)
        first, last, before = audit.days_asked(query, answers.clock.now_ms())
        types = answers.types(key)
        span = _days(past, first, last)
        looked = span if before is None else common(span, range(before))
        counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
        total = name_chars = 0
        goes_on: int | None
        search = Search(past, Wanted(Filter(types)), [looked])
        for events in search:
            for event in events:
                fields = canonical.parse(event.entry)
                for name, field in _COUNTED.items():
                    if (value := fields.get(field)) is not None:
                        name_chars += 0 if value in counts[name] else len(value)
                        counts[name][value] += 1
            total += len(events)
            if name_chars > _NAME_CHARS:
                goes_on = events[-1].seq
                break
            yield b""
        else:
            goes_on = search.goes_on
        answer: dict[str, Any] = {"total_events": len(span) if types is None else total}
        yield orjson.dumps(answer | counts | {"next_before": goes_on})

    def _export(self, key: ApiKey, query: Query) -> Iterator[Piece]:
        answers, past = self._answers, self._answers.past(key)
        day, allowed = audit.day_asked(query), Filter(answers.types(key))
        span, begun = _days(past, day, day), False
        for events in past.through([span] if span else [], forwards=True):
            lines = [orjson.dumps(rampart.audit_event(e)) for e in events if allowed.matches(e)]
            if lines and not begun:
                yield Attachment(f"rampart-audit-{day.isoformat()}.jsonl")
                begun = True
            yield b"".join(line + b"\n" for line in lines)
        if not begun:
            raise NotFound("nothing of that day is kept")

    def _entries(self, key: ApiKey, query: Query) -> Iterator[Piece]:
        if self._answers.types(key) is not None:
            raise Forbidden(
                "this shows some event types alone, and the chain is of all: use a key of every "
                "type, or have Tocsin check it with GET /v1/audit/verify"
            )
        first, last = audit.seqs_asked(query)
        yield from entries(self._answers.past(key), first, last)

    def _verify(self, key: ApiKey, query: Query) -> Iterator[Piece]:
        past = self._answers.past(key)
        first, last = audit.seqs_asked(query)
        head = past.ledger.head(key.org).seq
        last = head if last is None else min(last, head)
        answer: dict[str, Any] = {"ok": True, "from": first, "to": first - 1}
        answer |= {"first_bad_seq": None, "reason": None, "next": None}
        try:
            for seq in verify_some(past, first, last):
                answer["to"] = seq
                yield b""
            if answer["to"] < last:
                answer["next"] = answer["to"] + 1
        except IntegrityError as error:
            to = max(min(answer["to"], error.seq - 1), first - 1)
            answer |= {"ok": False, "to": to, "first_bad_seq": error.seq, "reason": error.reason}
        yield orjson.dumps(answer)


def _days(past: Past, first: date, last: date) -> range:
    """Return the seqs sealed from one day to another, both included, as far as they are kept."""
    ledger, org = past.ledger, past.org
    end = stop = ledger.head(org).seq + 1
    start = first_sealed_since(ledger, org, audit.minute_of(first), end)
    if last < date.max:
        stop = first_sealed_since(ledger, org, audit.minute_of(last + _DAY), end)
    return range(past.first_kept(range(start, stop)), stop)


def _count(past: Past, span: range, filter: Filter) -> Generator[bytes, None, int]:
    """Count the events of a span that a filter lets through, as far as a request looks."""
    total = 0
    for events in Search(past, Wanted(filter), [span]):
        total += len(events)
        yield b""
    return total


def _page(asked: DayPage, span: range) -> Page:
    """Return the page of a span that is asked for, and one event more, to know if there is one."""
    return Page(
        limit=asked.limit + 1,
        offset=asked.offset,
        before=min(span.start + asked.left, span.stop) if asked.left else span.stop,
        after=str(span.start - 1),
        filter=asked.filter,
    )
