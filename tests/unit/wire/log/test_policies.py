"""Policies, as https://c2sp.org/tlog-policy has them, and the tests of transparency-dev's reader.

The latter are at https://github.com/transparency-dev/formats (policy/tlog_policy_test.go).
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from support.log_signers import LogSigner, log_signer
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadFormat, BadSignature, NotTrusted
from tocsin.wire.log.keys import KeyType
from tocsin.wire.log.notes import Note, signed
from tocsin.wire.log.policies import MAX_BYTES, Group, Policy

ORIGIN = "example.com/log"
CHECKPOINT = Checkpoint(ORIGIN, 42, bytes(32)).text
AT = 1_700_000_000

LOG = log_signer(ORIGIN)
LOG_2 = log_signer(ORIGIN, seed=b"2" * 32)
OTHER = log_signer("other.example.com/log")
W = [log_signer(f"Wit{number}", KeyType.ED25519_COSIGNATURE) for number in range(7)]
QUANTUM = log_signer("mldsa.example.com", KeyType.ML_DSA_44)

SPECIFICATION = f"""\
log {LOG.key}

witness X1 {W[1].key}
witness X2 {W[2].key}
witness X3 {W[3].key}
group X-witnesses 2 X1 X2 X3

witness Y1 {W[4].key}
witness Y2 {W[5].key}
witness Y3 {W[6].key}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def note(*signers: LogSigner, text: str = CHECKPOINT) -> bytes:
    return signed(text, signers, AT).data


def policy(*lines: str) -> Policy:
    return Policy.read("\n".join(lines).encode())


def test_the_specification_s_example_is_read() -> None:
    read = Policy.read(SPECIFICATION.encode())
    assert [log.key for log in read.logs] == [LOG.key]
    assert [witness.key for witness in read.witnesses] == [each.key for each in W[1:]]
    assert read.groups == (
        Group(b"X-witnesses", 2, (b"X1", b"X2", b"X3")),
        Group(b"Y-witnesses", 1, (b"Y1", b"Y2", b"Y3")),
        Group(b"X-and-Y", 2, (b"X-witnesses", b"Y-witnesses")),
    )
    assert read.quorum == b"X-and-Y"


@pytest.mark.parametrize(
    ("witnesses", "enough"),
    [
        ([1, 2, 4], True),
        ([2, 3, 6], True),
        ([6, 5, 3, 1], True),
        ([1, 2, 3, 4, 5, 6], True),
        ([1, 4, 5, 6], False),
        ([1, 2, 3], False),
        ([4, 5, 6], False),
        ([1, 1, 4], False),
        ([], False),
    ],
)
def test_the_specification_s_quorum_is_asked_for(witnesses: Sequence[int], enough: bool) -> None:
    read = Policy.read(SPECIFICATION.encode())
    checkpoint = note(LOG, *(W[number] for number in witnesses))
    if not enough:
        with pytest.raises(NotTrusted, match="not the quorum"):
            read.check(checkpoint)
        return
    trusted = read.check(checkpoint)
    assert trusted.checkpoint == Checkpoint.read(CHECKPOINT)
    assert [each.key for each in trusted.logs] == [LOG.key]
    assert [by.key for by, _ in trusted.cosigned] == [W[number].key for number in witnesses]
    assert {cosignature.at_s for _, cosignature in trusted.cosigned} == {AT}


def test_a_key_alone_is_the_simplest_policy() -> None:
    for text in (f"{LOG.key}", f"{LOG.key}\n", f"# our log\n\n\t {LOG.key} \n"):
        trusted = Policy.read(text.encode()).check(note(LOG, OTHER, W[1]))
        assert ([each.key for each in trusted.logs], trusted.cosigned) == ([LOG.key], ())
    with pytest.raises(NotTrusted):
        Policy.read(str(LOG.key).encode()).check(note(OTHER, W[1]))
    with pytest.raises(BadFormat):
        Policy.read(f"{LOG.key}\n{OTHER.key}\n".encode())


def test_spaces_comments_and_urls_are_as_others_read_them() -> None:
    read = Policy.read(
        f"\n# comment\n\t # another\n\twitness \t w1  {W[1].key}   https://w1.example.com/  \n\n"
        f"log {LOG.key}\thttps://log.example.com/\n  quorum\tw1".encode()
    )
    assert [witness.url for witness in read.witnesses] == [b"https://w1.example.com/"]
    assert [log.url for log in read.logs] == [b"https://log.example.com/"]
    assert read.check(note(LOG, W[1]))


