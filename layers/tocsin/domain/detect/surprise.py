"""How surprising something was: what every detector answers, on one scale."""

from dataclasses import dataclass

__all__ = ["Surprise"]


@dataclass(frozen=True, slots=True)
class Surprise:
    """How unlikely the baseline makes what was seen, or anything more extreme."""

    nats: float  # −ln p  # noqa: RUF003 (the sign of subtraction)
    seen: float  # in the measure's unit (per minute; a share; the value itself, not its log)
    expected: float
    windows: int = 1  # over how many windows/observations
