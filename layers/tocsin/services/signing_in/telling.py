"""The events of signing in and out."""

from typing import Any

from tocsin.domain.keys import ApiKey

__all__ = ["event_of"]


def event_of(type: str, key: ApiKey, **more: Any) -> tuple[str, dict[str, Any]]:
    """Return whose event it is, and the event; ``data`` is in KavachOS' spelling, as its types."""
    data = {"userId": key.holder, "keyId": key.id} | more
    return key.org, {"type": type, "user_id": key.holder, "data": data}
