"""Our evidence as Go's own packages check it, and theirs as we do.

``golang.org/x/mod/sumdb/note`` and ``tlog`` come with the Go toolchain, whose ``go`` command uses
them for its checksum database: nobody who wrote them has heard of Tocsin.
"""

import json
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.log_signers import LogSigner, log_signer
from support.programs import go_binary
from tocsin.domain import chain
from tocsin.domain.merkle import BadProof, Peaks, check_inclusion, consistency, inclusion
from tocsin.wire.log import proofs
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadEvidence
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.notes import Note, opened, signed
from tocsin.wire.log.policies import Policy
from tocsin.wire.log.proofs import Proof
from tocsin.wire.log.tiles import Tile

type Ask = Callable[..., dict[str, Any]]

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests/support/log_check/main.go"
MODULE = """\
module logcheck

go 1.27

require golang.org/x/mod v0.0.0
"""
VENDORED = """\
# golang.org/x/mod v0.0.0
## explicit; go 1.25
golang.org/x/mod/sumdb/note
golang.org/x/mod/sumdb/tlog
"""

PIECES = (b"\n", b"\n\n", b" ", b"+", b"=", b"\xc2\x85", b"\xe2\x80\x94 ", b"\r\n")

ORIGIN = "tocsin/7c1f0a52d0e8b936/acme"
LOG = log_signer(ORIGIN)
WITNESS = log_signer("witness.example/w", KeyType.ED25519_COSIGNATURE)
QUANTUM = log_signer(ORIGIN, KeyType.ML_DSA_44)
AT = 1_774_000_000

MOST = 40
ENTRIES = [b'{"n":%d}' % number for number in range(MOST)]
LEAVES = [chain.leaf(entry) for entry in ENTRIES]
TREES = [Peaks().grown(LEAVES[:size])[0] for size in range(MOST + 1)]
INNER = {(height, number): digest for height, number, digest in Peaks().grown(LEAVES)[1]}


