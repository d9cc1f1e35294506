"""Each piece of evidence is written in one way: what is read at all is written as it was read.

Otherwise whoever keeps or serves evidence could change it where nobody notices.
"""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.log_signers import log_signer
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.notes import Note, signed
from tocsin.wire.log.proofs import Proof
from tocsin.wire.log.tiles import Tile, read_bundle, write_bundle

type Again = Callable[[bytes], bytes]
"""Reads, and writes what it has read."""

LOG = log_signer("example.com/log")
WITNESS = log_signer("w", KeyType.ED25519_COSIGNATURE)
TEXT = Checkpoint(LOG.key.name, 12, bytes(range(32)), ("more",)).text
NOTE = signed(TEXT, [LOG, WITNESS], at_s=1).data


def text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadFormat("no text") from error


FORMATS: dict[str, tuple[bytes, Again]] = {
    "key": (str(LOG.key).encode(), lambda data: str(Verifier.read(text(data))).encode()),
    "checkpoint": (TEXT.encode(), lambda data: Checkpoint.read(text(data)).text.encode()),
    "tile": (b"tile/0/x001/x234/067.p/12", lambda data: Tile.read(text(data)).path.encode()),
    "bundle": (write_bundle([b"a", b"bc"]), lambda data: write_bundle(read_bundle(data))),
    "note": (NOTE, lambda data: Note.read(data).data),
    "proof": (Proof(10, (bytes(32),), NOTE, b"ab").data, lambda data: Proof.read(data).data),
}
PIECES = st.sampled_from(
    [
        *(b"", b"\n", b"\n\n", b" ", b"=", b"==", b"+", b"-", b"0", b"00", b"\r", b"\0", b"\xff"),
        *(b"AA==", b"index 0\n", b"extra YQ==\n", "— ".encode(), "\u0085".encode()),
        "\u2028".encode(),
    ]
)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=300)
@given(data=st.data())
def test_what_is_read_is_written_as_it_was(name: str, data: st.DataObject) -> None:
    whole, again = FORMATS[name]
    assert again(whole) == whole
    changed = whole
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(changed)))
        end = data.draw(st.integers(start, min(len(changed), start + 8)))
        piece = data.draw(PIECES | st.binary(max_size=2) | st.just(changed[start:end] * 2))
        changed = changed[:start] + piece + changed[end:]
    try:
        written = again(changed)
    except BadFormat:
        return
    assert written == changed
