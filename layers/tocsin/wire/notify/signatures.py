"""Signatures of webhooks: Standard Webhooks 1.0.0, symmetric (``v1``) and asymmetric (``v1a``).

What is signed is ``{id}.{timestamp}.{body}``, and each secret signs in both ways. See
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from tocsin.domain.endpoints import Secret
from tocsin.domain.errors import Invalid

__all__ = ["headers", "hmac_text", "new_secret", "public_text", "read_hmac", "signatures"]

HMAC_BYTES: Final = range(24, 65)
"""So many may a symmetric secret have."""

_HMAC_PREFIX, _PUBLIC_PREFIX = "whsec_", "whpk_"
_NEW_HMAC_BYTES: Final = 32
_SEED_BYTES: Final = 32
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{32,86}={0,2}", re.ASCII)


def new_secret(key: bytes | None = None) -> Secret:
    """Return a new secret, with an HMAC key that somebody brought or a random one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = secrets.token_bytes(_SEED_BYTES)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return Secret(key or secrets.token_bytes(_NEW_HMAC_BYTES), seed, public)


def read_hmac(text: str) -> bytes:
    """Return the HMAC key that a text (``whsec_…``) stands for; its padding may be left out.

    Raises:
        Invalid: it is none.
    """
    encoded = text.removeprefix(_HMAC_PREFIX)
    if encoded != text and _BASE64.fullmatch(encoded):
        bare = encoded.rstrip("=")
        padded = bare + "=" * (-len(bare) % 4)
        # Base64 ends in bits that say nothing: were they not 0, two texts would be one key.
        if len(bare) % 4 != 1 and encoded in (bare, padded):
            key = b64decode(padded)
            if len(key) in HMAC_BYTES and b64encode(key).decode() == padded:
                return key
    message = (
        f"A secret is {_HMAC_PREFIX} and the base64 of {HMAC_BYTES[0]} to {HMAC_BYTES[-1]} random "
        "bytes; or leave it out, and one is made"
    )
    raise Invalid([{"field": "secret", "message": message}])


def hmac_text(secret: Secret) -> str:
    """Return what a receiver verifies ``v1`` with: ``whsec_…``. It can sign, too: show it once."""
    return _HMAC_PREFIX + b64encode(secret.hmac).decode()


def public_text(secret: Secret) -> str:
    """Return what anybody can verify ``v1a`` with: ``whpk_…``."""
    return _PUBLIC_PREFIX + b64encode(secret.public).decode()


def signatures(secret: Secret, id: str, at_s: int, body: bytes) -> tuple[str, str]:
    """Return a secret's two signatures, as they stand in the header."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = b"%b.%d.%b" % (id.encode(), at_s, body)
    symmetric = hmac.digest(secret.hmac, content, "sha256")
    asymmetric = Ed25519PrivateKey.from_private_bytes(secret.seed).sign(content)
    return f"v1,{b64encode(symmetric).decode()}", f"v1a,{b64encode(asymmetric).decode()}"


def headers(
    signing: Sequence[Secret], id: str, now_ms: int, body: bytes
) -> tuple[tuple[str, str], ...]:
    """Return the headers of one attempt; every secret that signs now signs it."""
    at_s = now_ms // 1_000
    signed = [each for secret in signing for each in signatures(secret, id, at_s, body)]
    told = (("webhook-id", id), ("webhook-timestamp", str(at_s)))
    return (*told, ("webhook-signature", " ".join(signed))) if signed else told