def test_names_are_bytes() -> None:
    kelvin, kay = "\u212a".encode(), b"K"
    text = b"witness %s %s\nwitness %s %s\nwitness \x80 %s\ngroup a any %s \x80\nquorum a\n" % (
        kelvin,
        str(W[1].key).encode(),
        kay,
        str(W[2].key).encode(),
        str(W[3].key).encode(),
        kelvin,
    )
    read = Policy.read(b"log %s\n%s" % (str(LOG.key).encode(), text))
    assert [by.name for by, _ in read.check(note(LOG, W[1])).cosigned] == [kelvin]
    with pytest.raises(NotTrusted):
        read.check(note(LOG, W[2]))


def test_words_are_names_where_names_stand() -> None:
    read = policy(
        f"log {LOG.key}",
        f"witness all {W[1].key}",
        f"witness any {W[2].key}",
        f"witness 2 {W[3].key}",
        "group quorum 2 all any 2",
        "quorum quorum",
    )
    assert read.check(note(LOG, W[1], W[3]))
    with pytest.raises(NotTrusted):
        read.check(note(LOG, W[1]))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["quibble w1", "quorum none"], "line 1 .*a line is"),
        (["quorum none", "log"], "line 2 .*a line is"),
        ([f"Log {LOG.key}", "quorum none"], "a line is"),
        ([f"log {LOG.key} https://a b", "quorum none"], "a line is"),
        (["log garbage", "quorum none"], "a verifier key is"),
        (["log a+b+c", "quorum none"], "a verifier key is"),
        ([f"log {LOG.key}", "", f"log {LOG.key} https://a", "quorum none"], "line 3 .*already"),
        (["witness w1", "quorum none"], "a line is"),
        ([f"witness w1 {W[1].key} https://a # comment", "quorum w1"], "a line is"),
        ([f"witness w1 {LOG.key}", "quorum w1"], "no cosignatures"),
        ([f"witness none {W[1].key}", "quorum none"], "name of its own"),
        ([f"witness w1 {W[1].key}", f"witness w1 {W[2].key}", "quorum w1"], "name of its own"),
        ([f"witness w1 {W[1].key}", "group w1 any w1", "quorum w1"], "name of its own"),
        ([f"witness w1 {W[1].key}", "group none any w1", "quorum none"], "name of its own"),
        ([f"witness w1 {W[1].key}", "group g 1", "quorum w1"], "a line is"),
        ([f"witness w1 {W[1].key}", "group g 0 w1", "quorum g"], "1 to all"),
        ([f"witness w1 {W[1].key}", "group g -1 w1", "quorum g"], "1 to all"),
        ([f"witness w1 {W[1].key}", "group g +1 w1", "quorum g"], "1 to all"),
        ([f"witness w1 {W[1].key}", "group g 2 w1", "quorum g"], "1 to all"),
        ([f"witness w1 {W[1].key}", f"group g {'9' * 5_000} w1", "quorum g"], "1 to all"),
        ([f"witness w1 {W[1].key}", "group g most w1", "quorum g"], "1 to all"),
        ([f"witness w1 {W[1].key}", "group g any w2", "quorum g"], "lines before"),
        (["group g any w1", f"witness w1 {W[1].key}", "quorum g"], "lines before"),
        ([f"witness w1 {W[1].key}", "group g any g", "quorum g"], "lines before"),
        ([f"witness w1 {W[1].key}", "group g any none w1", "quorum g"], "lines before"),
        ([f"witness w1 {W[1].key}", "group g all w1 w1", "quorum g"], "a member once"),
        (
            [f"witness w1 {W[1].key}", "group g any w1", "group h any w1", "quorum g"],
            "a member once",
        ),
        ([f"witness w1 {W[1].key}"], "says its quorum"),
        ([""], "says its quorum"),
        (["quorum none", "quorum none"], "one quorum"),
        (["quorum w1", f"witness w1 {W[1].key}"], "a line before"),
        (["quorum"], "a line is"),
        (["quorum none none"], "a line is"),
        (["quorum none\r"], "control characters"),
        (["quorum none\x0b"], "control characters"),
        (["quorum none\x7f"], "control characters"),
        (["# \0", "quorum none"], "control characters"),
        (["quorum none", "#" * MAX_BYTES], "at most"),
    ],
)
def test_what_is_no_policy_is_told_why(lines: list[str], why: str) -> None:
    with pytest.raises(BadFormat, match=why):
        policy(*lines)


