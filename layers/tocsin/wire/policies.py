"""What the routes of policies take and answer; those of calls are Rampart's."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

from pydantic import Field, TypeAdapter, with_config

from tocsin.domain.approvals import Call
from tocsin.domain.errors import Malformed
from tocsin.domain.limits import (
    MAX_AGENT_LABELS,
    MAX_CALL_BYTES,
    MAX_NAME_CHARS,
    MAX_POLICY_BYTES,
    MAX_SAFE_INTEGER,
    MAX_TEST_CALLS,
)
from tocsin.domain.policy import Policies, Verdict
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT, WHOLE, Name, Perhaps
from tocsin.wire.filters import Query
from tocsin.wire.parameters import number, once

__all__ = [
    "CALL",
    "PUT",
    "TEST",
    "CallBody",
    "call_of",
    "shown",
    "tested",
    "version_asked",
]

_Long = Annotated[str, Field(max_length=MAX_CALL_BYTES)]
_Annotations = Annotated[dict[Name, bool | Perhaps], Field(max_length=MAX_AGENT_LABELS)]
_Text = Annotated[str, Field(max_length=MAX_POLICY_BYTES)]


@with_config(STRICT)
class CallBody(TypedDict):
    """Of ``POST /v1/tool/{tool}`` and ``/v1/preflight/{tool}``.

    ``params`` are the tool's arguments. Those named ``command`` and ``path`` are what policies see
    by these names. ``input`` takes the place of ``params`` where a client sends both. ``response``
    is taken and not kept. ``annotations`` are the tool's, as its MCP server declares them.
    """

    agent: Name
    session: Perhaps
    params: dict[str, Any]
    run_id: NotRequired[Perhaps]
    tool_call_id: NotRequired[Perhaps]
    cwd: NotRequired[_Long]
    workdir: NotRequired[_Long]
    input: NotRequired[dict[str, Any]]
    response: NotRequired[Any]
    server: NotRequired[Perhaps]
    annotations: NotRequired[_Annotations]
    enforce: NotRequired[bool]


@with_config(STRICT)
class PutBody(TypedDict):
    """Of ``PUT /api/v1/policies``; ``version`` is the one that they take the place of."""

    policies: _Text
    version: NotRequired[Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER), WHOLE]]


@with_config(STRICT)
class TestCall(TypedDict):
    """A call, and what is expected of it."""

    tool: Name
    agent: NotRequired[Name]
    session: NotRequired[Perhaps]
    run_id: NotRequired[Perhaps]
    cwd: NotRequired[_Long]
    params: NotRequired[dict[str, Any]]
    server: NotRequired[Perhaps]
    annotations: NotRequired[_Annotations]
    labels: NotRequired[Annotated[dict[Name, Perhaps], Field(max_length=MAX_AGENT_LABELS)]]
    expect: NotRequired[Literal["allow", "watch", "ask", "deny"]]


@with_config(STRICT)
class TestBody(TypedDict):
    """Of ``POST /api/v1/policies/test``: calls, and policies in place of the org's."""

    calls: Annotated[list[TestCall], Field(max_length=MAX_TEST_CALLS)]
    policies: NotRequired[_Text]


CALL: Final[TypeAdapter[CallBody]] = TypeAdapter(CallBody)
PUT: Final[TypeAdapter[PutBody]] = TypeAdapter(PutBody)
TEST: Final[TypeAdapter[TestBody]] = TypeAdapter(TestBody)


def call_of(tool: str, body: Mapping[str, Any], owner: str) -> Call:
    """Return the call that a body describes.

    Raises:
        Malformed: the tool's name is too long.
    """
    if not 1 <= len(tool) <= MAX_NAME_CHARS:
        raise Malformed(f"a tool's name has 1 to {MAX_NAME_CHARS} characters")
    params = body.get("input") or body.get("params") or {}
    named = {name: params[name] for name in ("command", "path") if _is_text(params.get(name))}
    rest = {name: value for name, value in params.items() if name not in named}
    return Call(
        tool=tool,
        agent=body.get("agent", ""),
        owner=owner,
        session=body.get("session", ""),
        run_id=body.get("run_id", ""),
        tool_call_id=body.get("tool_call_id", ""),
        cwd=body.get("cwd") or body.get("workdir") or "",
        command=named.get("command", ""),
        path=named.get("path", ""),
        input=rest or None,
    )


def version_asked(query: Query) -> int | None:
    """Return which version is asked for; None: the one that holds.

    Raises:
        Malformed: it is no number, or given twice.
    """
    return number(once(query, {"version"}), "version", "the number of a version")


def shown(policies: Policies, count: int) -> dict[str, Any]:
    """Return an org's policies; of version 0 nobody is the author."""
    answer: dict[str, Any] = {
        "version": policies.version,
        "count": count,
        "policies": policies.text,
    }
    if policies.version:
        answer["created_at"] = iso_ms(policies.created_at_ms)
        answer["created_by"] = policies.created_by
    return answer


def tested(call: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """Return what was decided of a test's call, and whether that was expected."""
    expected = call.get("expect")
    answer: dict[str, Any] = {
        "tool": call["tool"],
        "decision": verdict.decision,
        "matched_policies": list(verdict.policies),
        "message": verdict.message,
    }
    if expected is not None:
        answer |= {"expect": expected, "ok": expected == verdict.decision}
    return answer


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
