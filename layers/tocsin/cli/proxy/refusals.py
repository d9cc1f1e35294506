"""Errors of the proxy itself, in the shape that the vendor's clients read.

See https://platform.openai.com/docs/guides/error-codes and
https://docs.anthropic.com/en/api/errors.
"""

from dataclasses import dataclass
from typing import Final

import orjson

from tocsin.cli.proxy.bases import Vendor

__all__ = ["Refusal"]

_ANTHROPIC: Final = {400: "invalid_request_error", 403: "permission_error"}
_OPENAI: Final = {400: "invalid_request_error", 403: "permission_denied"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the proxy itself answers: ``reason`` is for programs and events, ``message`` for people.

    The vendors' clients repeat a call after a 502 and a 503, and give it up after a 403.
    """

    status: int
    reason: str
    message: str

    def body(self, vendor: Vendor) -> bytes:
        """Return the answer's body."""
        message = f"tocsin proxy: {self.message}"
        if vendor is Vendor.ANTHROPIC:
            kind = _ANTHROPIC.get(self.status, "api_error")
            return orjson.dumps({"type": "error", "error": {"type": kind, "message": message}})
        kind = _OPENAI.get(self.status, "server_error")
        error = {"message": message, "type": kind, "param": None, "code": self.reason}
        return orjson.dumps({"error": error})
