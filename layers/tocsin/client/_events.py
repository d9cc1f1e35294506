"""Events on their way in: a cursor that turns a stream's bytes into events, and resumes it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import httpx
import orjson

from tocsin.client._errors import ApiError, Gap, StreamError, not_tocsins
from tocsin.wire.sse import Decoder, Message, MessageTooLarge

__all__ = ["LIST_PATH", "STREAM_PATH", "Cursor", "Event", "read_list"]

LIST_PATH: Final = "/api/v1/events"
STREAM_PATH: Final = "/api/v1/events/stream"
_MAX_RETRY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Event:
    """One sealed event, as the ledger has it.

    Attributes:
        seq: Its place in the org's ledger, from 1 without holes: the cursor to resume after.
        timestamp: When it happened, ISO 8601, UTC, milliseconds.
        lineage_hash: ``sha256:`` and the hash of the ledger up to and with this event.
        fields: All that Tocsin sent of it, including the fields above, in snake_case.
    """

    seq: int
    id: str
    type: str
    timestamp: str
    session_id: str
    agent_id: str | None
    tool_name: str | None
    action: str | None
    lineage_hash: str | None
    metadata: Mapping[str, Any]
    fields: Mapping[str, Any]

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Event":
        """Read an event as Tocsin wrote it; in a list its absent fields are null."""
        fields = {name: value for name, value in fields.items() if value is not None}
        return cls(
            seq=int(fields["seq"]),
            id=fields["id"],
            type=fields["type"],
            timestamp=fields["timestamp"],
            session_id=fields["session_id"],
            agent_id=fields.get("agent_id"),
            tool_name=fields.get("tool_name"),
            action=fields.get("action"),
            lineage_hash=fields.get("lineage_hash"),
            metadata=fields.get("metadata") or {},
            fields=fields,
        )


class Cursor:
    """Where a reader is in a stream; it outlives the connections. No I/O.

    Attributes:
        drop: Why the last connection ended, until the next attempt takes note of it.
    """

    def __init__(self, after: int | None) -> None:
        """Start after the seq ``after``; None: with what happens from now on."""
        self.drop: httpx.TransportError | None = None
        self._decoder = Decoder(last_event_id="" if after is None else str(after))

    def headers(self) -> httpx.Headers:
        """Return the headers of the next connection, which goes on after the last event.

        The HTML standard has them all (section 9.2, server-sent events): an id is sent in UTF-8.
        """
        self._decoder = Decoder(last_event_id=self._decoder.last_event_id)
        headers = {
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
            "Cache-Control": "no-cache",
        }
        if self._decoder.last_event_id:
            headers["Last-Event-ID"] = self._decoder.last_event_id
        return httpx.Headers(headers, encoding="utf-8")

    @property
    def retry_seconds(self) -> float:
        """How long the server wants a reader to wait before it comes back (``retry:``)."""
        return min((self._decoder.retry_ms or 0) / 1000, _MAX_RETRY_SECONDS)

    def raise_drop(self) -> None:
        """Raise a drop as a failed attempt, so that there is a wait before every new connection."""
        drop, self.drop = self.drop, None
        if drop is not None:
            raise drop

    def accepts(self, response: httpx.Response) -> bool:
        """Whether the answer is a stream, or the end of one (:meth:`is_over`)."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return self.is_over(response) or (
            response.status_code == httpx.codes.OK and kind == "text/event-stream"
        )

    def is_over(self, response: httpx.Response) -> bool:
        """Whether the server says that nothing comes any more, and not to connect again."""
        return response.status_code == httpx.codes.NO_CONTENT

    def refuse(self, response: httpx.Response) -> NoReturn:
        """Raise what an answer that is not a stream means; its body has been read.

        Raises:
            ApiError: Tocsin refused.
            StreamError: Something that is not Tocsin answered.
        """
        if not response.is_success:
            raise ApiError(response)
        kind = response.headers.get("content-type", "no content type")
        raise StreamError(
            f"{response.url} sent {response.status_code} and {kind}, not a stream: "
            "is it Tocsin's URL?"
        )

    def read(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that ``chunk`` completes.

        Raises:
            Gap: What the cursor asked for is not kept any more.
            StreamError: The server ends the stream for a reason, or sends what is not an event.
        """
        try:
            for message in self._decoder.feed(chunk):
                event = _event(message)
                if event is not None:
                    yield event
        except MessageTooLarge as error:
            raise StreamError(str(error)) from error


def read_list(response: httpx.Response) -> list[Event]:
    """Return the events of a list.

    Raises:
        ApiError: Tocsin refused.
        httpx.RemoteProtocolError: What answered is not Tocsin.
    """
    if not response.is_success:
        raise ApiError(response)
    try:
        match orjson.loads(response.content):
            case list(found):
                return [Event.from_fields(fields) for fields in found]
        raise TypeError("not an array")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise not_tocsins(response, "list of events") from error


def _event(message: Message) -> Event | None:
    if message.event not in ("agent_event", "gap", "error"):
        return None  # from a later version, or from an intermediary
    try:
        fields = orjson.loads(message.data)
        if message.event == "gap":
            raise Gap(int(fields["after"]), int(fields["first_seq"]))
        if message.event == "error":
            raise StreamError(f"{fields['code']}: {fields['message']}")
        return Event.from_fields(fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StreamError(f"a message that is no event came as {message.event}") from error
