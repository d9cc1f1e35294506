"""A log is checked from its lines: what was changed is found, and named as far as can be told."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.audited import ORIGIN, Told, audited, told
from support.log_signers import log_signer
from tocsin.wire.entries import leaf_line
from tocsin.wire.log.findings import Finding, Kind, Known, Verdict
from tocsin.wire.log.judging import judged
from tocsin.wire.log.lines import Line
from tocsin.wire.log.policies import Policy

TEN = Told.of(10)
LINES = TEN.lines


def remade(entries: list[bytes]) -> list[bytes]:
    """Return the lines of entries whose owner has computed the chain anew."""
    return Told(entries).lines


def test_a_log_holds_up_to_each_checkpoint() -> None:
    report = audited(LINES, TEN.known(0, 3, 10, 7))
    assert report.verdict is Verdict.HOLDS
    assert [each.checkpoint.size for each in report.held] == [0, 3, 7, 10]
    assert (report.first_seq, report.last_seq, report.leaves) == (1, 10, 0)
    assert report.held[-1].signers == [f"{ORIGIN}+{TEN.signer.key.id.hex()}"]
    assert report.notes == report.undecided == []


def test_what_no_checkpoint_covers_yet_is_told() -> None:
    report = audited(LINES, TEN.known(7))
    assert report.verdict is Verdict.HOLDS
    assert "3 events after that, up to seq 10" in report.notes[0]
    for known in (TEN.known(0), []):
        assert audited(LINES, known).verdict is Verdict.UNDECIDED


def test_events_past_the_retention_are_checked_by_their_leaves() -> None:
    lines = [*LINES]
    for place in (0, 1, 2):
        line = Line.read(lines[place])
        lines[place] = leaf_line(line.seq, line.before, line.hash, line.leaf).removesuffix(b"\n")
    report = audited(lines, TEN.known(10))
    assert (report.verdict, report.leaves) == (Verdict.HOLDS, 3)


def test_nothing_is_decided_without_a_checkpoint_that_covers_it() -> None:
    assert audited(LINES, []).verdict is Verdict.UNDECIDED
    report = audited(LINES[:5], TEN.known(5, 8), covers=5)
    assert report.verdict is Verdict.UNDECIDED
    assert "8 events" in report.undecided[0]


def test_a_line_of_a_chain_that_was_not_computed_anew_is_named() -> None:
    edited = [*LINES]
    edited[4] = edited[4].replace(b"evt_4", b"evt_X")
    assert told(audited(edited, TEN.known(10))) == [("edited", 5, 5)]
    assert told(audited(LINES[:4] + LINES[6:], TEN.known(10))) == [("removed", 5, 6)]
    moved = [*LINES[:4], LINES[5], LINES[4], *LINES[6:]]
    assert told(audited(moved, TEN.known(10))) == [("reordered", 5, 5)]
    twice = [*LINES[:5], LINES[4], *LINES[5:]]
    assert told(audited(twice, TEN.known(10))) == [("inserted", 6, 6)]
    own = remade([*TEN.entries[:4], b'{"id":"new"}'])[4]
    assert told(audited([*LINES[:4], own, *LINES[4:]], TEN.known(10))) == [("inserted", 5, 5)]
    replaced = [*LINES[:4], own, *LINES[5:]]
    assert told(audited(replaced, TEN.known(10))) == [("unlinked", 5, 6)]
    assert told(audited(replaced, TEN.known(5, 10))) == [("rewritten", 1, 5), ("unlinked", 5, 6)]


def test_events_of_another_org_are_named() -> None:
    other = Told.of(10, org="beta").lines
    assert told(audited(other, TEN.known(10))) == [("other org", 1, 1)]
    spliced = [*LINES[:4], *other[4:7], *LINES[7:]]
    [(kind, first, last)] = told(audited(spliced, TEN.known(4, 10)))
    assert (kind, first, last) == ("unlinked", 5, 5)


def test_an_end_that_was_cut_off_is_named() -> None:
    assert told(audited(LINES[:7], TEN.known(7, 10))) == [("cut", 8, 10)]
    assert told(audited(LINES[:7], TEN.known(4, 10))) == [("cut", 5, 10)]
    assert told(audited([], TEN.known(10))) == [("cut", 1, 10)]


def test_a_chain_that_was_computed_anew_is_between_two_checkpoints() -> None:
    entries = [*TEN.entries[:4], b'{"id":"else"}', *TEN.entries[5:]]
    assert told(audited(remade(entries), TEN.known(10))) == [("rewritten", 1, 10)]
    assert told(audited(remade(entries), TEN.known(2, 6, 10))) == [("rewritten", 3, 6)]
    assert told(audited(remade(entries), TEN.known(4, 5, 10))) == [("rewritten", 5, 5)]


@pytest.mark.parametrize("known", [(10,), (3, 10), (4, 10)])
def test_one_event_that_was_put_in_or_moved_is_found_by_the_root(known: tuple[int, ...]) -> None:
    entries = TEN.entries
    put_in = [*entries[:4], b'{"id":"new"}', *entries[4:]]
    assert told(audited(remade(put_in), TEN.known(*known))) == [("inserted", 5, 5)]
    moved = [*entries[:4], entries[8], *entries[4:8], entries[9]]
    assert told(audited(remade(moved), TEN.known(*known))) == [("reordered", 5, 5)]
    swapped = [*entries[:4], entries[8], *entries[5:8], entries[4], entries[9]]
    assert told(audited(remade(swapped), TEN.known(*known))) == [("reordered", 5, 5)]


def test_two_histories_that_were_both_signed_are_two_views() -> None:
    other = Told([*TEN.entries[:4], *(b'{"id":"else%d"}' % n for n in range(8))])
    for size in (9, 12):
        shown = other.known(size, name="shown")
        report = audited(other.lines, [*TEN.known(9, 3), *shown])
        assert told(report) == [("two views", 4, 9)]
        assert [each.checkpoint.size for each in report.held] == [3]  # of both


LONG = Told.of(1_500)


def long_remade(entries: list[bytes]) -> tuple[list[bytes], Told]:
    own = Told(entries)
    return own.lines, own


def test_a_log_s_own_tiles_tell_what_was_done_as_far_as_they_lead_to_the_root() -> None:
    entries = LONG.entries
    edited = [*entries[:600], b'{"id":"else"}', *entries[601:]]
    removed = [*entries[:600], *entries[601:], b'{"id":"later"}']
    many = [*entries[:600], *entries[603:], *(b'{"id":"later%d"}' % n for n in range(9))]
    put_in = [*entries[:600], b'{"id":"new"}', *entries[600:]]
    three = [*entries[:600], *(b'{"id":"new%d"}' % n for n in range(3)), *entries[600:]]
    swapped = [*entries[:600], entries[601], entries[600], *entries[602:]]
    for changed, expected in [
        (edited, ("edited", 513, 768)),
        (removed, ("removed", 513, 768)),
        (many, ("removed", 513, 768)),
        (put_in, ("inserted", 601, 601)),
        (three, ("inserted", 513, 768)),
        (swapped, ("reordered", 601, 601)),
        ([*edited[:900], b'{"id":"more"}', *edited[901:]], ("rewritten", 513, 768)),
    ]:
        own = Told(changed)
        report = audited(own.lines, LONG.known(100, 1_500), LONG.tiles(own))
        assert told(report) == [expected]
        assert told(audited(own.lines, LONG.known(100, 1_500))) == [("rewritten", 101, 1_500)]
    own = Told(edited)
    assert told(audited(own.lines, LONG.known(598, 1_500), LONG.tiles(own))) == [
        ("edited", 599, 768)
    ]


def test_tiles_that_do_not_lead_to_the_root_tell_nothing() -> None:
    own = Told([*LONG.entries[:600], b'{"id":"else"}', *LONG.entries[601:]])
    for tiles in (own.tiles(), lambda tile: [], lambda tile: [bytes(32)] * tile.width):
        report = audited(own.lines, LONG.known(100, 1_500), tiles)
        assert told(report) == [("rewritten", 101, 1_500)]


# Any change


@given(st.data())
def test_any_change_of_any_line_is_found_or_changes_nothing_that_is_said(
    data: st.DataObject,
) -> None:
    place = data.draw(st.integers(0, 9))
    line = LINES[place]
    at = data.draw(st.integers(0, len(line)))
    cut = data.draw(st.integers(0, 3))
    changed = line[:at] + data.draw(st.binary(max_size=3)) + line[at + cut :]
    lines = [*LINES[:place], *changed.split(b"\n"), *LINES[place + 1 :]]
    report = audited(lines, TEN.known(4, 10))
    if lines == LINES:
        assert report.verdict is Verdict.HOLDS
        return
    assert report.verdict is Verdict.BROKEN
    assert all(
        finding.seq is not None and finding.seq <= place + 1 for finding in report.broken[:1]
    )


@given(st.lists(st.integers(0, 9), max_size=14))
def test_any_other_order_is_found(order: list[int]) -> None:
    lines = [LINES[place] for place in order]
    remade_lines = remade([TEN.entries[place] for place in order])
    if order[:10] == [*range(10)]:
        return
    for each in (lines, remade_lines):
        report = audited(each, TEN.known(10))
        assert report.verdict is Verdict.BROKEN
        right = next((n for n, place in enumerate(order) if n != place), len(order))
        first = report.broken[0]
        assert first.seq is not None
        assert first.until_seq is None or first.until_seq >= first.seq
        assert first.seq <= right + 1


# Checkpoints


def test_who_has_signed_decides_whether_a_checkpoint_is_believed() -> None:
    policy = Policy.read(str(TEN.signer.key).encode())
    note = TEN.note(5)
    assert isinstance(judged(note, "here", policy), Known)
    other = replace(TEN, signer=log_signer(ORIGIN, seed=bytes(32)))
    beta = replace(TEN, signer=log_signer("tocsin/0000000000000000/beta"))
    for made, kind in [
        (other.note(5), Kind.OTHER_KEY),
        (beta.note(5), Kind.OTHER_ORG),
        (note.replace(b"\n5\n", b"\n6\n"), Kind.OTHER_KEY),
        (b"", Kind.UNREADABLE),
        (note[:-5], Kind.UNREADABLE),
    ]:
        found = judged(made, "here", policy)
        assert isinstance(found, Finding)
        assert found.kind is kind
        assert found.reason.startswith("here")


def test_what_witnesses_have_not_cosigned_yet_is_not_decided() -> None:
    from tocsin.wire.log.keys import KeyType

    witness = log_signer("w.example/w", KeyType.ED25519_COSIGNATURE)
    text = f"log {TEN.signer.key}\nwitness W {witness.key}\nquorum W\n"
    found = judged(TEN.note(5), "here", Policy.read(text.encode()))
    assert isinstance(found, str)
    assert "0 of 1 witnesses" in found
