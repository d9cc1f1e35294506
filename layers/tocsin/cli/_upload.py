"""Sends events, and tells what becomes of them: by their places in what the user gave."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial as bind
from typing import Any, BinaryIO, Final
from uuid import uuid4

import httpx

from tocsin.cli._arriving import arriving
from tocsin.cli._failure import USAGE, Failure, complain
from tocsin.cli._progress import progress
from tocsin.cli._sources import Format, read_events
from tocsin.cli._text import read_text
from tocsin.client import ApiError, Client, SendResult
from tocsin.client._backoff import is_transient
from tocsin.client._outbox import Outbox, OutgoingBatch, Unsendable
from tocsin.domain.errors import Detail
from tocsin.domain.limits import MAX_EVENTS_PER_BATCH

__all__ = ["Told", "send_events", "upload"]

_PLACE: Final = re.compile(r"events\[(\d+)\]")
_MAX_IGNORED_NAMES: Final = 100


@dataclass(slots=True)
class Told:
    """What Tocsin said so far; what it left out or ignored is printed as it comes."""

    ingested: int = 0
    rejected: int = 0
    remaining_quota: int | None = None
    _ignored: set[str] = field(default_factory=set)

    def add(self, result: SendResult, first_index: int = 0) -> None:
        """Take the answer to events of which the first has this index in the user's input."""
        self.ingested += result.ingested
        self.rejected += result.rejected
        if result.remaining_quota is not None:
            self.remaining_quota = result.remaining_quota
        for rejection in sorted(result.rejections, key=lambda each: each.index):
            index = first_index + rejection.index
            own = _placed(rejection.details, bind(_always, index))
            complain(f"event {index + 1}: {'; '.join(map(_shown, own))}")
        new = sorted({*result.ignored_fields} - self._ignored)
        new = new[: _MAX_IGNORED_NAMES - len(self._ignored)]
        if new:
            self._ignored.update(new)
            complain(f"ignored, for events have no such fields: {', '.join(new)}")


def upload(
    client: Client,
    source: BinaryIO,
    form: Format,
    name: str,
    *,
    idempotency_key: str | None,
    partial: bool,
    backfill: bool = False,
    lines: Mapping[str, Any] | None = None,
) -> Told:
    """Send the events of ``source``, with a progress bar on a terminal.

    With ``lines``, its lines are text, and these fields are in the event of each.

    A pipe or a terminal is sent as it comes. A file, and whatever is sent with an idempotency key,
    is cut into the same requests every time, so that it can be sent again.

    Raises:
        Failure: The source is not in its format.
        httpx.HTTPError: As :meth:`Client.send_batches` raises it.
    """
    slow = idempotency_key is None and not is_file(source)
    key = idempotency_key or uuid4().hex
    told = Told()
    try:
        with progress(source) as show:
            events: Iterator[bytes | Unsendable] = (
                read_events(source, form, name)
                if lines is None
                else read_text(source, lines, stamped=idempotency_key is None)
            )
            if not slow:
                for _ in send_events(
                    client, events, told, key=key, partial=partial, backfill=backfill
                ):
                    show(told.ingested)
                return told
            first_index = 0
            if not partial:
                events = _until_unsendable(events)
            for group in arriving(events, MAX_EVENTS_PER_BATCH):
                for _ in send_events(
                    client,
                    group,
                    told,
                    key=None,
                    partial=partial,
                    backfill=backfill,
                    first_index=first_index,
                ):
                    show(told.ingested)
                first_index += len(group)
    except BaseException as error:
        _tell_of_the_end(error, told, name, None if slow else key)
        raise
    return told


def send_events(
    client: Client,
    events: Iterable[bytes | Unsendable],
    told: Told,
    *,
    key: str | None,
    partial: bool,
    backfill: bool = False,
    first_index: int = 0,
) -> Iterator[None]:
    """Send events, add to ``told`` what becomes of them, and yield after each request.

    Raises:
        Failure: ``key`` can't be one, or an event can't be sent and this is not ``partial``.
        httpx.HTTPError: As :meth:`Client.send_batches` raises it.
    """
    try:
        outbox = Outbox(events, key, partial=partial, backfill=backfill)
    except ValueError as error:
        raise Failure(f"--idempotency-key: {error}", USAGE) from error
    for batch in outbox:
        try:
            result = outbox.settle(batch, client.post(batch, partial=partial))
        except ApiError as error:
            error.details = _placed(error.details, bind(_index, batch, first_index))
            raise
        if result is not None:
            told.add(result + outbox.left_out(), first_index)
            yield
    told.add(outbox.left_out(), first_index)
    yield


def _until_unsendable(events: Iterator[bytes | Unsendable]) -> Iterator[bytes | Unsendable]:
    """Raise what can't be sent as the source's error: what came before it is sent first."""
    for event in events:
        if isinstance(event, Unsendable):
            raise event.error
        yield event


def is_file(source: BinaryIO) -> bool:
    """Whether this is a file, which can be read again, and whose reader never waits."""
    return stat.S_ISREG(os.fstat(source.fileno()).st_mode)


def _tell_of_the_end(error: BaseException, told: Told, name: str, key: str | None) -> None:
    done = told.ingested + told.rejected
    open_ended = _may_be_stored(error)
    if done:
        left_out = f", {told.rejected:,} of them left out" if told.rejected else ""
        complain(f"stopped: the first {done:,} events of {name} are done{left_out}")
    if open_ended and key is None:
        complain("whether the events after them are stored is not known")
    if key is not None and (done or open_ended):
        complain(f"to send the rest alone: the same again with --idempotency-key {key}")


def _may_be_stored(error: BaseException) -> bool:
    """Whether the last request may have been taken, although there was no answer."""
    if isinstance(error, Failure | httpx.ConnectError):
        return False
    return not isinstance(error, Exception) or is_transient(error)


def _always(index: int, _: int) -> int:
    return index


def _index(batch: OutgoingBatch, first_index: int, place: int) -> int:
    return first_index + batch.index_of(place)


def _placed(details: Sequence[Detail], index_of: Callable[[int], int]) -> list[Detail]:
    """Return what is wrong with fields, with each event's index in the user's input."""

    def own(found: re.Match[str]) -> str:
        try:
            return f"events[{index_of(int(found[1]))}]"
        except IndexError:
            return found[0]

    return [
        Detail(field=_PLACE.sub(own, detail["field"], count=1), message=detail["message"])
        for detail in details
    ]


def _shown(detail: Detail) -> str:
    return f"{detail['field']}: {detail['message']}" if detail["field"] else detail["message"]
