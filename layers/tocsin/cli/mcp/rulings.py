"""What becomes of a message on its way to the server, and the errors that answer for it."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

__all__ = [
    "HEADER_MISMATCH",
    "INVALID",
    "PARAMS",
    "PARSE",
    "PASS",
    "REFUSED",
    "Asker",
    "Pass",
    "Reply",
    "Ruling",
    "error",
]

REFUSED: Final = -8484
"""Outside what JSON-RPC and MCP have for themselves.

See https://modelcontextprotocol.io/specification/2026-07-28/basic#error-codes.
"""

PARSE: Final = -32700
INVALID: Final = -32600
PARAMS: Final = -32602
HEADER_MISMATCH: Final = -32020


@dataclass(frozen=True, slots=True)
class Pass:
    """It goes to the server: as it came, or, of a call that was held, as ``body`` has it."""

    body: bytes | None = None


PASS: Final = Pass()


@dataclass(frozen=True, slots=True)
class Reply:
    """It does not; its sender gets ``answer``, if there is one: a message, or a batch of some."""

    answer: Any = None


type Ruling = Pass | Reply


class Asker(Protocol):
    """The client of a held call. Its methods are called by any thread, and must not raise."""

    def tell(self, message: dict[str, Any]) -> None:
        """Send it a message that belongs to the call."""

    def settled(self, ruling: Ruling) -> None:
        """Take what becomes of the call; once."""


def error(id: Any, code: int, message: str, **data: Any) -> dict[str, Any]:
    """Return an error of JSON-RPC."""
    body: dict[str, Any] = {"code": code, "message": message}
    return {"jsonrpc": "2.0", "id": id, "error": body | ({"data": data} if data else {})}
