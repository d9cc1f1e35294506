"""Sends what a file holds, and shows how far it got."""

import os
import stat
from collections.abc import Iterator
from typing import BinaryIO
from uuid import uuid4

from tocsin.cli._arriving import arriving
from tocsin.cli._failure import complain
from tocsin.cli._progress import progress
from tocsin.cli._sources import Format, read_events
from tocsin.client import Client, SendResult
from tocsin.domain.limits import MAX_EVENTS_PER_BATCH

__all__ = ["upload"]


def upload(
    client: Client,
    source: BinaryIO,
    form: Format,
    name: str,
    *,
    idempotency_key: str | None,
    partial: bool,
) -> SendResult:
    """Send the events of ``source``, with a progress bar on a terminal.

    A pipe or a terminal is sent as it comes. A file, and whatever is sent with an idempotency key,
    is cut into the same requests every time, so that it can be sent again.

    Raises:
        Failure: The source is not in its format.
        httpx.HTTPError: As :meth:`Client.send_batches` raises it.
    """
    events = read_events(source, form, name)
    slow = idempotency_key is None and not stat.S_ISREG(os.fstat(source.fileno()).st_mode)
    key = idempotency_key or uuid4().hex

    def results() -> Iterator[SendResult]:
        if not slow:
            yield from client.send_batches(events, idempotency_key=key, partial=partial)
            return
        for group in arriving(events, MAX_EVENTS_PER_BATCH):
            yield from client.send_batches(group, partial=partial)

    total = SendResult()
    try:
        with progress(source) as show:
            for result in results():
                total += result
                show(total.ingested)
    except BaseException:
        if total.ingested or total.rejected:
            done = total.ingested + total.rejected
            complain(f"stopped: the first {done:,} events of {name} are done")
            if not slow:
                complain(f"to send the rest alone: the same again with --idempotency-key {key}")
        raise
    return total
