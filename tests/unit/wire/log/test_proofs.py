"""Proofs, as https://c2sp.org/tlog-proof has them."""

from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256

import pytest

from support.log_signers import log_signer
from tocsin.domain import chain
from tocsin.domain.limits import MAX_ORG_CHARS
from tocsin.domain.merkle import BadProof, Peaks, inclusion
from tocsin.wire.log import proofs
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadFormat, BadSignature, NotTrusted
from tocsin.wire.log.hashes import MAX_HASHES
from tocsin.wire.log.notes import MAX_BYTES, signed
from tocsin.wire.log.policies import Policy
from tocsin.wire.log.proofs import MAX_EXTRA_BYTES, Proof

# The specification's example, without what it leaves out of the signatures; its `extra` is cut.
EXAMPLE = """\
c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

— example.com/fancylog hI2DJw==
"""
HASH = b64encode(bytes(32)).decode()
FIRST = "c2sp.org/tlog-proof@v1"

LOG = log_signer("example.com/log")
POLICY = Policy.read(str(LOG.key).encode())
ENTRIES = [b"entry %d" % number for number in range(11)]
LEAVES = [chain.leaf(entry) for entry in ENTRIES]


def proof_of(index: int, origin: str = LOG.key.name) -> Proof:
    tree, nodes = Peaks().grown(LEAVES)
    by_place = {(height, number): digest for height, number, digest in nodes}
    hashes = inclusion(
        index, tree.size, lambda height, at: by_place[height, at] if height else LEAVES[at]
    )
    text = Checkpoint(origin, tree.size, tree.root).text
    return Proof(index, tuple(hashes), signed(text, [LOG], at_s=0).data)


def test_the_specification_s_example_is_read_and_written() -> None:
    proof = Proof.read(EXAMPLE.encode())
    assert proof.index == 73_894
    assert proof.extra == b"age-v1.2.1-darwin-arm64.tar.gz"
    assert len(proof.hashes) == 5
    assert proof.hashes[0] == b64decode("gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=")
    assert proof.checkpoint.startswith(b"example.com/fancylog\n109482\n")
    assert proof.data.decode() == EXAMPLE


@pytest.mark.parametrize(
    ("proof", "data"),
    [
        # The tests of https://github.com/transparency-dev/formats (proof).
        (
            Proof(5, (sha256(b"hash1").digest(), sha256(b"hash2").digest()), b"test checkpoint\n"),
            f"{FIRST}\nindex 5\n{b64encode(sha256(b'hash1').digest()).decode()}\n"
            f"{b64encode(sha256(b'hash2').digest()).decode()}\n\ntest checkpoint\n",
        ),
        (
            Proof(10, (), b"checkpoint data\n", b"extra information"),
            f"{FIRST}\nextra {b64encode(b'extra information').decode()}\nindex 10\n\n"
            "checkpoint data\n",
        ),
        (Proof(0, (), b"checkpoint\n"), f"{FIRST}\nindex 0\n\ncheckpoint\n"),
    ],
)
def test_others_proofs_are_written_and_read(proof: Proof, data: str) -> None:
    assert proof.data.decode() == data
    assert Proof.read(data.encode()) == proof


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "wrong-header\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\ncheckpoint\n",
        f"\ufeff{FIRST}\nindex 0\n\ncheckpoint\n",
        f"{FIRST}\n\ncheckpoint\n",
        f"{FIRST}\n\n\ncheckpoint\n",
        f"{FIRST}\nindex 0\ncheckpoint\n",
        f"{FIRST}\nextra !!notbase64!!\nindex 0\n\ncheckpoint\n",
        f"{FIRST}\nextra \nindex 0\n\ncheckpoint\n",
        f"{FIRST}\nextra YQ==\nextra YQ==\nindex 0\n\ncheckpoint\n",
        f"{FIRST}\nindex 0\nextra YQ==\n\ncheckpoint\n",
        f"{FIRST}\nextra YQ==\n\ncheckpoint\n",
        f"{FIRST}\nextra YR==\nindex 0\n\ncheckpoint\n",
        f"{FIRST}\nindex notanumber\n\ncheckpoint\n",
        f"{FIRST}\nindex -5\n\ncheckpoint\n",
        f"{FIRST}\nindex 05\n\ncheckpoint\n",
        f"{FIRST}\nindex  5\n\ncheckpoint\n",
        f"{FIRST}\nindex 5 \n\ncheckpoint\n",
        f"{FIRST}\nindex {2**63}\n\ncheckpoint\n",
        f"{FIRST}\nindex 0\nindex 0\n\ncheckpoint\n",
        f"{FIRST}\nindex 0\n!!notbase64!!\n\ncheckpoint\n",
        f"{FIRST}\nindex 0\n{HASH} \n\ncheckpoint\n",
        f"{FIRST}\nindex 0\n{b64encode(bytes(64)).decode()}\n\ncheckpoint\n",
        f"{FIRST}\nindex 0\n{b64encode(bytes(31)).decode()}\n\ncheckpoint\n",
        f"{FIRST}\nindex 0\né{HASH}\n\ncheckpoint\n",
        f"{FIRST}\r\nindex 0\r\n\r\ncheckpoint\r\n",
        f"{FIRST}\nindex 0\n{f'{HASH}\n' * (MAX_HASHES + 1)}\ncheckpoint\n",
    ],
)
def test_what_is_no_proof_is_not_read(text: str) -> None:
    with pytest.raises(BadFormat):
        Proof.read(text.encode())


