"""What both ends of the broker have in common: channels' names, options, a connection's age."""

import secrets
from typing import Any

from valkey.credentials import CredentialProvider

from tocsin.ports.world import Clock

__all__ = ["ANSWER_SECONDS", "Renewal", "channel_of", "options"]

ANSWER_SECONDS = 1.0  # to connect, and to answer a command
RENEW_MS = 11 * 3_600_000  # of a connection's age, less up to
JITTER_MS = 30 * 60_000  # so that not all connections are renewed at once


def channel_of(org: str) -> str:
    """Return the name of an org's channel."""
    return f"tocsin:v1:{org}"


def options(url: str, credentials: CredentialProvider | None) -> dict[str, Any]:
    """Return what a client takes beside its address."""
    chosen: dict[str, Any] = {
        "socket_timeout": ANSWER_SECONDS,
        "credential_provider": credentials,
    }
    if not url.startswith("unix:"):
        chosen["socket_connect_timeout"] = ANSWER_SECONDS
    if url.startswith("valkeys:"):
        chosen["ssl_check_hostname"] = True  # not the client's default
    return chosen


class Renewal:
    """When a connection is to be replaced: never without a clock."""

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock
        self.postpone(RENEW_MS - secrets.randbelow(JITTER_MS))

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self._clock is not None and self._clock.now_ms() >= self._at_ms

    def postpone(self, ms: int) -> None:
        """Let it be time in so many milliseconds."""
        self._at_ms = ms + (self._clock.now_ms() if self._clock else 0)
