"""Whether a call may leave the proxy, with ``--fail closed``."""

import asyncio
from typing import Final

from tocsin.cli.proxy.calls import Call
from tocsin.cli.proxy.refusals import Refusal
from tocsin.cli.proxy.sender import NotAccepted, Sender
from tocsin.client import AsyncClient

__all__ = ["NO_RECORD", "Gate"]

NO_RECORD: Final = "not_recorded"
"""A refusal's reason: Tocsin has not taken the call's event."""

_SUSPENDED: Final = Refusal(
    403, "session_suspended", "the session is suspended: a person has to resume it in Tocsin"
)
# Any tool: what matters is the session.
_PATH: Final = "/v1/preflight/llm"


class Gate:
    """Lets a call pass when Tocsin has its event, and its session is not suspended.

    Each answer to events says whether one of their sessions is suspended. Only then Tocsin is asked
    about each session.
    """

    def __init__(self, sender: Sender, client: AsyncClient, patience_seconds: float) -> None:
        self._sender = sender
        self._client = client
        self._patience_seconds = patience_seconds

    async def refusal(self, call: Call, place: int | None) -> Refusal | None:
        """Return why a call may not pass; ``place`` is that of its event."""
        if place is None:
            return Refusal(503, NO_RECORD, "the call's event can't be kept on this machine's disk")
        try:
            async with asyncio.timeout(self._patience_seconds):
                if await self._sender.accepted(place) and await self._is_suspended(call):
                    return _SUSPENDED
        except NotAccepted as error:
            return Refusal(403 if error.final else 503, NO_RECORD, f"{error}")
        except TimeoutError:
            return Refusal(503, NO_RECORD, "Tocsin has not taken the call's event in time")
        return None

    async def _is_suspended(self, call: Call) -> bool:
        """Ask; without an answer, the session is taken for the one that is suspended."""
        caller = call.caller
        body = {"agent": caller.agent or "tocsin proxy", "session": caller.session, "params": {}}
        try:
            answer = await self._client.call("POST", _PATH, body=body)
            return not ("decision" in answer and answer.get("suspended") is not True)
        except Exception:  # whatever it is: closed is closed
            return True
