"""What the pipeline passed over."""

from dataclasses import dataclass

__all__ = ["SetAsideItem"]


@dataclass(frozen=True, slots=True)
class SetAsideItem:
    """A journal item that the pipeline passed over, and why."""

    org: str
    batch_id: str
    reason: str
    at_ms: int
