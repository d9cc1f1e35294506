"""What a deployment decides about HTTP."""

from dataclasses import dataclass

from tocsin.wire.negotiation import BareRoute

__all__ = ["HttpOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """Whose pages may call, and how requests are read."""

    allowed_origins: frozenset[str] = frozenset()  # whose pages may use a sign-in's cookie, too
    token_in_query: bool = True  # whether ?token=<key> can replace the Authorization header
    bare_events_route: BareRoute = "stream"
