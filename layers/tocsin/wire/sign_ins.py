"""What the routes of sign-ins take and answer."""

from collections.abc import Sequence
from typing import Any, Final, NotRequired, TypedDict

from pydantic import TypeAdapter, with_config

from tocsin.domain.keys import ApiKey
from tocsin.domain.passes import Pass
from tocsin.domain.times import iso_ms
from tocsin.wire.bodies import STRICT, Name

__all__ = ["SIGN_IN", "SWITCH", "SignInBody", "SwitchBody", "said"]


@with_config(STRICT)
class SignInBody(TypedDict):
    """Of ``POST /api/v1/session``: whether the key joins the sign-in that the cookie holds."""

    add: NotRequired[bool]


@with_config(STRICT)
class SwitchBody(TypedDict):
    """Of ``POST /api/v1/session/org``."""

    org: Name


SIGN_IN: Final[TypeAdapter[SignInBody]] = TypeAdapter(SignInBody)
SWITCH: Final[TypeAdapter[SwitchBody]] = TypeAdapter(SwitchBody)


def said(key: ApiKey, sign_in: Pass | None, orgs: Sequence[str]) -> dict[str, Any]:
    """Return what callers are told about themselves; ``expires_at`` is None with a key.

    ``org`` is the active one of the ``orgs``.
    """
    expires_at = None if sign_in is None else iso_ms(sign_in.expires_at_ms)
    return {
        "org": key.org,
        "scopes": sorted(key.scopes),
        "expires_at": expires_at,
        "orgs": list(orgs),
    }