def hash_of(height: int, number: int) -> bytes:
    return INNER[height, number] if height else LEAVES[number]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Ask the program. One process answers all the questions of this module."""
    folder = tmp_path_factory.mktemp("log_check")
    (come_with,) = ROOT.glob(".venv-go/lib/python*/site-packages/go/src/cmd/vendor")
    for package in ("note", "tlog"):
        path = f"golang.org/x/mod/sumdb/{package}"
        shutil.copytree(come_with / path, folder / "vendor" / path)
    (folder / "vendor" / "modules.txt").write_text(VENDORED)
    (folder / "go.mod").write_text(MODULE)
    program = go_binary(Path(shutil.copy(PROGRAM, folder)))
    with subprocess.Popen(  # noqa: S603
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def ask(do: str, **question: object) -> dict[str, Any]:
            assert process.stdin and process.stdout
            print(json.dumps({"do": do, **question}, default=encoded), file=process.stdin)
            process.stdin.flush()
            said: dict[str, Any] = json.loads(process.stdout.readline())
            return said

        yield ask


def encoded(data: object) -> str:
    assert isinstance(data, bytes)
    return b64encode(data).decode()


def checkpoint(size: int) -> str:
    return Checkpoint(ORIGIN, size, TREES[size].root).text


def test_go_opens_our_checkpoints(go: Ask) -> None:
    for size in (0, 1, MOST):
        signers = [LOG, WITNESS, QUANTUM]
        note = signed(checkpoint(size), signers, AT).data
        for keys in ([LOG.key], [each.key for each in signers]):
            said = go("open", note=note, keys=[str(key) for key in keys])
            assert said == {
                "Text": encoded(checkpoint(size).encode()),
                "Names": [key.name for key in keys],
            }


@pytest.mark.parametrize("signer", [LOG, WITNESS, QUANTUM])
def test_go_refuses_what_was_changed(go: Ask, signer: LogSigner) -> None:
    note = signed(checkpoint(3), [signer], AT).data
    assert "Error" not in go("open", note=note, keys=[str(signer.key)])
    for other in (note.replace(b"\n3\n", b"\n4\n"), note.replace(b"acme\n", b"acmf\n", 1)):
        assert other != note
        said = go("open", note=other, keys=[str(signer.key)])
        assert said["Error"].startswith("invalid signature")


def test_we_open_go_s_notes(go: Ask) -> None:
    text = checkpoint(5)
    said = go("sign", note=text.encode(), name=ORIGIN)
    note, key = b64decode(said["Note"]), Verifier.read(said["Key"])
    assert opened(note, [key])[0] == text
    assert Note.read(note).data == note
    trusted = Policy.read(said["Key"].encode()).check(note)
    assert trusted.checkpoint == Checkpoint.read(text)


@settings(max_examples=300)
@given(st.integers(0, 600), st.integers(0, 3), st.binary(max_size=3) | st.sampled_from(PIECES))
def test_go_opens_whatever_we_open(go: Ask, start: int, length: int, piece: bytes) -> None:
    """Of notes that somebody spoiled; and says the same of them. The second signer is unknown."""
    note = signed(f"{checkpoint(7)}more\n", [LOG, WITNESS], AT).data
    note = note[:start] + piece + note[start + length :]
    try:
        text, found = opened(note, [LOG.key])
    except BadEvidence:
        return
    said = go("open", note=note, keys=[str(LOG.key)])
    assert said == {"Text": encoded(text.encode()), "Names": [each.key.name for each in found]}


def test_go_finds_every_leaf_where_we_say(go: Ask) -> None:
    for size in (1, 2, 3, 7, 8, 33, MOST):
        for index in range(size):
            proof = {"hashes": inclusion(index, size, hash_of), "size": size, "index": index}
            asked = {**proof, "root": TREES[size].root, "leaf": LEAVES[index]}
            assert go("included", **asked) == {}
            assert "Error" in go("included", **asked | {"leaf": LEAVES[index - 1][::-1]})
            assert "Error" in go("included", **asked | {"root": TREES[size - 1].root})


def test_go_finds_trees_consistent_where_we_say(go: Ask) -> None:
    for new in (1, 2, 3, 8, 13, MOST):
        for old in range(1, new + 1):
            asked = {
                "hashes": consistency(old, new, hash_of),
                "size": new,
                "root": TREES[new].root,
                "old": old,
                "oldroot": TREES[old].root,
            }
            assert go("consistent", **asked) == {}
            assert "Error" in go("consistent", **asked | {"oldroot": TREES[old - 1].root})


def test_go_s_proofs_are_proofs_of_ours(go: Ask) -> None:
    policy = Policy.read(str(LOG.key).encode())
    for size in (1, 6, MOST):
        for index in {0, size // 2, size - 1}:
            said = go("include", leaves=LEAVES, size=size, index=index)
            assert b64decode(said["Root"]) == TREES[size].root
            hashes = tuple(b64decode(each) for each in said.get("Hashes", ()))
            proof = Proof(index, hashes, signed(checkpoint(size), [LOG], AT).data)
            assert proofs.verify(Proof.read(proof.data), LEAVES[index], policy)
            with pytest.raises(BadProof):
                check_inclusion(LEAVES[index], index, size, hashes, TREES[size - 1].root)


@given(
    st.integers(0, 63) | st.none(),
    st.integers(0, 2**55 - 1) | st.integers(0, 2_000_000),
    st.integers(1, 256),
)
def test_go_s_tiles_are_at_our_paths(go: Ask, level: int | None, index: int, width: int) -> None:
    """But for a tile's height, which Go's have, and `data`, where C2SP's have `entries`."""
    index >>= 8 * (level or 0)
    said = go("path", level=-1 if level is None else level, index=index, width=width)
    path = said["Path"].replace("tile/8/", "tile/", 1).replace("/data/", "/entries/", 1)
    assert Tile(level, index, width).path == path
    assert Tile.read(path) == Tile(level, index, width)
