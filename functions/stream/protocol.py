"""uvicorn's HTTP protocol, with less memory in a connection that waits.

Of the 9 to 11 KB that uvicorn holds for a connection, 3 KB are of no use to a stream: a queue for
pipelined requests, an event for a client that reads too slowly (an empty ``deque`` is 760 bytes,
and an ``asyncio.Event`` has one), and the headers of the request. Here the first two are made when
they are needed, and only the scope keeps the headers.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["StreamProtocol"]


class StreamProtocol(HttpToolsProtocol):
    """``uvicorn --http functions.stream.protocol:StreamProtocol``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pipeline = _Queue()  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Replace uvicorn's flow control."""
        super().connection_made(transport)
        self.flow = _Flow(transport)

    def on_message_complete(self) -> None:
        """Drop the headers, which the scope has."""
        super().on_message_complete()
        self.headers = []


class _Queue[T](list[T]):
    """The part of a deque that uvicorn uses."""

    def appendleft(self, item: T) -> None:
        self.insert(0, item)


class _Flow(FlowControl):
    """Makes its event when writing is paused; nobody waits for it earlier."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False

    def pause_writing(self) -> None:
        if not self.write_paused:
            self._is_writable_event = asyncio.Event()
        super().pause_writing()
