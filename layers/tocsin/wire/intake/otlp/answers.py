"""OTLP's answers, in the encoding of the request.

A success is an Export…ServiceResponse, whose fields have the same numbers for all signals; what is
refused is a google.rpc.Status. Both are so small that they are written here, without protobuf:
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from tocsin.domain.errors import Detail, TocsinError
from tocsin.wire.intake.format import Accepted, Answer
from tocsin.wire.intake.incoming import Incoming
from tocsin.wire.problems import problem

__all__ = ["as_json", "as_protobuf", "refusal"]

_MOST_TOLD: Final = 10  # records that were left out, by the place and the reason
_SUSPENDED: Final = "a session of these records is suspended"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_CODES: Final = {
    400: 3,
    401: 16,
    403: 7,
    404: 5,
    409: 10,
    413: 3,
    415: 3,
    429: 8,
    503: 14,
}
_INTERNAL: Final = 13


def as_json(rejected: str, incoming: Incoming) -> Answer:
    """Prepare an answer in JSON; ``rejected`` names its field, as ``rejectedSpans``."""
    count, why = len(incoming.rejected), _why(incoming)

    def answer(accepted: Accepted) -> bytes:
        message = _message(why, suspended=accepted.suspended)
        if not message:
            return b"{}"
        told = {"errorMessage": message} | ({rejected: str(count)} if count else {})
        return orjson.dumps({"partialSuccess": told})

    return answer


def as_protobuf(incoming: Incoming) -> Answer:
    """Prepare an answer in protobuf."""
    count, why = len(incoming.rejected), _why(incoming)

    def answer(accepted: Accepted) -> bytes:
        message = _message(why, suspended=accepted.suspended)
        if not message:
            return b""
        return _bytes(1, _integer(1, count) + _text(2, message))

    return answer


def refusal(error: TocsinError, *, protobuf: bool) -> tuple[int, bytes, dict[str, str]]:
    """Return the status, the body and the headers of what is refused."""
    told = problem(error)
    message = str(error).encode(errors="backslashreplace").decode()
    code = _CODES.get(told.status, _INTERNAL)
    violations = [
        {name: text.encode(errors="backslashreplace").decode() for name, text in detail.items()}
        for detail in told.body.get("details", ())
    ]
    if violations:
        message = f"{message}: {violations[0]['field']}: {violations[0]['message']}"
    headers = {name: value for name, value in told.headers.items() if name != "Content-Type"}
    if protobuf:
        details = b"".join(
            _bytes(1, _text(1, each["field"]) + _text(2, each["message"])) for each in violations
        )
        packed = _bytes(3, _text(1, _BAD_REQUEST) + _bytes(2, details)) if details else b""
        return told.status, _integer(1, code) + _text(2, message) + packed, headers
    body: dict[str, Any] = {"code": code, "message": message}
    if violations:
        fields = [{"field": each["field"], "description": each["message"]} for each in violations]
        body["details"] = [{"@type": _BAD_REQUEST, "fieldViolations": fields}]
    return told.status, orjson.dumps(body), headers


def _why(incoming: Incoming) -> str:
    told = [_reason(each.index, each.details) for each in incoming.rejected[:_MOST_TOLD]]
    more = len(incoming.rejected) - len(told)
    return "; ".join([*told, *([f"and {more:,} more"] if more else [])])


def _reason(place: int, details: Sequence[Detail]) -> str:
    """Return why a record was left out; its place is counted over the whole request."""
    said = details[0]
    message = said["message"]
    if not said["field"].endswith("]"):
        message = f"{said['field'].rpartition('.')[2]}: {message}"
    return f"record {place}: {message}".encode(errors="backslashreplace").decode()


def _message(why: str, *, suspended: bool) -> str:
    return "; ".join(part for part in (why, _SUSPENDED if suspended else "") if part)


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value) if value else b""


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return an integer from 0 on, seven bits a byte, the lowest first."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
