"""What the handlers of logging and of agent frameworks share: a client, and who is meant.

They are guests in programs that have other things to do: none of them waits, or raises.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tocsin.client._errors import BadEnvironment
from tocsin.client._plain import name_of
from tocsin.client._sync import Client
from tocsin.domain.times import iso

__all__ = ["Reporting"]

logger = logging.getLogger("tocsin.client")


class Reporting:
    """Emits events of one source, ``via``."""

    def __init__(
        self, via: str, client: Client | None, agent: str | None, session: str | None
    ) -> None:
        """Use ``client``, or one of the environment's, which is closed with this.

        ``agent`` and ``session`` are, unless they are given, ``TOCSIN_AGENT`` and
        ``TOCSIN_SESSION``.

        Raises:
            BadEnvironment: There is no client, and no ``TOCSIN_URL`` and ``TOCSIN_API_KEY``.
        """
        self._via = via
        self._own = client is None
        self.client = client or _client()
        self.agent = agent or os.environ.get("TOCSIN_AGENT") or None
        self.session = session or os.environ.get("TOCSIN_SESSION") or None

    def emit(
        self,
        names: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> None:
        """Emit an event: ``names`` are fields for names, ``fields`` the others; None says nothing.

        ``at`` is when it was, now unless it is given.
        """
        named = {"agent_id": self.agent, "session_id": self.session} | {
            name: value for name, value in names.items() if value is not None
        }
        event: dict[str, Any] = {
            name: text for name, value in named.items() if (text := name_of(value))
        }
        event |= {name: value for name, value in fields.items() if value is not None}
        known = {name: value for name, value in (metadata or {}).items() if value is not None}
        event["metadata"] = {"via": self._via} | known
        event["timestamp"] = iso(at or datetime.now(UTC))
        self.client.emit(event)

    def guarded(self, what: str, error: Exception) -> None:
        """Say that something could not be read: a fault here is not the program's."""
        with suppress(Exception):
            logger.warning("%s could not be recorded: %s", what, type(error).__name__)

    def close(self) -> None:
        """Send what is left, within 5 seconds, if the client is not the program's own."""
        if self._own:
            self.client.close()


def _client() -> Client:
    url, api_key = os.environ.get("TOCSIN_URL"), os.environ.get("TOCSIN_API_KEY")
    if not (url and api_key):
        missing = "TOCSIN_URL" if not url else "TOCSIN_API_KEY"
        raise BadEnvironment(f"{missing} is not set: set it, or give a client")
    return Client(url, api_key)
