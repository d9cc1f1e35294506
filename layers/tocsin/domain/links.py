"""Signed links: each is one answer to one approval, for whoever holds it and has no key.

A link says in clear whose approval it answers, with what, until when, and with which key it was
made: it works only while that does. All of it is under its signature: HMAC-SHA256 (RFC 2104) with
a secret of that approval alone.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from hmac import compare_digest
from typing import Final, Self

from tocsin.domain.approvals import Approval
from tocsin.domain.errors import Forbidden

__all__ = ["SIGNED_LINK", "Link", "new_secret", "opens_nothing"]

SIGNED_LINK: Final = "signed-link"
"""Who resolved an approval that was answered by a link."""

_AUDIENCE: Final = "tocsin/approval-link/v1"
_SECRET_BYTES: Final = 32


def opens_nothing() -> Forbidden:
    """Return what everybody is told whose link is none, whatever the reason."""
    return Forbidden("this link opens nothing: use it as it was sent, whole")


def new_secret() -> bytes:
    """Return a secret for an approval's links."""
    return secrets.token_bytes(_SECRET_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One answer. It can be used until ``ends_at``, a Unix time in seconds.

    ``key_id`` is the key that it was made with; empty in links of an older version.
    ``signature`` is base64url without padding, 43 characters.
    """

    org: str
    id: str
    approved: bool
    ends_at: int
    key_id: str = ""
    signature: str = field(default="", repr=False)

    @classmethod
    def of(cls, approval: Approval, *, approved: bool, key_id: str) -> Self:
        """Return the link to an answer that is made with a key; the approval has a secret."""
        ends_at = -(-approval.expires_at_ms // 1_000)  # not before the approval
        link = cls(
            org=approval.org, id=approval.id, approved=approved, ends_at=ends_at, key_id=key_id
        )
        return replace(link, signature=link._signed(approval.link_secret))

    def opened(self, approval: Approval | None) -> Approval:
        """Return the approval that it was made for: only who has a link is told that there is one.

        Comparing takes the same time whatever is wrong. An approval without a secret has no links.

        Raises:
            Forbidden: it was not made for this approval.
        """
        secret = approval.link_secret if approval else b""
        genuine = compare_digest(self._signed(secret).encode(), self.signature.encode())
        if approval is None or not secret or not genuine:
            raise opens_nothing()
        return approval

    def _signed(self, secret: bytes) -> str:
        answer = "true" if self.approved else "false"
        parts = [_AUDIENCE, self.org, self.id, answer, str(self.ends_at)]
        if self.key_id:
            parts.append(self.key_id)
        digest = hmac.digest(secret, "\n".join(parts).encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
