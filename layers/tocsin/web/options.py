"""What a deployment decides of HTTP."""

from dataclasses import dataclass

from tocsin.wire.negotiation import BareRoute

__all__ = ["HttpOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """Whose pages may call, and what requests that say nothing mean."""

    allowed_origins: frozenset[str] = frozenset()  # whose pages may use a sign-in's cookie, too
    token_in_query: bool = True  # whether ?token=<key> will do for the Authorization header
    bare_events_route: BareRoute = "stream"
