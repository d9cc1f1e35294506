"""The stream service's parts over a tenant in memory."""

from dataclasses import fields
from typing import Any

from fakes.tenant import Tenant
from tocsin.services.access.presented import Authorizer, Credentials
from tocsin.services.stream.parts import StreamLimits, StreamParts

__all__ = ["stream_parts"]

_LIMITS = {each.name for each in fields(StreamLimits)}


def stream_parts(tenant: Tenant, access: Authorizer | Credentials, **given: Any) -> StreamParts:
    """Return the parts, with whatever is given of them and of their limits."""
    limits = {name: given.pop(name) for name in _LIMITS & given.keys()}
    return StreamParts(
        ledger=tenant.ledger,
        journal=tenant.journal,
        credentials=access if isinstance(access, Credentials) else Credentials(access),
        clock=tenant.clock,
        limits=StreamLimits(**limits),
        **given,
    )
