"""Signed notes, against the specification's examples and the tests of Go's reader."""

import subprocess
import sys
from base64 import b64decode
from hashlib import sha256

import pytest

from support.log_signers import LogSigner, log_signer
from tocsin.wire.log.faults import BadFormat, BadSignature, NotTrusted
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.notes import MAX_BYTES, MAX_SIGNATURES, Note, Signature, opened, signed

# https://c2sp.org/signed-note
POEM = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMc\
Xxj99ihAQwaqP3ZekRwNtIc=
"""

# golang.org/x/mod, sumdb/note/note_test.go
TEXT = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.
"""
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WW"
    "d1RvMc+QQ=\n"
)
PETER = Verifier.read("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
ENOCH = Verifier.read("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop")
PETER_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]


def note(*lines: str, text: str = TEXT) -> bytes:
    return "\n".join((text, "".join(lines))).encode()


def test_the_specification_s_example_is_read() -> None:
    poem = Note.read(POEM.encode())
    assert poem.text.startswith("Ognuno") and poem.text.endswith("\n\ned è subito sera.\n")
    (signature,) = poem.signatures
    assert (signature.name, len(signature.value)) == ("quasimodo.example/salvatore", 64)
    assert poem.data.decode() == POEM


def test_go_s_example_is_signed_alike() -> None:
    peter = log_signer("PeterNeumann", seed=PETER_SEED)
    assert peter.key == PETER
    assert signed(TEXT, [peter], at_s=0).data == note(PETER_LINE)


def test_a_note_says_which_of_the_keys_have_signed() -> None:
    both = note(PETER_LINE, ENOCH_LINE)
    for keys, names in (
        ([PETER], ["PeterNeumann"]),
        ([ENOCH, PETER, PETER], ["PeterNeumann", "EnochRoot"]),
    ):
        text, found = opened(both, keys)
        assert text == TEXT
        assert [each.key.name for each in found] == names
        assert [each.at_s for each in found] == [None] * len(names)


def test_nobody_s_note_is_not_opened() -> None:
    with pytest.raises(NotTrusted):
        opened(note(PETER_LINE, ENOCH_LINE), [])
    with pytest.raises(NotTrusted):
        opened(note(PETER_LINE), [ENOCH])


def test_a_signature_under_another_name_or_id_is_ignored() -> None:
    for other in (
        PETER_LINE.replace("PeterNeumann", "CarmenSandiego"),
        PETER_LINE.replace(" x08g", " xxxx"),
    ):
        assert other != PETER_LINE
        _, found = opened(note(other, ENOCH_LINE), [PETER, ENOCH])
        assert [each.key for each in found] == [ENOCH]


@pytest.mark.parametrize(
    "forged",
    [
        PETER_LINE[:60] + "ABCD" + PETER_LINE[60:],
        PETER_LINE.replace("ZJku", "ZJkv"),
        f"{Signature('PeterNeumann', PETER.id, Signature.read(ENOCH_LINE.rstrip()).value)}\n",
        f"{Signature('PeterNeumann', PETER.id, b'1')}\n",
    ],
)
def test_a_known_key_s_bad_signature_spoils_the_note(forged: str) -> None:
    for lines in ((forged,), (ENOCH_LINE, forged), (PETER_LINE, forged), (forged, PETER_LINE)):
        with pytest.raises(BadSignature, match=r"PeterNeumann\+c74f20a3"):
            opened(note(*lines), [PETER, ENOCH])


