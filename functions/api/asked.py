"""What a route is asked, after its guard."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Scope

from tocsin.domain.keys import ApiKey
from tocsin.wire.filters import Query

__all__ = ["Asked", "UseCase", "answer"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: whose it is, what the path names, the query, and the body as it came.

    ``scope`` is ASGI's, with the headers: for what asks for a credential itself.
    """

    key: ApiKey
    path: Mapping[str, str]
    query: Query
    body: bytes
    scope: Scope


type UseCase = Callable[[Asked], Response]


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value as JSON, which nobody may keep."""
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(orjson.dumps(value), status, kept, "application/json")
