"""What the routes of API keys take and answer. A digest is in none of it."""

from typing import Annotated, Any, Final, NotRequired, TypedDict

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from tocsin.domain.errors import Invalid
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import KEY_OVERLAP_SECONDS, MAX_KEY_OVERLAP_SECONDS
from tocsin.domain.times import iso_ms, moment_of, ms_of
from tocsin.wire.bodies import STRICT, WHOLE, Perhaps
from tocsin.wire.filters import types_of

__all__ = [
    "CREATE",
    "DELEGATE",
    "ROTATE",
    "CreateBody",
    "DelegateBody",
    "Expiry",
    "RotateBody",
    "Scopes",
    "Types",
    "listed",
    "moment",
    "overlap_seconds",
    "types",
]

Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
Types = Annotated[list[Perhaps], Field(min_length=1, max_length=100)]
Expiry = Annotated[str, Field(max_length=64)]


@with_config(ConfigDict(extra="forbid"))
class CreateBody(TypedDict):
    """Of ``POST /api/v1/keys``; ``expires_at`` is ISO 8601. ``agent`` is whose alone it is."""

    scopes: Scopes
    name: NotRequired[Perhaps]
    person: NotRequired[Perhaps]
    types: NotRequired[Types]
    expires_at: NotRequired[Expiry]
    agent: NotRequired[Perhaps]


@with_config(ConfigDict(extra="forbid"))
class DelegateBody(TypedDict):
    """Of ``POST /api/v1/delegations``."""

    scopes: Scopes
    name: NotRequired[Perhaps]
    types: NotRequired[Types]
    expires_at: NotRequired[Expiry]
    agent: NotRequired[Perhaps]


@with_config(STRICT)
class RotateBody(TypedDict):
    """Of ``POST /api/v1/keys/{id}/rotate``: how long the old key works on."""

    overlap_seconds: NotRequired[Annotated[int, Field(ge=0, le=MAX_KEY_OVERLAP_SECONDS), WHOLE]]


CREATE: Final[TypeAdapter[CreateBody]] = TypeAdapter(CreateBody)
DELEGATE: Final[TypeAdapter[DelegateBody]] = TypeAdapter(DelegateBody)
ROTATE: Final[TypeAdapter[RotateBody]] = TypeAdapter(RotateBody)


def overlap_seconds(body: RotateBody) -> int:
    """Return how long the old key works on."""
    return body.get("overlap_seconds", KEY_OVERLAP_SECONDS)


def moment(text: str | None) -> int | None:
    """Return a time as milliseconds since 1970.

    Raises:
        Invalid: it is none.
    """
    if text is None:
        return None
    try:
        return ms_of(moment_of(text))
    except (ValueError, OverflowError) as error:
        message = "It is a time, as in 2027-01-15T10:00:00Z"
        raise Invalid([{"field": "expires_at", "message": message}]) from error


def types(names: list[str] | None) -> frozenset[str] | None:
    """Return event types; raises Malformed if one is none."""
    return None if names is None else types_of([("types", ",".join(names))])


def listed(key: ApiKey) -> dict[str, Any]:
    """Return what is said of a key; what it does not have is null."""

    def told(at_ms: int | None) -> str | None:
        return None if at_ms is None else iso_ms(at_ms)

    return {
        "id": key.id,
        "name": key.name,
        "person": key.person or None,
        "agent": key.agent or None,
        "delegated_by": key.chain[-1] if key.chain else None,
        "scopes": sorted(key.scopes),
        "types": None if key.types is None else sorted(key.types),
        "created_at": iso_ms(key.created_at_ms),
        "expires_at": told(key.expires_at_ms),
        "revoked_at": told(key.revoked_at_ms),
    }
