"""An endpoint and its deliveries, as an application's developer sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

__all__ = ["Delivery", "Webhook"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint. ``fields`` is all that is known of it, how far it is among it.

    Attributes:
        secret: ``whsec_…``, which verifies deliveries; only of one just made or rotated.
        public_key: ``whpk_…``, which verifies them too and can't sign; None: they are not signed.
    """

    id: str
    url: str
    format: str
    order: str
    status: str
    public_key: str | None
    secret: str | None = field(default=None, repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, said: Mapping[str, Any], secret: str | None = None) -> Self:
        """Return what is said of an endpoint as one."""
        fields = orjson.loads(orjson.dumps(said))
        named = {name: fields[name] for name in ("id", "url", "format", "order", "status")}
        public_key = next(iter(fields["public_keys"]), None)
        return cls(**named, public_key=public_key, secret=secret, fields=fields)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt: ``outcome`` is ``delivered``, ``failed``, ``slowed``, ``gone`` or ``untried``.

    ``status`` is HTTP's; None: no answer came. ``fields`` is all that is known of it.
    """

    seq: int
    event_id: str
    attempt: int
    outcome: str
    status: int | None
    latency_ms: int
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Return what is said of an attempt as one."""
        fields = orjson.loads(orjson.dumps(said))
        names = ("seq", "event_id", "attempt", "outcome", "status", "latency_ms")
        return cls(**{name: fields[name] for name in names}, fields=fields)
