"""What the routes of endpoints take and answer."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict
from urllib.parse import quote, urlencode

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from tocsin.domain.deliveries import Attempt, Failing, Progress, Replay
from tocsin.domain.detect.kinds import Severity
from tocsin.domain.endpoints import Endpoint, Format, Order, Wanted
from tocsin.domain.errors import Malformed, UnreadableEndpoint
from tocsin.domain.limits import (
    DEFAULT_LIST_EVENTS,
    MAX_LIST_EVENTS,
    MAX_MESSAGE_CHARS,
    MAX_SAFE_INTEGER,
    MAX_SECRET_OVERLAP_SECONDS,
    MAX_URL_CHARS,
    SECRET_OVERLAP_SECONDS,
)
from tocsin.domain.receivers import origin, public_url
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT, WHOLE, Name, Perhaps
from tocsin.wire.filters import Query, types_of
from tocsin.wire.parameters import number, once

__all__ = [
    "CREATE",
    "PARAMETERS",
    "PAUSE",
    "PLACE",
    "REPLAY",
    "RESUME",
    "ROTATE",
    "TEST",
    "UPDATE",
    "delivery",
    "fields_of",
    "next_page",
    "overlap_seconds",
    "page_asked",
    "replaying",
    "shown",
    "with_secret",
]

PARAMETERS: Final = ("limit", "before")
"""Of a list of attempts."""

PLACE: Final = re.compile(r"[0-9a-z]{1,26}(\.[0-9]{1,6})?", re.ASCII)
"""Of an attempt in such a list; what it is made of is the store's own."""

_LIMIT: Final = f"a number from 1 to {MAX_LIST_EVENTS:,}"
_MAX_TOKEN_CHARS: Final = 256

_Url = Annotated[str, Field(min_length=1, max_length=MAX_URL_CHARS, pattern=r"^[!-~]+$")]
_Token = Annotated[str, Field(max_length=_MAX_TOKEN_CHARS, pattern=r"^[!-~]*$")]
_Secret = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
_Types = Annotated[list[Name], Field(min_length=1, max_length=100)]
_Seq = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER), WHOLE]
_Since = Annotated[str, Field(min_length=1, max_length=64)]
_Format = Annotated[Format, Field(strict=False)]
_Order = Annotated[Order, Field(strict=False)]
_Severity = Literal["info", "warning", "critical"]


class _EndpointFields(TypedDict):
    description: NotRequired[Perhaps]
    format: NotRequired[_Format]
    order: NotRequired[_Order]
    escalation: NotRequired[bool]
    links: NotRequired[bool]
    types: NotRequired[_Types | None]
    agent_id: NotRequired[Name | None]
    tool_name: NotRequired[Name | None]
    action: NotRequired[Name | None]
    severity: NotRequired[_Severity | None]
    token: NotRequired[_Token]


@with_config(STRICT)
class CreateEndpointBody(_EndpointFields):
    """Of ``POST /api/v1/webhooks``: null is as what is not given. It begins at the ledger's head.

    ``from_seq`` or ``since`` have it begin before; ``secret`` is a ``whsec_`` of your own.
    """

    url: _Url
    secret: NotRequired[_Secret]
    from_seq: NotRequired[_Seq]
    since: NotRequired[_Since]


@with_config(STRICT)
class UpdateEndpointBody(_EndpointFields):
    """Of ``PUT /api/v1/webhooks/{id}``: what is not given stays, and null ends a filter."""

    url: NotRequired[_Url]


@with_config(STRICT)
class PauseEndpointBody(TypedDict):
    """Of ``POST /api/v1/webhooks/{id}/pause``."""

    reason: NotRequired[Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)]]


@with_config(STRICT)
class ResumeEndpointBody(TypedDict):
    """Of ``POST /api/v1/webhooks/{id}/resume``: whether what was not sent is left out."""

    skip_missed: NotRequired[bool]


@with_config(STRICT)
class RotateSecretBody(TypedDict):
    """Of ``POST /api/v1/webhooks/{id}/rotate``: how long the secret before it signs as well."""

    overlap_seconds: NotRequired[Annotated[int, Field(ge=0, le=MAX_SECRET_OVERLAP_SECONDS), WHOLE]]
    secret: NotRequired[_Secret]


@with_config(STRICT)
class TestEndpointBody(TypedDict):
    """Of ``POST /api/v1/webhooks/{id}/test``: nothing."""


# What the use case refuses, for those who read the schema.
_FROM: Final = ConfigDict(
    json_schema_extra={"oneOf": [{"required": ["from_seq"]}, {"required": ["since"]}]}
)


@with_config(STRICT | _FROM)
class ReplayBody(TypedDict):
    """Of ``POST /api/v1/webhooks/{id}/replay``; without ``to_seq`` up to the ledger's end."""

    from_seq: NotRequired[_Seq]
    to_seq: NotRequired[_Seq]
    since: NotRequired[_Since]


CREATE: Final[TypeAdapter[CreateEndpointBody]] = TypeAdapter(CreateEndpointBody)
UPDATE: Final[TypeAdapter[UpdateEndpointBody]] = TypeAdapter(UpdateEndpointBody)
PAUSE: Final[TypeAdapter[PauseEndpointBody]] = TypeAdapter(PauseEndpointBody)
RESUME: Final[TypeAdapter[ResumeEndpointBody]] = TypeAdapter(ResumeEndpointBody)
ROTATE: Final[TypeAdapter[RotateSecretBody]] = TypeAdapter(RotateSecretBody)
TEST: Final[TypeAdapter[TestEndpointBody]] = TypeAdapter(TestEndpointBody)
REPLAY: Final[TypeAdapter[ReplayBody]] = TypeAdapter(ReplayBody)

