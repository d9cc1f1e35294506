"""Bodies of JSON that are small: read strictly, and refused in one shape."""

from typing import Annotated, Any, Final

import orjson
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from tocsin.domain.errors import Detail, Invalid, Malformed, TooLarge
from tocsin.domain.limits import (
    MAX_DEPTH,
    MAX_DETAILS_PER_REFUSAL,
    MAX_NAME_CHARS,
    MAX_SMALL_BODY_BYTES,
)
from tocsin.wire.depth import deeper

__all__ = ["STRICT", "WHOLE", "Name", "Perhaps", "checked", "read"]


STRICT: Final = ConfigDict(strict=True, extra="forbid")
"""Of a body: its fields are what they should be, and there are no others."""

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
Perhaps = Annotated[str, Field(max_length=MAX_NAME_CHARS)]  # some clients send what they lack


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_whole)
"""Of an integer: in JSON 60.0 is one, too."""


def read[T](body: bytes, model: TypeAdapter[T]) -> T:
    """Return a body as its model says; ``{}`` if there is none.

    Raises:
        TooLarge: beyond :data:`.limits.MAX_SMALL_BODY_BYTES`.
        Malformed: no JSON object, or nested too deep.
        Invalid: a field is missing, unknown, or not what it should be.
    """
    if len(body) > MAX_SMALL_BODY_BYTES:
        raise TooLarge(f"the body is {len(body):,} bytes and the limit {MAX_SMALL_BODY_BYTES:,}")
    try:
        value: Any = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Malformed("the body is not a JSON object")
    if deeper(value, MAX_DEPTH):
        raise Malformed(f"nested deeper than {MAX_DEPTH} levels: send deep values as strings")
    return checked(value, model)


def checked[T](value: dict[str, Any], model: TypeAdapter[T]) -> T:
    """Return what a body holds as its model says, or raise Invalid as :func:`read` does."""
    try:
        return model.validate_python(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        details = [
            Detail(field=".".join(map(str, each["loc"])), message=_message(each))
            for each in found[:MAX_DETAILS_PER_REFUSAL]
        ]
        raise Invalid(details) from error


def _message(error: Any) -> str:
    if error["type"] == "missing":
        return "Required"
    return str(error["msg"]).removeprefix("Value error, ")
