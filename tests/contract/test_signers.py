"""Keys that sign checkpoints: in a file, and in a KMS."""

import stat
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.databases import Database
from tocsin.adapters.key_file import KeyFile
from tocsin.adapters.kms import MAX_MESSAGE_BYTES, KmsSigner
from tocsin.domain.errors import Busy
from tocsin.ports.evidence import Signer

type Opens = Callable[[], Signer]


@pytest.fixture(params=["kms", "file"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Return what opens the same key each time."""
    if request.param == "file":
        return lambda: KeyFile(tmp_path / "home" / "signing-key")
    database: Database = request.getfixturevalue("database")
    client = database.server.kms()
    made = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_EDWARDS25519")
    key_id = made["KeyMetadata"]["KeyId"]
    return lambda: KmsSigner(client, key_id)


@pytest.mark.parametrize("message", [b"\0", b"a checkpoint\n", bytes(MAX_MESSAGE_BYTES)], ids=len)
def test_its_signatures_are_ed25519(opens: Opens, message: bytes) -> None:
    signature = opens().sign(message)
    key = opens().public_key
    assert (len(key), len(signature)) == (32, 64)
    Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message + b"x")


def test_a_file_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "home" / "signing-key"
    with ThreadPoolExecutor(8) as pool:
        keys = {*pool.map(lambda _: KeyFile(path).public_key, range(8))}
    assert len(keys) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["signing-key"]


@pytest.mark.parametrize("content", [b"", b"no base64!", b64encode(bytes(31)), bytes(32)])
def test_what_is_no_key_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "signing-key"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"signing key|base64|characters|padding"):
        KeyFile(path).sign(b"")
    assert path.read_bytes() == content


class Kms:
    """Of KMS what MiniStack has not: a key of ML-DSA-44, by the words of the SDK's own model."""

    def __init__(self) -> None:
        self._key = MLDSA44PrivateKey.generate()
        self._model = get_session().get_service_model("kms")

    def get_public_key(self, **given: Any) -> dict[str, Any]:
        self._check("GetPublicKey", given)
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"PublicKey": self._key.public_key().public_bytes(*form)}

    def sign(self, **given: Any) -> dict[str, Any]:
        self._check("Sign", given)
        assert (given["SigningAlgorithm"], given["MessageType"]) == ("ML_DSA_SHAKE_256", "RAW")
        return {"Signature": self._key.sign(given["Message"])}

    def _check(self, operation: str, given: dict[str, Any]) -> None:
        shape: Any = self._model.operation_model(operation).input_shape
        assert not ParamValidator().validate(given, shape).has_errors()
        for name, value in given.items():
            assert value in (getattr(shape.members[name], "enum", None) or [value])


@pytest.mark.parametrize("where", ["kms", "file"])
def test_there_are_keys_of_ml_dsa_44(tmp_path: Path, where: str) -> None:
    kms: Any = Kms()

    def opens() -> Signer:
        return KmsSigner(kms, "k") if where == "kms" else KeyFile(tmp_path / "key.ml-dsa-44")

    for message in (b"\0", bytes(MAX_MESSAGE_BYTES)):
        signature, key = opens().sign(message), opens().public_key
        assert (len(key), len(signature)) == (1_312, 2_420)
        MLDSA44PublicKey.from_public_bytes(key).verify(signature, message)
        with pytest.raises(InvalidSignature):
            MLDSA44PublicKey.from_public_bytes(key).verify(signature, message + b"x")


def test_a_key_of_another_kind_is_refused(database: Database) -> None:
    client = database.server.kms()
    made = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
    with pytest.raises(ValueError, match="ECC_NIST_EDWARDS25519, or ML_DSA_44"):
        _ = KmsSigner(client, made["KeyMetadata"]["KeyId"]).public_key


def test_a_key_that_is_gone_is_asked_again_later(database: Database) -> None:
    signer = KmsSigner(database.server.kms(), "00000000-0000-0000-0000-000000000000")
    with pytest.raises(Busy):
        _ = signer.public_key
    with pytest.raises(Busy):
        signer.sign(b"a")
