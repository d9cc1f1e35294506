"""The canonical event: its fields, its types, and both spellings of them on the way in.

The documents of Igris, Rampart, Govrix Scout and KavachOS name every field here. Tocsin stores one
spelling (snake_case) and accepts both; messages to a sender use Igris' camelCase.
"""

import re
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict, get_args

from pydantic import AfterValidator, ConfigDict, FailFast, Field, with_config

from tocsin.domain.limits import MAX_LABELS, MAX_NAME_CHARS, MAX_TYPE_CHARS
from tocsin.domain.times import iso, moment_of

__all__ = [
    "ACTIONS",
    "CAMEL",
    "DECISION_SNAKE",
    "FROM_METADATA",
    "RESERVED_TYPES",
    "SNAKE",
    "TOOL_TYPES",
    "TYPES",
    "IncomingEvent",
    "camel",
    "is_open_type",
]

TOOL_TYPES = frozenset({"tool_call", "completion", "embedding", "custom"})  # Igris
_KAVACH_TYPES = frozenset(
    {
        "audit",
        "agent.created",
        "agent.revoked",
        "agent.rotated",
        "auth.signin",
        "auth.signout",
        "auth.failed",
        "delegation.created",
        "delegation.revoked",
        "budget.exceeded",
        "anomaly.detected",
        "cost.recorded",
    }
)
TYPES = TOOL_TYPES | _KAVACH_TYPES
RESERVED_TYPES = re.compile(r"anomaly|session_update|(approval|tocsin)(\..*)?", re.IGNORECASE)
_VENDOR_TYPE = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+", re.ASCII | re.IGNORECASE)

FROM_METADATA = {  # where Igris nests what is a field of its own here
    "model": "model",
    "userId": "user_id",
    "latencyMs": "latency_ms",
    "tokens": "total_tokens",
}

_CANONICAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def _timestamp(text: str) -> str:
    try:
        moment = moment_of(text)
        return text if _CANONICAL_TIME.fullmatch(text) else iso(moment)
    except (ValueError, OverflowError) as error:
        raise ValueError("Invalid ISO 8601 datetime") from error


def is_open_type(text: str) -> bool:
    """Whether this is a known type, or one of a client's own; it may still be reserved."""
    return text in TYPES or (
        len(text) <= MAX_TYPE_CHARS and _VENDOR_TYPE.fullmatch(text) is not None
    )


def _type(text: str) -> str:
    if is_open_type(text):
        return text
    raise ValueError(
        "Unknown type: use tool_call, completion, embedding, custom, one of KavachOS' types, "
        "or a name of your own with a namespace, as in vendor.name"
    )


# Plain names, not `type` aliases: pydantic does not carry `strict` into those.
_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
_Number = int | float
_Positive = Annotated[_Number, Field(ge=0)]
_Tokens = Annotated[int, Field(ge=0)]
# One error is told of a list: a list of a million wrong items would be a million errors.
_Labels = Annotated[list[str], Field(max_length=MAX_LABELS), FailFast()]
_Object = dict[str, Any]
_Action = Literal["allow", "deny", "alert", "log", "ask", "watch"]  # Igris', and Rampart's last two

ACTIONS: Final = frozenset(get_args(_Action))
"""What was done about what happened; ``log`` where nothing says."""


@with_config(ConfigDict(strict=True, extra="allow"))
class Decision(TypedDict, total=False):
    """What a policy engine decided about a call (Rampart)."""

    action: str
    matched_policies: _Labels
    evaluation_time_us: _Positive
    message: str
    suggestions: _Labels


@with_config(ConfigDict(strict=True, extra="forbid"))
class IncomingEvent(TypedDict):
    """What a client may say of an event. Absent fields stay absent; Tocsin stamps the rest."""

    type: Annotated[str, AfterValidator(_type)]
    timestamp: NotRequired[Annotated[str, AfterValidator(_timestamp)]]
    tool_name: NotRequired[_Name]
    action: NotRequired[_Action]
    source_id: NotRequired[_Name]
    server_id: NotRequired[_Name]
    agent_id: NotRequired[_Name]
    session_id: NotRequired[_Name]
    user_id: NotRequired[_Name]
    run_id: NotRequired[_Name]
    trace_id: NotRequired[_Name]
    span_id: NotRequired[_Name]
    parent_id: NotRequired[_Name]  # another event's id, or the one its sender gave it
    tool_call_id: NotRequired[_Name]
    prompt_id: NotRequired[_Name]
    direction: NotRequired[_Name]
    model: NotRequired[_Name]
    provider: NotRequired[_Name]
    status: NotRequired[_Name]
    compliance_tag: NotRequired[_Name]
    anomaly_type: NotRequired[_Name]
    prompt_tokens: NotRequired[_Tokens]
    completion_tokens: NotRequired[_Tokens]
    total_tokens: NotRequired[_Tokens]
    cost_usd: NotRequired[_Positive]
    latency_ms: NotRequired[_Positive]
    current_rate: NotRequired[_Number]
    threshold: NotRequired[_Number]
    pii_detected: NotRequired[bool]
    pii_types: NotRequired[_Labels]
    decision: NotRequired[Decision]
    request: NotRequired[_Object]
    data: NotRequired[Any]
    metadata: NotRequired[_Object]


def camel(field: str) -> str:
    """Return Igris' spelling of a canonical field: ``tool_name`` → ``toolName``."""
    head, *rest = field.split("_")
    return head + "".join(part.title() for part in rest)


_FIELDS = [*IncomingEvent.__annotations__, *Decision.__annotations__]
CAMEL = {field: camel(field) for field in _FIELDS}
SNAKE = {spelling: field for field in _FIELDS for spelling in (field, camel(field))}
DECISION_SNAKE = {
    spelling: field for field in Decision.__annotations__ for spelling in (field, camel(field))
}
SNAKE["id"] = "source_id"  # a client's own id; Tocsin gives the event another
