"""What is decided about a session, and what is said of it."""

from typing import Annotated, Any, Final, NotRequired, TypedDict

from pydantic import Field, TypeAdapter, with_config

from tocsin.domain.limits import MAX_MESSAGE_CHARS
from tocsin.domain.sessions import SessionState, SessionStatus
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT

__all__ = ["DECIDE", "DecideBody", "said"]


@with_config(STRICT)
class DecideBody(TypedDict):
    """Of ``POST /api/v1/sessions/{id}/suspend`` and its sisters."""

    reason: NotRequired[Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)]]


DECIDE: Final[TypeAdapter[DecideBody]] = TypeAdapter(DecideBody)


def said(state: SessionState | None) -> dict[str, Any]:
    """Return what people decided about a session; where nobody did, that it is active."""
    if state is None or not state.by:
        return {"status": SessionStatus.ACTIVE if state is None else state.status}
    return {
        "status": state.status,
        "status_reason": state.reason,
        "status_by": state.by,
        "status_at": iso_ms(state.at_ms),
    }