_FILTERS: Final = ("types", "agent_id", "tool_name", "action", "severity")


def fields_of(body: Mapping[str, Any], was: Wanted) -> dict[str, Any]:
    """Return what a body says of an endpoint, in the words of the use cases.

    What it does not say of filters is as they were.

    Raises:
        Malformed: a type is no event type.
    """
    said = {name: value for name, value in body.items() if name not in _FILTERS}
    if any(name in body for name in _FILTERS):
        filters = {name: body.get(name, getattr(was, name)) for name in _FILTERS}
        if body.get("types") is not None:
            filters["types"] = types_of([("types", ",".join(body["types"]))])
        if body.get("severity") is not None:
            filters["severity"] = Severity[body["severity"].upper()]
        said["wanted"] = Wanted(**filters)
    return said


def overlap_seconds(body: RotateSecretBody) -> int:
    """Return how long the secret before signs as well."""
    return body.get("overlap_seconds", SECRET_OVERLAP_SECONDS)


def page_asked(query: Query) -> tuple[str, int]:
    """Return the place before which a list is asked for, and how much of it.

    Raises:
        Malformed: a parameter is given twice, or not understood.
    """
    given = once(query, PARAMETERS)
    limit, before = number(given, "limit", _LIMIT), given.get("before", "")
    if limit is not None and not 1 <= limit <= MAX_LIST_EVENTS:
        raise Malformed(f"limit is {_LIMIT}")
    if before and not PLACE.fullmatch(before):
        raise Malformed("before is a place that a Link leads to")
    return before, DEFAULT_LIST_EVENTS if limit is None else limit


def next_page(id: str, of: str, query: Query, before: str) -> dict[str, str]:
    """Return the header that leads from a list to what is before a place; none: it was all."""
    kept = [each for each in query if each[0] != "before"]
    target = f"/api/v1/webhooks/{quote(id)}/{of}?{urlencode([*kept, ('before', before)])}"
    return {"Link": f'<{target}>; rel="next"'} if before else {}


def shown(
    endpoint: Endpoint,
    progress: Progress,
    replays: Sequence[Replay],
    public_keys: Sequence[str],
    *,
    whole: bool,
) -> dict[str, Any]:
    """Return an endpoint and how far it is; only if ``whole`` with all of its URL.

    ``public_keys`` verify what it is sent now. A token is never shown, nor a secret.
    """
    wanted = endpoint.wanted
    said: dict[str, Any] = {
        "id": endpoint.id,
        "url": endpoint.url if whole else public_url(endpoint),
        "description": endpoint.description,
        "format": endpoint.format,
        "order": endpoint.order,
        "escalation": endpoint.escalation,
        "links": endpoint.links,
        "types": None if wanted.types is None else sorted(wanted.types),
        "agent_id": wanted.agent_id,
        "tool_name": wanted.tool_name,
        "action": wanted.action,
        "severity": None if wanted.severity is None else wanted.severity.word,
        "has_token": bool(endpoint.token),
        "public_keys": list(public_keys),
        "status": endpoint.status,
        "reason": endpoint.reason or None,
        "created_at": iso_ms(endpoint.created_at_ms),
        "changed_at": iso_ms(endpoint.at_ms),
        "changed_by": endpoint.by,
        "through_seq": progress.through_seq,
        "failing": [_failing(each) for each in progress.failing],
        "delivered": progress.delivered,
        "given_up": progress.passed_over,
        "last_delivered_at": _time(progress.delivered_at_ms),
        "failing_since": _time(progress.failing_since_ms),
        "held_until": _time(progress.hold_until_ms),
        "slow_until": _time(progress.slow_until_ms),
        "replays": [_replay(each) for each in replays],
    }
    return said


def unreadable(error: UnreadableEndpoint) -> dict[str, Any]:
    """Return what is known of an endpoint that can't be read; of its URL what anybody may see."""
    return {"id": error.id, "url": origin(error.url) or None, "reason": error.reason}


def with_secret(said: Mapping[str, Any], secret: str) -> dict[str, Any]:
    """Return an endpoint with its secret, which only who made it is told, once."""
    return {**said, "secret": secret or None}


def replaying(said: Mapping[str, Any], replay: Replay, expired_through_seq: int) -> dict[str, Any]:
    """Return an endpoint, what it is sent once more, and what of that is not kept any more."""
    return {**said, "replay": _replay(replay), "expired_through_seq": expired_through_seq or None}


def delivery(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt."""
    return {
        "seq": attempt.seq,
        "until_seq": attempt.until_seq,
        "event_id": attempt.event_id,
        "type": attempt.type,
        "attempt": attempt.attempt,
        "at": iso_ms(attempt.at_ms),
        "outcome": attempt.outcome,
        "status": attempt.status or None,
        "latency_ms": attempt.latency_ms,
        "error": attempt.error or None,
        "answer": attempt.excerpt or None,
        "given_up": attempt.given_up,
    }


def _failing(failing: Failing) -> dict[str, Any]:
    return {
        "seq": failing.seq,
        "attempts": failing.attempts,
        "first_attempt_at": _time(failing.first_ms),
        "next_attempt_at": _time(failing.due_ms),
    }


def _replay(replay: Replay) -> dict[str, Any]:
    return {"id": replay.id, "next_seq": replay.next_seq, "to_seq": replay.to_seq}


def _time(at_ms: int) -> str | None:
    return iso_ms(at_ms) if at_ms else None
