"""Where a chain breaks: what was done there, as far as the lines around it tell."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from tocsin.domain.chain import genesis
from tocsin.wire.log.findings import Finding, Kind
from tocsin.wire.log.lines import Line, linked

__all__ = ["LINES_BEFORE", "LINES_BEYOND", "Recent", "explained"]

LINES_BEFORE: Final = 1_024
"""As many hashes before a break are known: more that were inserted are told as not following."""

LINES_BEYOND: Final = 1_024
"""As many lines after a break are looked at: what was moved further is told as removed."""


class Recent(NamedTuple):
    """An event before the break: the chain's hash there, None if that is not known."""

    seq: int
    hash: bytes | None


def explained(
    recent: Sequence[Recent], sure: int, org: str, lines: Sequence[Line | bytes]
) -> Finding:
    """Return what is wrong where ``lines`` do not go on from the ``recent`` events, one at least.

    ``lines`` begin with the first one that does not; bytes are those that could not be read. Up to
    the seq ``sure`` a checkpoint holds.
    """
    last, before = recent[-1]
    seq = last + 1
    first, *rest = lines
    if not isinstance(first, Line):
        text = first[:60].decode("ascii", "replace")
        return Finding(Kind.UNREADABLE, f"it is no line of a ledger: {text!r}", seq)
    following = [each for each in rest if isinstance(each, Line)]
    if first.before == before or (before is None and first.seq == seq):
        return _own(seq, first, following)
    known = {each.hash: each.seq for each in recent}
    if (at := known.get(first.before)) is not None and first.holds:
        if first.hash in known:
            return Finding(Kind.INSERTED, f"it is seq {at + 1} once more", seq)
        return Finding(Kind.INSERTED, f"seq {seq} follows from seq {at}", at + 1, last)
    comes_later = any(each.seq == seq for each in following) and first.seq > seq
    if comes_later or first.before in {each.hash for each in following}:
        return Finding(Kind.REORDERED, "those that it follows come after it", seq)
    if any(each.before == before for each in following):
        return Finding(Kind.INSERTED, "the event after it follows from the one before it", seq)
    if not first.holds:
        return Finding(Kind.EDITED, "neither its hash nor the one before is what it was", seq)
    if first.seq > seq:
        return Finding(Kind.REMOVED, f"the next event is seq {first.seq}", seq, first.seq - 1)
    if seq == 1:
        reason = f"the chain does not begin as that of {org} does ({genesis(org).hex()[:16]}…)"
        return Finding(Kind.OTHER_ORG, reason, seq)
    reason = (
        f"seq {seq} does not follow from seq {last}: that was replaced, or some between were"
        " removed, or it comes from elsewhere"
    )
    return Finding(Kind.UNLINKED, reason, seq if last <= sure else last, seq)


def _own(seq: int, first: Line, following: Sequence[Line]) -> Finding:
    """Return what is wrong with an event that names the right hash before it."""
    if first.holds:
        return Finding(Kind.EDITED, f"its number is {first.seq}, where {seq} follows", seq)
    if any(linked(first.before, each.leaf) == first.hash for each in following):
        return Finding(Kind.REORDERED, "the event with its hash comes after it", seq)
    return Finding(Kind.EDITED, "its bytes do not lead to its hash", seq)