def test_a_proof_is_bounded() -> None:
    largest = Proof(
        2**63 - 1, (bytes(32),) * MAX_HASHES, bytes(MAX_BYTES), b"\xff" * MAX_EXTRA_BYTES
    )
    assert Proof.read(largest.data) == largest
    with pytest.raises(BadFormat, match="at most"):
        Proof.read(largest.data + bytes(MAX_EXTRA_BYTES))
    for wrong in (
        {"extra": largest.extra + b"\0"},
        {"hashes": (bytes(32),) * (MAX_HASHES + 1)},
        {"hashes": (bytes(31),)},
        {"index": 2**63},
        {"index": -1},
    ):
        with pytest.raises(BadFormat):
            replace(largest, **wrong)


@pytest.mark.parametrize("index", range(len(ENTRIES)))
def test_a_proof_proves_its_leaf_and_no_other(index: int) -> None:
    proof = Proof.read(proof_of(index).data)
    trusted = proofs.verify(proof, LEAVES[index], POLICY)
    assert (trusted.checkpoint.size, trusted.logs[0].key) == (len(ENTRIES), LOG.key)
    for other, leaf in enumerate(LEAVES):
        if other != index:
            with pytest.raises(BadProof):
                proofs.verify(proof, leaf, POLICY)
            with pytest.raises(BadProof):
                proofs.verify(replace(proof, index=other), LEAVES[index], POLICY)


def test_a_proof_out_of_a_billion_events_has_two_kilobytes() -> None:
    size = 10**9
    log = log_signer(f"tocsin/{'0' * 16}/{'o' * MAX_ORG_CHARS}")
    hashes = inclusion(size // 3, size, lambda height, at: bytes(32))
    checkpoint = signed(Checkpoint(log.key.name, size, bytes(32)).text, [log], at_s=0)
    assert len(Proof(size // 3, tuple(hashes), checkpoint.data).data) <= 2 * 1024


def test_nothing_of_a_proof_can_be_changed_or_left_out() -> None:
    proof = proof_of(3)
    for place in range(len(proof.hashes)):
        before, after = proof.hashes[:place], proof.hashes[place + 1 :]
        for hashes in (
            (*before, *after),
            (*before, bytes(32), *after),
            (*before, proof.hashes[place], *proof.hashes[place:]),
        ):
            with pytest.raises(BadProof):
                proofs.verify(replace(proof, hashes=hashes), LEAVES[3], POLICY)
    for index in (len(ENTRIES), 2**63 - 1):
        with pytest.raises(BadProof):
            proofs.verify(replace(proof, index=index), LEAVES[3], POLICY)
    smaller = proof.checkpoint.replace(b"\n11\n", b"\n12\n")
    assert smaller != proof.checkpoint
    with pytest.raises(BadSignature):
        proofs.verify(replace(proof, checkpoint=smaller), LEAVES[3], POLICY)


def test_a_checkpoint_of_another_org_s_log_is_not_taken() -> None:
    """One key signs for all orgs of a deployment: the origin tells them apart."""
    with pytest.raises(NotTrusted):
        proofs.verify(proof_of(3, origin="example.com/other"), LEAVES[3], POLICY)
