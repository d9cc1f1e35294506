"""A signing key in AWS KMS, which never leaves it.

Its spec is ``ECC_NIST_EDWARDS25519`` or ``ML_DSA_44``, and it signs whole messages: RFC 8032's
Ed25519 (``ED25519_SHA_512``), FIPS 204's ML-DSA (``ML_DSA_SHAKE_256``), not the prehashed variants.
https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast, override

from tocsin.adapters._aws import busy, session, soon
from tocsin.ports.evidence import Signer

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_kms.literals import SigningAlgorithmSpecType

__all__ = ["MAX_MESSAGE_BYTES", "KmsSigner", "client"]

MAX_MESSAGE_BYTES: Final = 4_096
"""https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html"""

# SubjectPublicKeyInfos up to the key itself (RFC 8410, section 4; RFC 9881, section 4), the key's
# bytes, and how it signs.
_KINDS: "Final[Sequence[tuple[bytes, int, SigningAlgorithmSpecType]]]" = (
    (bytes.fromhex("302a300506032b6570032100"), 32, "ED25519_SHA_512"),
    (bytes.fromhex("30820532300b06096086480165030403110382052100"), 1_312, "ML_DSA_SHAKE_256"),
)
_TRANSIENT: Final = frozenset(
    {
        "AccessDeniedException",
        "DependencyTimeoutException",
        "DisabledException",
        "KeyUnavailableException",
        "KMSInvalidStateException",
        "NotFoundException",
        "ThrottlingException",
        "UnrecognizedClientException",
    }
)


def client() -> "KMSClient":
    """Return a client that gives up within a few seconds, like that of DynamoDB."""
    return cast("KMSClient", session().create_client("kms", config=soon()))


class KmsSigner(Signer):
    """:class:`~tocsin.ports.evidence.Signer` on a key of KMS."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        """Use a key by its id, ARN or alias."""
        self._client = client
        self._key_id = key_id

    @property
    @override
    def public_key(self) -> bytes:
        return self._kind[0]

    @override
    def sign(self, message: bytes) -> bytes:
        algorithm = self._kind[1]
        with _calls():
            answer = self._client.sign(
                KeyId=self._key_id,
                Message=message,
                MessageType="RAW",
                SigningAlgorithm=algorithm,
            )
        return answer["Signature"]

    @cached_property
    def _kind(self) -> "tuple[bytes, SigningAlgorithmSpecType]":
        """The public key, and how it signs."""
        with _calls():
            encoded = self._client.get_public_key(KeyId=self._key_id)["PublicKey"]
        for beginning, count, algorithm in _KINDS:
            if encoded.startswith(beginning) and len(encoded) == len(beginning) + count:
                return encoded.removeprefix(beginning), algorithm
        raise ValueError(
            f"{self._key_id} is no key for checkpoints: its spec is ECC_NIST_EDWARDS25519, or"
            " ML_DSA_44"
        )


def _calls() -> AbstractContextManager[None]:
    """Turn what may be otherwise a minute later into Busy."""
    refused = "the signing key can't be used ({code})"
    return busy(refused, "the signing key is out of reach", _TRANSIENT)
