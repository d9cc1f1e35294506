"""A history of calls, and a spike on it."""

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from tocsin.cli._output import note

if TYPE_CHECKING:
    from tocsin.client import Client

__all__ = ["calls", "send_spike"]

_HISTORY: Final = timedelta(hours=6)
_PER_MINUTE: Final = 5.0
_SPIKE: Final = 400


def send_spike(client: "Client") -> None:
    """Import six hours of an agent's calls, and send 400 calls at once: an anomaly follows.

    Each time it is another server's tool, so that it can be repeated.
    """
    server, now = f"demo-{token_hex(3)}", datetime.now(UTC)
    history = client.send(calls(server, now - _HISTORY, now), backfill=True)
    note(f"{history.ingested:,} calls of query_records at {server} are imported.")
    sent = client.send(_call(server) for _ in range(_SPIKE))
    note(f"{sent.ingested:,} calls are sent: within some seconds an anomaly follows.")


def calls(server: str, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Yield an agent's calls: five a minute on average, at random (Poisson), the oldest first."""
    chance, at = random.Random(server), start  # noqa: S311 (no secret)
    while (at := at + timedelta(minutes=-math.log(1 - chance.random()) / _PER_MINUTE)) < end:
        yield _call(server) | {"timestamp": at.isoformat()}


def _call(server: str) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "tool_name": "query_records",
        "server_id": server,
        "agent_id": "demo",
        "action": "allow",
        "latency_ms": 12,
        "metadata": {"generated": True},
    }
