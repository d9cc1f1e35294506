"""A signing key in AWS KMS, which never leaves it.

Its spec is ``ECC_NIST_EDWARDS25519``, and it signs whole messages (``ED25519_SHA_512``: RFC 8032's
Ed25519, not the prehashed variant).
https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html
"""

from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast, override

from botocore.session import get_session

from tocsin.adapters._aws import busy, soon
from tocsin.ports.evidence import Signer

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

__all__ = ["MAX_MESSAGE_BYTES", "KmsSigner", "client"]

MAX_MESSAGE_BYTES: Final = 4_096
"""https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html"""

# A SubjectPublicKeyInfo of Ed25519 up to the key itself (RFC 8410, section 4).
_SPKI: Final = bytes.fromhex("302a300506032b6570032100")
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
    return cast("KMSClient", get_session().create_client("kms", config=soon()))


class KmsSigner(Signer):
    """:class:`~tocsin.ports.evidence.Signer` on a key of KMS."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        """Use a key by its id, ARN or alias."""
        self._client = client
        self._key_id = key_id

    @override
    @cached_property
    def public_key(self) -> bytes:
        with _calls():
            encoded = self._client.get_public_key(KeyId=self._key_id)["PublicKey"]
        if not encoded.startswith(_SPKI) or len(encoded) != len(_SPKI) + 32:
            raise ValueError(f"{self._key_id} is no Ed25519 key: its spec is ECC_NIST_EDWARDS25519")
        return encoded.removeprefix(_SPKI)

    @override
    def sign(self, message: bytes) -> bytes:
        with _calls():
            answer = self._client.sign(
                KeyId=self._key_id,
                Message=message,
                MessageType="RAW",
                SigningAlgorithm="ED25519_SHA_512",
            )
        return answer["Signature"]


def _calls() -> AbstractContextManager[None]:
    """Turn what may be otherwise a minute later into Busy."""
    refused = "the signing key can't be used ({code})"
    return busy(refused, "the signing key is out of reach", _TRANSIENT)
