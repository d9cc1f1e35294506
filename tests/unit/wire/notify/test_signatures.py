import time
from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from support.notified import ATTEMPT_ID, SIGNED, asked, called, endpoint, found, sent
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.endpoints import Endpoint, Format, Secret
from tocsin.domain.errors import Invalid
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify import signatures

DAY_MS = 86_400_000
EVENTS = (asked(), found(), called(), called(request={"command": "é😀" * 9_999}))


def symmetric(text: str) -> Secret:
    return Secret(signatures.read_hmac(text), bytes(32), b"")


def now_ms() -> int:
    return int(time.time() * 1_000)  # a verifier has a clock of its own


def verified(request: Outgoing, secret: Secret) -> bool:
    """Whether a receiver that has the symmetric secret takes a request."""
    try:
        Webhook(signatures.hmac_text(secret)).verify(request.body, dict(request.headers))
    except WebhookVerificationError:
        return False
    return True


def proved(request: Outgoing, text: str) -> bool:
    """Whether a receiver that has the public key takes a request, by the letter of the spec."""
    headers = dict(request.headers)
    prefix, key = text[:5], b64decode(text[5:])
    assert prefix == "whpk_"
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    given = [each.split(",") for each in headers["webhook-signature"].split(" ")]
    for version, signature in given:
        if version == "v1a":
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(b64decode(signature), content)
            except Exception:  # noqa: S112
                continue
            return True
    return False


def test_the_symmetric_example_of_the_reference_implementation() -> None:
    secret = symmetric("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed, _ = signatures.signatures(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_asymmetric_example_of_the_reference_implementation() -> None:
    seed = b64decode("VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=")
    _, signed = signatures.signatures(
        Secret(bytes(24), seed, b""),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
    )
    assert signed == (
        "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
    )


@pytest.mark.parametrize("format", SIGNED)
@pytest.mark.parametrize("event", EVENTS)
def test_every_signed_delivery_is_verified_by_both_its_keys(
    format: Format, event: SealedEvent
) -> None:
    secret, other = signatures.new_secret(), signatures.new_secret()
    request = sent(endpoint(format, secrets=(secret,)), event, now_ms=now_ms())
    assert verified(request, secret)
    assert proved(request, signatures.public_text(secret))
    assert not verified(request, other)
    assert not proved(request, signatures.public_text(other))
    changed = Outgoing(request.url, request.headers, request.body + b" ")
    assert not verified(changed, secret)
    assert not proved(changed, signatures.public_text(secret))


@pytest.mark.parametrize("format", SIGNED)
def test_during_a_rotation_s_overlap_both_secrets_verify(format: Format) -> None:
    old, new, at_ms = signatures.new_secret(), signatures.new_secret(), now_ms()
    rotated = endpoint(format, secrets=(old,)).rotated(new, at_ms, at_ms + DAY_MS)
    request = sent(rotated, called(), now_ms=at_ms)
    header = dict(request.headers)["webhook-signature"]
    assert [each.partition(",")[0] for each in header.split(" ")] == ["v1", "v1a", "v1", "v1a"]
    for each in (old, new):
        assert verified(request, each)
        assert proved(request, signatures.public_text(each))


def test_after_the_overlap_the_old_secret_signs_no_longer() -> None:
    old, new, at_ms = signatures.new_secret(), signatures.new_secret(), now_ms()
    rotated = endpoint(secrets=(old,)).rotated(new, at_ms - DAY_MS, at_ms)
    request = sent(rotated, called(), now_ms=at_ms)
    assert verified(request, new)
    assert not verified(request, old)
    assert not proved(request, signatures.public_text(old))


@pytest.mark.parametrize("format", SIGNED)
def test_attempts_differ_in_their_time_and_not_in_their_id(format: Format) -> None:
    first = dict(sent(endpoint(format), called(), now_ms=1_000_999).headers)
    tenth = dict(sent(endpoint(format), called(), now_ms=1_060_000, attempt=10).headers)
    assert first["webhook-id"] == tenth["webhook-id"]
    assert "." not in first["webhook-id"]
    assert (first["webhook-timestamp"], tenth["webhook-timestamp"]) == ("1000", "1060")
    assert first["webhook-signature"] != tenth["webhook-signature"]
    assert (first["tocsin-attempt"], tenth["tocsin-attempt"]) == ("1", "10")


def test_an_endpoint_without_a_secret_is_sent_no_signature() -> None:
    headers = dict(sent(endpoint(secrets=()), called()).headers)
    assert "webhook-signature" not in headers
    assert {"webhook-id", "webhook-timestamp"} <= headers.keys()


def test_a_new_secret_is_random_and_whole() -> None:
    one, other = signatures.new_secret(), signatures.new_secret()
    assert (len(one.hmac), len(one.seed), len(one.public)) == (32, 32, 32)
    assert one != other
    assert signatures.public_text(one).startswith("whpk_")
    for secret in (one.hmac.hex(), one.seed.hex(), str(one.hmac), str(one.seed)):
        assert secret not in repr(one)
    assert ATTEMPT_ID not in repr(one)


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_that_somebody_brings_is_the_one_that_signs(key: bytes) -> None:
    text = "whsec_" + b64encode(key).decode()
    assert signatures.read_hmac(text) == key
    assert signatures.read_hmac(text.rstrip("=")) == key
    secret = signatures.new_secret(key)
    assert signatures.hmac_text(secret) == text
    assert Webhook(text)._whsecret == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=",
        "whsec_" + b64encode(bytes(23)).decode(),
        "whsec_" + b64encode(bytes(65)).decode(),
        "whsec_" + "A" * 1_000_000,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAB==",  # bits that say nothing, and are not 0
        "whsec_\u041cfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ],
)
def test_what_is_no_secret_is_refused_with_advice(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        signatures.read_hmac(text)
    assert "whsec_" in str(caught.value.details)
    assert text[6:40] not in str(caught.value.details) or len(text) < 8


def test_no_secret_is_in_what_is_printed_of_an_endpoint() -> None:
    of: Endpoint = endpoint(secrets=(signatures.new_secret(),))
    assert signatures.hmac_text(of.secrets[0])[6:] not in repr(of)
    assert "t0ken" not in repr(of)
