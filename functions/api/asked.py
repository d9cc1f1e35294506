"""What a route is asked, after its guard."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from tocsin.domain.keys import ApiKey
from tocsin.wire.filters import Query

__all__ = ["Asked", "UseCase", "answer"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: whose it is, what the path names, the query, and the body as it came."""

    key: ApiKey
    path: Mapping[str, str]
    query: Query
    body: bytes


type UseCase = Callable[[Asked], Response]


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value as JSON, which nobody may keep."""
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(orjson.dumps(value), status, kept, "application/json")
