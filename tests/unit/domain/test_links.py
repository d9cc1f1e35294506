"""What a signature is of, and when a link ends."""

import hmac
from base64 import urlsafe_b64decode
from dataclasses import replace

import pytest

from tocsin.domain.approvals import Approval, Call
from tocsin.domain.errors import Forbidden
from tocsin.domain.links import Link, new_secret

CALL = Call(tool="exec", agent="claude", owner="key:1")
APPROVAL = Approval(
    org="acme",
    id="apr_1",
    call=CALL,
    digest=CALL.digest,
    rule_digest=CALL.rule_digest,
    key_id="1",
    created_at_ms=1_774_000_000_000,
    expires_at_ms=1_774_000_120_001,
    link_secret=b"s" * 32,
)


@pytest.mark.parametrize(("key_id", "last"), [("k1", b"\nk1"), ("", b"")], ids=["now", "before"])
def test_the_signature_is_hmac_sha256_of_all_that_the_link_says(key_id: str, last: bytes) -> None:
    link = Link.of(APPROVAL, approved=True, key_id=key_id)
    text = b"tocsin/approval-link/v1\nacme\napr_1\ntrue\n1774000121" + last
    signature = urlsafe_b64decode(link.signature + "=")
    assert signature == hmac.digest(b"s" * 32, text, "sha256")
    assert link.opened(APPROVAL) is APPROVAL


@pytest.mark.parametrize("ms", [1_774_000_120_000, 1_774_000_120_001, 1_774_000_120_999])
def test_a_link_ends_with_its_approval_or_within_a_second_after_it(ms: int) -> None:
    ends_at = Link.of(replace(APPROVAL, expires_at_ms=ms), approved=True, key_id="k1").ends_at
    assert 0 <= ends_at * 1_000 - ms < 1_000


def test_no_two_secrets_are_the_same_and_none_opens_with_anothers() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    link = Link.of(replace(APPROVAL, link_secret=one), approved=True, key_id="k1")
    for approval in (replace(APPROVAL, link_secret=other), replace(APPROVAL, link_secret=b"")):
        with pytest.raises(Forbidden):
            link.opened(approval)
    with pytest.raises(Forbidden):
        link.opened(None)
