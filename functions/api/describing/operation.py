"""One method of one path, as the document describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter

from functions.api.describing.shapes import Schema, ref
from tocsin.domain.errors import (
    Busy,
    Forbidden,
    IntegrityError,
    Invalid,
    Malformed,
    NotFound,
    Refused,
    TocsinError,
    TooOften,
    Unauthenticated,
)
from tocsin.domain.limits import MAX_NAME_CHARS
from tocsin.wire.problems import STATUS

__all__ = ["JSON", "NAMED", "Answer", "Operation", "described"]

JSON: Final = "application/json"
NAMED: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS}

_NO_CODE: Final = (Invalid, NotFound)
_WHOLE_SECONDS: Final[Schema] = {"type": "string", "pattern": "^[0-9]+$"}
_CHALLENGE: Final = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
_LATER: Final = {"Retry-After": {"required": True, "schema": _WHOLE_SECONDS}}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that is no error."""

    shape: str | Schema | None
    says: str = "Done."
    media: str = JSON
    headers: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        """The schema of its body."""
        return ref(self.shape) if isinstance(self.shape, str) else self.shape or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What the table of routes does not say.

    ``refusals`` are those besides the ones that every route has. ``path`` are the schemas of its
    parameters, where they are not :data:`NAMED`. ``scopes`` is what a key needs where the table
    names none. ``refused_as`` is the shape of refusals, where it is another.
    """

    says: str
    answers: Mapping[int, Answer]
    scopes: str = "any"
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    path: Mapping[str, Schema] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    body: TypeAdapter[Any] | Mapping[str, Schema] | None = None
    example: Any = None
    refusals: tuple[type[TocsinError], ...] = ()
    refused_as: str | None = None


def described(
    operation: Operation,
    *,
    id: str,
    scopes: str | None,
    names: tuple[str, ...],
    service: str,
    signed: bool = False,
) -> dict[str, Any]:
    """Return an operation object; ``scopes`` is what a key needs, None: there is no key.

    ``signed``: a signed link is taken in place of a key.
    """
    refusals: set[type[TocsinError]] = {Malformed, Busy, IntegrityError, *operation.refusals}
    if scopes is not None:
        refusals |= {Unauthenticated, Forbidden}
    if scopes is not None and service == "api":
        refusals.add(TooOften)
    said: dict[str, Any] = {
        "operationId": id,
        "summary": operation.says,
        "tags": [service],
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True}
                | {"schema": operation.path.get(name, NAMED)}
                for name in names
            ),
            *(
                {"name": name, "in": "query", "schema": schema}
                | ({"required": True} if name in operation.required else {})
                for name, schema in operation.query.items()
            ),
            *(
                {"name": name, "in": "header", "schema": schema}
                for name, schema in operation.headers.items()
            ),
        ],
        "security": ([] if scopes is None else [{"key": []}]) + ([{"link": []}] if signed else []),
    }
    if scopes is not None:
        said["description"] = f"Scope: {scopes}."
    if isinstance(operation.body, TypeAdapter):
        schema = ref(operation.body.json_schema()["title"])
        media: dict[str, Any] = {"schema": schema}
        if operation.example is not None:
            media["example"] = operation.example
        needed = bool(operation.body.json_schema().get("required"))  # none is an empty object
        said["requestBody"] = {"required": needed, "content": {JSON: media}}
    elif operation.body is not None:
        content = {media: {"schema": schema} for media, schema in operation.body.items()}
        said["requestBody"] = {"required": True, "content": content}
    responses = _refused(refusals)
    if operation.refused_as:
        for response in responses.values():
            response["content"] = {JSON: {"schema": ref(operation.refused_as)}}
    for status, answer in operation.answers.items():
        responses[str(status)] = _answered(answer, responses.get(str(status)))
    said["responses"] = dict(sorted(responses.items()))
    return said


def _answered(answer: Answer, beside: dict[str, Any] | None) -> dict[str, Any]:
    """Return a response object; ``beside`` is an error's of the same status."""
    said: dict[str, Any] = {"description": answer.says}
    if answer.shape is not None:
        schema = answer.schema
        if beside is not None:
            schema = {"anyOf": [schema, beside["content"][JSON]["schema"]]}
            said["description"] += f" Or: {beside['description']}"
        said["content"] = {answer.media: {"schema": schema}}
    if answer.headers:
        said["headers"] = answer.headers
    if answer.links:
        said["links"] = answer.links
    return said


def _refused(refusals: set[type[TocsinError]]) -> dict[str, dict[str, Any]]:
    """Return response objects of errors, by status."""
    codes: dict[int, list[str]] = {414: ["URI_TOO_LONG"], 500: ["INTERNAL"]}
    uncoded = {STATUS[each] for each in refusals if each in _NO_CODE}
    for each in sorted(refusals, key=lambda each: each.__name__):
        status = next(STATUS[base] for base in each.__mro__ if base in STATUS)
        codes.setdefault(status, [])
        if each not in _NO_CODE and issubclass(each, Refused | IntegrityError):
            codes[status].append(each.code)
    return {
        str(status): {
            "description": ", ".join(sorted(found)) or "NOT_FOUND, which the body does not say.",
            "content": {JSON: {"schema": _error(found, coded=status not in uncoded)}},
            **({"headers": _CHALLENGE} if status == 401 else {}),
            **({"headers": _LATER} if status in (429, 503) else {}),
        }
        for status, found in codes.items()
    }


def _error(codes: list[str], *, coded: bool) -> Schema:
    if not codes:
        return ref("Error")
    narrowed: Schema = {"properties": {"code": {"enum": sorted(codes)}}}
    return {"allOf": [ref("Error"), narrowed | ({"required": ["code"]} if coded else {})]}
