"""Verifier keys, as others have published theirs."""

from base64 import b64encode

import pytest

from support.log_signers import log_signer
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.keys import KeyType, Verifier

# Go's tests (golang.org/x/mod, sumdb/note/note_test.go), Go's checksum database, LVFS, and a
# witness' key of the tests of https://github.com/transparency-dev/formats (note).
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED = {
    PETER: KeyType.ED25519,
    "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop": KeyType.ED25519,
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8": KeyType.ED25519,
    "lvfs+7908d142+ASnlGgOh+634tcE/2Lp3wV7k/cLoU6ncawmb/BLC1oMU": KeyType.ED25519,
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2": (
        KeyType.ED25519_COSIGNATURE
    ),
}


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_keys_are_read_and_written_as_they_are(text: str) -> None:
    key = Verifier.read(text)
    assert key.type is PUBLISHED[text]
    assert (key.name, key.id.hex()) == tuple(text.split("+", 2)[:2])
    assert str(key) == text


def test_no_part_of_a_key_is_a_key() -> None:
    ends = range(len(PETER) + 1)
    parts = {PETER[start:end] for start in ends for end in ends} - {PETER}
    for part in parts:
        with pytest.raises(BadFormat):
            Verifier.read(part)


def test_no_character_of_a_key_can_be_another() -> None:
    for place, character in enumerate(PETER):
        for other in (chr(ord(character) + 1), character.swapcase(), "é", ""):
            if other != character:
                with pytest.raises(BadFormat):
                    Verifier.read(PETER[:place] + other + PETER[place + 1 :])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        # Both with ids that are right, of Go's tests.
        (
            "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
            "a verifier key is not in base64",
        ),
        (
            "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "unknown type 0x65",
        ),
        (f"a+00000000+{b64encode(b'\x02' + bytes(91)).decode()}", "unknown type 0x02"),
        (f"a+00000000+{b64encode(b'\x01' + bytes(31)).decode()}", "32 bytes and not 31"),
        (f"a+00000000+{b64encode(b'\x06' + bytes(32)).decode()}", "1312 bytes and not 32"),
        (f"a+00000000+{b64encode(b'\x01' + bytes(32)).decode()}", "the id of this verifier key"),
        ("a+00000000+", "with + between"),
        (f"{PETER}\n", "with + between"),
    ],
)
def test_what_is_no_key_is_told_why(text: str, why: str) -> None:
    with pytest.raises(BadFormat, match=why.replace("+", r"\+")):
        Verifier.read(text)


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\u0085", "\u00a0", "\u2028", "\u3000"])
def test_a_name_has_no_spaces_of_unicode(space: str) -> None:
    with pytest.raises(BadFormat, match="without spaces"):
        Verifier(f"a{space}b", KeyType.ED25519, bytes(32))


@pytest.mark.parametrize("name", ["", "a+b", "\x1f", "\ud800"])
def test_nor_what_could_not_be_read_again(name: str) -> None:
    with pytest.raises(BadFormat, match="a key's name"):
        Verifier(name, KeyType.ED25519, bytes(32))


def test_a_post_quantum_key_has_a_name_that_it_can_sign() -> None:
    signer = log_signer("é" * 127, KeyType.ML_DSA_44)
    assert Verifier.read(str(signer.key)) == signer.key
    with pytest.raises(BadFormat, match="at most 255 bytes"):
        Verifier("é" * 128, KeyType.ML_DSA_44, signer.key.public)


def test_the_same_key_of_another_type_has_another_id() -> None:
    log = log_signer("a", KeyType.ED25519).key
    witness = log_signer("a", KeyType.ED25519_COSIGNATURE).key
    assert log.public == witness.public
    assert log.id != witness.id
