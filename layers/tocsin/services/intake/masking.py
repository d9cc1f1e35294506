"""What is left of a text that Tocsin itself stores and shows."""

from collections.abc import Callable
from typing import Any

from tocsin.wire.screening import masked

__all__ = ["Mask", "without_credentials"]

type Mask = Callable[[str, Any], Any]
"""Returns a value of an org without what is not to be stored."""


def without_credentials(org: str, value: Any) -> Any:
    """Return a value without credentials, whatever the org has set."""
    return masked(value)
