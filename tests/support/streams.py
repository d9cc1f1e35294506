"""Taking a stream's bytes, and reading them with two independent decoders."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource

from tocsin.services.stream.subscriber import Subscriber
from tocsin.wire import sse


@dataclass
class Received:
    """One message, as a client sees it."""

    event: str
    id: str
    fields: dict[str, Any]

    @property
    def seq(self) -> int:
        return int(self.fields["seq"])


def decode(data: bytes) -> list[Received]:
    """Decode in small pieces with Tocsin's decoder; httpx-sse must see the same, nothing empty.

    Messages that only move the cursor are left out.
    """
    decoder, step = sse.Decoder(), 1 + len(data) // 10_000
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    messages = [message for piece in pieces for message in decoder.feed(piece)]
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=data)
    others = list(EventSource(response).iter_sse())
    assert [(other.event, other.id, other.data) for other in others] == [
        (message.event, message.id, message.data) for message in messages
    ]
    received = [Received(each.event, each.id, json.loads(each.data)) for each in messages]
    return [each for each in received if each.event != "cursor"]


async def taken(subscriber: Subscriber) -> bytes:
    """Return what a subscriber gives next, waiting for it; empty at the end of the stream."""
    while (data := await subscriber.take()) is None:
        woken = asyncio.Event()
        subscriber.on_wake = woken.set
        await woken.wait()
    return data
