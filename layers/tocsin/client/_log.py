"""What a log says of itself, by HTTP, for those who check it: nothing of it is believed.

A server may be anybody's here. So each answer has a bound, which is kept while it comes, and lines
are taken only in their order.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final

import httpx
from tenacity import Retrying

from tocsin.client._asking import Question
from tocsin.client._backoff import raise_if_transient
from tocsin.client._errors import ApiError, not_tocsins
from tocsin.client._requests import api_request, send_request
from tocsin.client._sync import Client
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.growth import Growth
from tocsin.wire.log.tiles import Tile, read_hashes

__all__ = ["MAX_PAGE_BYTES", "LogReader"]

MAX_PAGE_BYTES: Final = 20 * 1024 * 1024
"""Of an answer with lines: Tocsin ends one at 16 MB."""

_MAX_SMALL_BYTES: Final = 4 * 1024 * 1024
_BROKEN: Final = "INTEGRITY"


class LogReader:
    """Reads an org's log with a client whose key has ``read``, of every event type.

    All raises ApiError and httpx.TransportError, as the client does; what is not as Tocsin answers
    is an httpx.RemoteProtocolError.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def checkpoint(self) -> bytes | None:
        """Return the last checkpoint, a signed note; None if there is none yet."""
        return self._known("/v1/log/checkpoint")

    def checkpoint_covering(self, seq: int) -> bytes | None:
        """Return the first checkpoint that covers an event; None if there is none yet."""
        params = {"from": "0", "to": str(seq)}
        answer = self._known("/v1/log/proof", params)
        try:
            return None if answer is None else Growth.read(answer).checkpoint
        except BadFormat as error:
            raise httpx.RemoteProtocolError(f"the proof that came is none: {error}") from error

    def keys(self) -> bytes | None:
        """Return the lines of the log's keys; None where it does not tell them."""
        return self._known("/v1/log/keys")

    def tile(self, tile: Tile) -> Sequence[bytes]:
        """Return the hashes of a tile; none if it is not served, or is no such tile."""
        try:
            answer = self._known(f"/v1/log/{tile.path}")
            return [] if answer is None else read_hashes(tile, answer)
        except (ApiError, BadFormat):
            return []

    def pages(self, first_seq: int, last_seq: int | None) -> Iterator[list[bytes]]:
        """Yield lines from one event to another (None: to the end), some thousands at a time.

        Each is without its end. Their numbers are what is looked at: whether they say anything is
        for others to check.
        """
        while last_seq is None or first_seq <= last_seq:
            params = {"from": str(first_seq)}
            if last_seq is not None:
                params["to"] = str(last_seq)
            response = self._asked("/v1/audit/entries", params, MAX_PAGE_BYTES)
            if not response.is_success:
                raise ApiError(response)
            *lines, _ = response.content.split(b"\n")  # the last one is cut off, or empty
            if not lines:
                if response.content:
                    raise not_tocsins(response, "whole line")
                return
            if last_seq is not None and len(lines) > last_seq + 1 - first_seq:
                raise not_tocsins(response, "events that were asked for")
            yield lines
            first_seq += len(lines)

    def _known(self, path: str, params: dict[str, str] | None = None) -> bytes | None:
        response = self._asked(path, params, _MAX_SMALL_BYTES)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        if not response.is_success:
            raise ApiError(response)
        return response.content

    def _asked(self, path: str, params: dict[str, str] | None, most: int) -> httpx.Response:
        """Ask, again while a repetition may help; it does not where what is stored is broken."""

        def attempt() -> httpx.Response:
            response = self._read(Question("GET", path, params), most)
            if response.is_error and ApiError(response).code == _BROKEN:
                return response
            return raise_if_transient(response)

        return Retrying(**self._client._backoff.retrying())(attempt)

    def _read(self, question: Question, most: int) -> httpx.Response:
        request = api_request(self._client._http, question)
        with closing(send_request(self._client._http, request, stream=True)) as response:
            content = bytearray()
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > most:
                    raise httpx.LocalProtocolError(
                        f"{request.url.copy_with(query=None)} answers with more than {most:,}"
                        " bytes: is it Tocsin's URL?",
                        request=request,
                    )
            headers = {
                name: value
                for name, value in response.headers.items()
                if name not in ("content-encoding", "content-length", "transfer-encoding")
            }
            return httpx.Response(
                response.status_code, headers=headers, content=bytes(content), request=request
            )