def test_another_text_has_another_signature() -> None:
    for text in (TEXT.replace("you", "You", 1), f"{TEXT}\n", f"\n{TEXT}", TEXT[1:]):
        with pytest.raises(BadSignature):
            opened(note(PETER_LINE, text=text), [PETER])


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT.encode(),
        note(),
        note(PETER_LINE.rstrip("\n")),
        note(PETER_LINE, text=f"\x01{TEXT}"),
        note(PETER_LINE, text=f"\t{TEXT}"),
        note(PETER_LINE).replace(b"\n", b"\r\n"),
        b"\xff" + note(PETER_LINE),
        b"\xed\xa0\x80" + note(PETER_LINE),
        b"\xc0\x8a" + note(PETER_LINE),
        note("— Bad Name x08go/ZJ\n"),
        note("— Bad\u00a0Name x08go/ZJkuBS\n"),
        note(PETER_LINE, "Unexpected line.\n"),
        note(PETER_LINE, PETER_LINE.replace("— ", "- ")),
        note(PETER_LINE.replace("— ", "—\u00a0")),
        note(PETER_LINE.replace("— ", "— — ")),
        note(PETER_LINE.replace("— ", "")),
        note("— PeterNeumann \n"),
        note("— PeterNeumann\n"),
        note("— PeterNeumann x08gow==\n"),  # an id, and no signature
        note(PETER_LINE.replace("=\n", "\n")),
        note(PETER_LINE.replace("AM=\n", "AN=\n")),  # the same bytes to a lenient reader
        note(PETER_LINE.replace(" x08", "  x08")),
        note(PETER_LINE.replace("=\n", "= \n")),
        note(PETER_LINE.replace("/ZJku", "_ZJku")),
        PETER_LINE.encode(),
    ],
)
def test_what_is_no_note_is_not_opened(bad: bytes) -> None:
    with pytest.raises(BadFormat):
        opened(bad, [PETER])


def test_a_note_is_bounded() -> None:
    most = note(PETER_LINE * MAX_SIGNATURES)
    assert len(opened(most, [PETER])[1]) == MAX_SIGNATURES
    for keys in ([PETER], []):
        with pytest.raises(BadFormat, match="100"):
            opened(note(PETER_LINE * (MAX_SIGNATURES + 1)), keys)
    room = MAX_BYTES - len(note(PETER_LINE, text="\n"))
    assert Note.read(note(PETER_LINE, text=f"{'a' * room}\n"))
    with pytest.raises(BadFormat, match="1,000,000"):
        Note.read(note(PETER_LINE, text=f"{'a' * (room + 1)}\n"))
    with pytest.raises(BadFormat, match="1,000,000"):
        signed(f"{'a' * MAX_BYTES}\n", [log_signer("a")], at_s=0)


def test_only_newlines_end_lines() -> None:
    author = log_signer("a")
    text = "one\u2028two\u0085three\x7f\u200b\n— not a signature\n\n"
    made = signed(text, [author], at_s=0)
    assert opened(made.data, [author.key])[0] == text


@pytest.mark.parametrize("text", ["", "no end", "a\r\n", "a\tb\n", "a\0\n", "\ud800\n"])
def test_what_can_be_no_note_is_not_signed(text: str) -> None:
    with pytest.raises(BadFormat):
        signed(text, [log_signer("a")], at_s=0)


def test_two_keys_of_one_name_and_id_are_refused() -> None:
    """An id has 32 bits: two keys that share one are soon found."""
    seen = dict[bytes, Verifier]()
    for number in range(1_000_000):
        key = Verifier("a", KeyType.ED25519, sha256(number.to_bytes(4)).digest())
        if (other := seen.setdefault(key.id, key)) != key:
            break
    assert other.id == key.id and other != key
    with pytest.raises(BadFormat, match="two keys"):
        opened(note(PETER_LINE), [PETER, other, key])


def test_lines_are_added_once() -> None:
    peter, enoch = (Note.read(note(line)).signatures for line in (PETER_LINE, ENOCH_LINE))
    added = Note.read(note(PETER_LINE)).adding([*enoch, *peter, *enoch])
    assert added.data == note(PETER_LINE, ENOCH_LINE)


# Cosignatures: https://c2sp.org/tlog-cosignature

