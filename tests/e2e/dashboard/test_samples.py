"""What the page's own tests verify is what Tocsin signs: ``dashboard/tests/signed.json``."""

import json
from collections.abc import Sequence
from pathlib import Path

from support.log_signers import LogSigner, log_signer
from tocsin.domain import chain
from tocsin.domain.merkle import Peaks, inclusion
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.keys import KeyType
from tocsin.wire.log.notes import signed
from tocsin.wire.log.proofs import Proof

SAMPLES = Path(__file__).parents[3] / "dashboard" / "tests"
NAME = "tocsin/7c1f0a52d0e8b936/acme"
AT_S = 1_764_320_400
SEED = bytes(range(32))


def test_the_samples_are_what_is_signed_of_the_chain_s() -> None:
    lines = (SAMPLES / "chain.jsonl").read_bytes().splitlines()
    entries = [line.partition(b',"event":')[2].removesuffix(b"}") for line in lines]
    leaves = [
        chain.leaf(entry) if entry else bytes.fromhex(json.loads(line)["leaf"])
        for entry, line in zip(entries, lines, strict=True)
    ]
    plain = log_signer(NAME, KeyType.ED25519, SEED)
    timed = log_signer(NAME, KeyType.ED25519_COSIGNATURE, SEED)
    stranger = log_signer(NAME, KeyType.ED25519, bytes(32))

    def note(size: int, signers: Sequence[LogSigner]) -> bytes:
        root = Peaks().grown(leaves[:size])[0].root
        return signed(Checkpoint(NAME, size, root).text, signers, AT_S).data

    nodes = {node[:2]: node.hash for node in Peaks().grown(leaves)[1]}
    last = len(leaves) - 1
    hashes = inclusion(last, len(leaves), lambda height, at: nodes.get((height, at)) or leaves[at])
    proof = Proof(last, tuple(hashes), note(len(leaves), (plain, timed)), entries[last])
    assert json.loads((SAMPLES / "signed.json").read_text()) == {
        "key": str(plain.key),
        "timed": str(timed.key),
        "stranger": str(stranger.key),
        "mlDsa": str(log_signer(NAME, KeyType.ML_DSA_44, SEED).key),
        "notes": {str(size): note(size, (plain, timed)).decode() for size in (3, 4, 5)},
        "plain": note(5, (plain,)).decode(),
        "byStranger": note(5, (stranger,)).decode(),
        "proof": proof.data.decode(),
    }
