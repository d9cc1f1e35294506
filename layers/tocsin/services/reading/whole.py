"""Figures are of all events: a key that may see some of them may not see the figures."""

from tocsin.domain.errors import Forbidden
from tocsin.domain.keys import ApiKey

__all__ = ["sees_all"]


def sees_all(key: ApiKey) -> None:
    """Make sure that a key may see every event of its org.

    Raises:
        Forbidden: it may see some types alone.
    """
    if key.types is not None:
        raise Forbidden("this key sees some event types, and these figures are of all: use another")