def test_a_key_under_another_name_would_count_twice() -> None:
    twin = replace(W[1].key, name="impostor")
    assert twin.id != W[1].key.id
    with pytest.raises(BadFormat, match="already"):
        policy(f"witness a {W[1].key}", f"witness b {twin}", "quorum a")


def test_as_many_as_the_specification_asks_for_are_read() -> None:
    lines = [f"log {log_signer(f'log{number}').key}" for number in range(32)]
    for number in range(32):
        witness = log_signer(f"q{number}", KeyType.ML_DSA_44)
        lines += (f"witness w{number} {witness.key}", f"group g{number} any w{number}")
    members = " ".join(f"g{number}" for number in range(32))
    read = policy(*lines, f"group all all {members}", "quorum all")
    assert (len(read.logs), len(read.witnesses), len(read.groups)) == (32, 32, 33)


def test_a_long_line_of_groups_is_read() -> None:
    """Each is a member of the next: as deep as a file can be."""
    groups = [f"group {number + 1} any {number}" for number in range(20_000)]
    read = policy(f"log {LOG.key}", f"witness 0 {W[1].key}", *groups, "quorum 20000")
    assert read.check(note(LOG, W[1]))
    with pytest.raises(NotTrusted):
        read.check(note(LOG))


# Checkpoints: the cases of transparency-dev's TestSatisfied and TestVerify, and more


@pytest.mark.parametrize(
    ("logs", "signers", "why"),
    [
        ([LOG], [LOG, W[1]], None),
        ([OTHER, LOG], [LOG, W[1]], None),
        ([LOG], [LOG], "0 of 1 witnesses"),
        ([LOG], [LOG, W[2]], "0 of 1 witnesses"),
        ([LOG], [W[1]], f"no log that you trust has signed this as {ORIGIN}"),
        ([LOG], [OTHER, W[1]], "no log that you trust"),
        ([LOG], [LOG_2, W[1]], "no log that you trust"),
        ([OTHER], [OTHER, W[1]], "no log that you trust"),  # under another log's origin
        ([], [LOG, W[1]], "no log that you trust"),
    ],
)
def test_a_log_and_the_quorum_have_to_sign(
    logs: list[LogSigner], signers: list[LogSigner], why: str | None
) -> None:
    read = policy(*(f"log {log.key}" for log in logs), f"witness w1 {W[1].key}", "quorum w1")
    if why is None:
        assert read.check(note(*signers)).checkpoint == Checkpoint.read(CHECKPOINT)
    else:
        with pytest.raises(NotTrusted, match=why):
            read.check(note(*signers))


def test_a_log_s_keys_of_before_and_after_are_both_taken() -> None:
    read = policy(f"log {LOG.key}", f"log {LOG_2.key}", "quorum none")
    for signers in ([LOG], [LOG_2], [LOG_2, LOG]):
        assert [each.key for each in read.check(note(*signers)).logs] == [
            each.key for each in signers
        ]


def test_post_quantum_keys_sign_as_logs_and_witnesses() -> None:
    log = log_signer(ORIGIN, KeyType.ML_DSA_44)
    read = policy(f"log {log.key}", f"witness w {QUANTUM.key}", "quorum w")
    assert read.check(note(log, QUANTUM))
    with pytest.raises(NotTrusted, match="0 of 1"):
        read.check(note(log))


def test_a_forged_signature_of_a_witness_spoils_even_what_needs_none() -> None:
    read = policy(f"log {LOG.key}", f"witness w {W[1].key}", "quorum none")
    forged = Note.read(note(W[1], text=CHECKPOINT.replace("42", "43"))).signatures
    checkpoint = Note.read(note(LOG)).adding(forged)
    with pytest.raises(BadSignature, match="Wit1"):
        read.check(checkpoint.data)


def test_what_is_signed_but_no_checkpoint_is_not_taken() -> None:
    with pytest.raises(BadFormat, match="checkpoint"):
        policy(f"log {LOG.key}", "quorum none").check(note(LOG, text=f"{ORIGIN}\n"))


def test_a_witness_that_cosigned_twice_counts_once() -> None:
    read = policy(
        f"log {LOG.key}",
        f"witness a {W[1].key}",
        f"witness b {W[2].key}",
        "group g 2 a b",
        "quorum g",
    )
    later = signed(CHECKPOINT, [W[1]], AT + 60).signatures
    with pytest.raises(NotTrusted, match="1 of 2"):
        read.check(Note.read(note(LOG, W[1])).adding(later).data)
