"""What is kept of a request that came with an idempotency key."""

from dataclasses import dataclass

__all__ = ["Receipt"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an ``Idempotency-Key`` stands for: the request it came with, and its batch."""

    org: str
    key: str
    fingerprint: bytes  # SHA-256 of what must be the same in a repetition
    batch_id: str  # its events are stored under this id, or will be
    quota_left: int  # when they were counted
    expires_at: int  # Unix time in seconds
