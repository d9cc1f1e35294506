"""What is said of agents, and what admins say of them (Govrix Scout)."""

from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from tocsin.domain.agents import AgentState, Profile
from tocsin.domain.limits import MAX_AGENT_LABELS, MAX_MESSAGE_CHARS
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT, Name, Perhaps
from tocsin.wire.keys import Expiry, Scopes, Types

__all__ = ["CREATE", "RETIRE", "UPDATE", "CreateAgentBody", "UpdateBody", "profile", "shown"]

_Long = Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)]
_Labels = Annotated[dict[Name, Perhaps], Field(max_length=MAX_AGENT_LABELS)]


@with_config(ConfigDict(extra="forbid"))
class AgentKeyBody(TypedDict):
    """An agent's own key; ``expires_at`` is ISO 8601."""

    scopes: Scopes
    name: NotRequired[Perhaps]
    types: NotRequired[Types]
    expires_at: NotRequired[Expiry]


@with_config(ConfigDict(extra="forbid"))
class CreateAgentBody(TypedDict):
    """Of ``POST /api/v1/agents``; ``id`` is what events name in ``agent_id``."""

    id: Name
    name: NotRequired[Perhaps]
    description: NotRequired[_Long]
    framework: NotRequired[Perhaps]
    labels: NotRequired[_Labels]
    key: NotRequired[AgentKeyBody]


@with_config(STRICT)
class UpdateBody(TypedDict):
    """Of ``PUT /api/v1/agents/{id}``: what is not given stays. ``status`` ends a retirement."""

    name: NotRequired[Perhaps]
    description: NotRequired[_Long]
    framework: NotRequired[Perhaps]
    labels: NotRequired[_Labels]
    status: NotRequired[Literal["active"]]


@with_config(STRICT)
class RetireBody(TypedDict):
    """Of ``POST /api/v1/agents/{id}/retire``."""

    reason: NotRequired[_Long]


CREATE: Final[TypeAdapter[CreateAgentBody]] = TypeAdapter(CreateAgentBody)
UPDATE: Final[TypeAdapter[UpdateBody]] = TypeAdapter(UpdateBody)
RETIRE: Final[TypeAdapter[RetireBody]] = TypeAdapter(RetireBody)


def profile(body: CreateAgentBody | UpdateBody) -> Profile:
    """Return what a body says of an agent."""
    said = Profile()
    if "name" in body:
        said["name"] = body["name"]
    if "description" in body:
        said["description"] = body["description"]
    if "framework" in body:
        said["framework"] = body["framework"]
    if "labels" in body:
        said["labels"] = body["labels"]
    return said


def shown(known: dict[str, Any], state: AgentState | None) -> dict[str, Any]:
    """Return what is known of an agent by its events, and by what admins said of it."""
    if state is None:
        return known
    said: dict[str, Any] = {
        "name": state.name or state.id,
        "description": state.description or None,
        "framework": state.framework or None,
        "labels": dict(state.labels),
    }
    if state.retired_at_ms is not None:
        said["status"] = "retired"
        said |= {"retired_at": iso_ms(state.retired_at_ms), "retired_reason": state.reason}
    return known | said