SOFA = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
COSIGNED = f"""\
{SOFA}
— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gG\
zGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyi\
n1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
AT = 1_679_315_147

TIMED = pytest.mark.parametrize("type", [KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44])


def test_the_specification_s_cosignature_says_its_time() -> None:
    example = Note.read(COSIGNED.encode())
    assert example.data.decode() == COSIGNED
    _, cosignature = example.signatures
    witness = log_signer(cosignature.name, KeyType.ED25519_COSIGNATURE).key
    assert witness.time_of(cosignature.value) == AT


def test_the_specification_s_messages_are_signed() -> None:
    witness = log_signer("witness.example.com/w1", KeyType.ED25519_COSIGNATURE).key
    assert witness.message(SOFA, AT) == f"cosignature/v1\ntime {AT}\n{SOFA}".encode()
    root = b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert log_signer("w", KeyType.ML_DSA_44).key.message(SOFA, AT) == (
        b"subtree/v1\n\x00\x01w\x00\x00\x00\x00\x64\x18\x50\xcb\x1bexample.com/behind-the-sofa"
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x3e\x2d\xc3" + root
    )


@TIMED
def test_a_cosignature_is_verified_with_its_time(type: KeyType) -> None:
    log, witness = log_signer("example.com/behind-the-sofa"), log_signer("w", type)
    made = signed(SOFA, [log, witness], AT)
    _, found = opened(made.data, [log.key, witness.key])
    assert [(each.key, each.at_s) for each in found] == [(log.key, None), (witness.key, AT)]
    line = made.signatures[1]
    for other in (
        (AT + 1).to_bytes(8) + line.value[8:],
        line.value[8:],
        line.value[:8],
        line.value + b"\0",
    ):
        forged = Note(SOFA, (Signature(line.name, line.key_id, other),))
        with pytest.raises(BadSignature):
            opened(forged.data, [witness.key])


@TIMED
@pytest.mark.parametrize(
    "text",
    [
        SOFA.replace("sofa", "sofb"),
        SOFA.replace("20852163", "20852164"),
        SOFA.replace("CsUY", "CsUZ"),
    ],
)
def test_a_cosignature_is_of_one_checkpoint(type: KeyType, text: str) -> None:
    witness = log_signer("w", type)
    with pytest.raises(BadSignature):
        opened(Note(text, signed(SOFA, [witness], AT).signatures).data, [witness.key])


def test_extensions_are_cosigned_with_ed25519_alone() -> None:
    extended = f"{SOFA}more\n"
    classic = log_signer("w", KeyType.ED25519_COSIGNATURE)
    with pytest.raises(BadSignature):
        opened(Note(extended, signed(SOFA, [classic], AT).signatures).data, [classic.key])
    quantum = log_signer("w", KeyType.ML_DSA_44)
    assert opened(Note(extended, signed(SOFA, [quantum], AT).signatures).data, [quantum.key])


@TIMED
def test_only_checkpoints_are_cosigned(type: KeyType) -> None:
    witness = log_signer("w", type)
    with pytest.raises(BadFormat):
        signed(TEXT, [witness], AT)
    forged = witness.sign(f"cosignature/v1\ntime {AT}\n{TEXT}".encode())
    line = Signature("w", witness.key.id, AT.to_bytes(8) + forged)
    with pytest.raises(BadSignature):
        opened(Note(TEXT, (line,)).data, [witness.key])


def test_a_time_is_at_most_what_the_specification_says() -> None:
    witness = log_signer("w", KeyType.ED25519_COSIGNATURE)
    for at_s, genuine in ((2**63 - 1, True), (2**63, False)):
        value = witness.sign(f"cosignature/v1\ntime {at_s}\n{SOFA}".encode())
        line = Signature("w", witness.key.id, at_s.to_bytes(8) + value)
        assert witness.key.verify(SOFA.encode(), line.value) is genuine
    with pytest.raises(BadFormat):
        signed(SOFA, [witness], at_s=2**63)


def test_a_log_s_signature_is_no_witness_s() -> None:
    """The same private key: what it signed as a log does not say that it looked as a witness."""
    log = log_signer("a")
    witness = log_signer("a", KeyType.ED25519_COSIGNATURE)
    plain = signed(SOFA, [log], AT).signatures[0]
    line = Signature("a", witness.key.id, AT.to_bytes(8) + plain.value)
    with pytest.raises(BadSignature):
        opened(Note(SOFA, (line,)).data, [witness.key])


def test_a_type_that_is_not_installed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    log, quantum = log_signer("a"), log_signer("a", KeyType.ML_DSA_44)
    made = signed(SOFA, [log, quantum], AT).data
    keys = [log.key, quantum.key]
    assert [each.key for each in opened(made, keys)[1]] == keys
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    assert [each.key for each in opened(made, keys)[1]] == [log.key]
    with pytest.raises(NotTrusted):
        opened(made, [quantum.key])


def test_whoever_verifies_nothing_needs_no_cryptography() -> None:
    program = "import tocsin.wire.log.proofs, sys; sys.exit('cryptography' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603


def test_a_signer_that_signs_with_another_key_makes_no_note_of_its_own() -> None:
    mixed = LogSigner(log_signer("a").key, log_signer("b").sign)
    with pytest.raises(BadSignature):
        opened(signed(SOFA, [mixed], AT).data, [mixed.key])
