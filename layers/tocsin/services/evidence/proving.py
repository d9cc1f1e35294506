"""What a log shows of itself: its last checkpoint, tiles, entries, and proofs.

What is read may have been changed. So proofs and tiles are checked against the checkpoint that they
are for before they are given away, and the checkpoint against the tree that it is the last one of:
who gets one need not ask why it does not hold.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Final

from tocsin.domain.errors import Busy, Forbidden, IntegrityError, NotFound
from tocsin.domain.ids import batch_of
from tocsin.domain.keys import ApiKey
from tocsin.domain.merkle import BadProof, check_inclusion, inclusion, root_by, root_of
from tocsin.domain.tree import TILE_HEIGHT, TILE_WIDTH, Checkpoint, LogKey, history_of
from tocsin.ports.evidence import Trees
from tocsin.services.access.presented import Presented
from tocsin.services.evidence.growing import growth
from tocsin.services.evidence.nodes import Nodes
from tocsin.services.evidence.said import signed_root
from tocsin.services.reading.answers import Answers, Attachment, Piece
from tocsin.services.reading.past import Past
from tocsin.wire.filters import Query
from tocsin.wire.log.asked import ConsistencyAsked, InclusionAsked, asked
from tocsin.wire.log.faults import BadFormat, EntryTooLong
from tocsin.wire.log.growth import Growth
from tocsin.wire.log.history import in_order, key_line
from tocsin.wire.log.proofs import Proof
from tocsin.wire.log.tiles import Tile, write_bundle
from tocsin.wire.parameters import known

__all__ = ["Log"]

_READS: Final = 4  # of what a run may be changing meanwhile
_NOT_YET: Final = "no checkpoint covers it yet: one is made within a minute of a new event"


class Log:
    """Answers in pieces; raises as :class:`Answers` does.

    Forbidden is a key that may not see every type: what it may not see could be guessed by a leaf.
    """

    def __init__(self, answers: Answers, trees: Trees) -> None:
        self._answers = answers
        self._trees = trees

    def checkpoint(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield the last checkpoint, a signed note."""

        def steps(key: ApiKey) -> Iterator[Piece]:
            known(query, ())
            yield self._last(self._past(key)).note.encode()

        return self._answers.answer(credential, steps)

    def keys(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield the keys that have signed the log, in lines. They don't prove themselves."""

        def steps(key: ApiKey) -> Iterator[Piece]:
            known(query, ())
            yield b"".join(map(key_line, in_order(self._keys(self._past(key).org))))

        return self._answers.answer(credential, steps)

    def tile(self, credential: Presented, path: str, query: Query) -> AsyncGenerator[Piece]:
        """Yield a tile's hashes, or a bundle's entries, by the path of tlog-tiles."""

        def steps(key: ApiKey) -> Iterator[Piece]:
            known(query, ())
            yield self._tile(self._past(key), path)

        return self._answers.answer(credential, steps)

    def proof(self, credential: Presented, query: Query) -> AsyncGenerator[Piece]:
        """Yield a tlog-proof of an event, or the proof that a checkpoint goes on from another."""

        def steps(key: ApiKey) -> Iterator[Piece]:
            past = self._past(key)
            match asked(query):
                case InclusionAsked() as wanted:
                    yield from self._inclusion(past, wanted)
                case ConsistencyAsked(old, new):
                    yield self._growth(past, old, new).data

        return self._answers.answer(credential, steps)

    def _past(self, key: ApiKey) -> Past:
        if self._answers.types(key) is not None:
            raise Forbidden("this key shows some event types alone, and a proof is about all")
        return self._answers.past(key)

    def _last(self, past: Past, covering: int = 0) -> Checkpoint:
        """Return the last checkpoint, or the first that covers so many events.

        Raises:
            NotFound: there is none yet.
            IntegrityError: it is not there though the tree has it, the other way round, or it is
                another's.
        """
        org = past.org
        signed, since_ms = self._signed(org)
        found = self._trees.checkpoint(org, covering)
        if found is not None and found.size > signed:  # it may have been signed meanwhile
            signed, since_ms = self._signed(org)
        if found is None and (covering > signed or not signed):
            raise NotFound(_NOT_YET)
        if found is None or (not covering and found.size < signed):
            raise IntegrityError(org, max(signed, 1), "a checkpoint that was signed is gone")
        if found.size > signed:
            raise IntegrityError(org, found.size, "there is a checkpoint that the tree has not")
        if not covering and found.size == signed and found.made_at_ms < since_ms:
            raise IntegrityError(org, signed, "the last checkpoint that was signed is gone")
        signed_root(org, found)
        return found

    def _signed(self, org: str) -> tuple[int, int]:
        """Return the size of the last checkpoint by the tree, and since when that can be."""
        tree = self._trees.get(org)
        return (tree.signed or 0, tree.signed_since_ms) if tree else (0, 0)

    def _peaks(self, org: str, size: int) -> Mapping[tuple[int, int], bytes]:
        """Return the tree's peaks below what is kept, if it is of a size.

        So tiles above leaves stand where the ledger was written anew: they help to find where.
        """
        tree = self._trees.get(org)
        nodes = tree.peaks.nodes.items() if tree and tree.size == size else ()
        return {place: hash for place, hash in nodes if place[0] < TILE_HEIGHT}

    def _keys(self, org: str) -> Sequence[LogKey]:
        """Return what is known of the log's keys.

        Raises:
            IntegrityError: it is not what it was.
            Busy: it is changed again and again meanwhile.
        """
        for _ in range(_READS):
            tree, keys = self._trees.get(org), self._trees.keys(org)
            expected = tree.history if tree else history_of(())
            if expected in (b"", history_of(keys)):
                return keys
            if self._trees.get(org) == tree:
                raise IntegrityError(org, 1, "the history of the log's keys is not what it was")
        raise Busy("the log's keys are changed just now: ask again")

    def _tile(self, past: Past, path: str) -> bytes:
        try:
            tile = Tile.read(path)
        except BadFormat as error:
            raise NotFound(str(error)) from error
        last = self._last(past)
        size = last.size
        if not tile.is_in(size):
            raise NotFound(f"the tree of the last checkpoint, of {size:,}, has no such tile")
        if tile.level is not None:
            nodes = Nodes(past.ledger, self._trees, past.org, size)
            hashes = nodes.tile(tile.level, tile.index)[: tile.width]
            first = tile.index * TILE_WIDTH
            inside = range(first, first + len(hashes))
            known = self._peaks(past.org, size) if tile.level else {}

            def hash(height: int, number: int) -> bytes:
                return known.get((height, number)) or nodes(height, number)

            if root_by(size, hash, tile.height, inside) != signed_root(past.org, last):
                reason = "the last checkpoint does not cover what is stored of this tile"
                raise IntegrityError(past.org, tile.start + 1, reason)
            return b"".join(hashes)
        seqs = range(tile.start + 1, tile.start + tile.width + 1)
        try:
            return write_bundle(_entries(past, seqs))
        except EntryTooLong as error:
            raise NotFound(str(error)) from error

    def _inclusion(self, past: Past, wanted: InclusionAsked) -> Iterator[Piece]:
        seq = wanted.seq or _seq_of(past, wanted.id)
        last = self._last(past)
        if seq > last.size:
            raise NotFound(_NOT_YET)
        nodes, index = Nodes(past.ledger, self._trees, past.org, last.size), seq - 1
        hashes, root = inclusion(index, last.size, nodes), signed_root(past.org, last)
        try:
            check_inclusion(nodes(0, index), index, last.size, hashes, root)
        except BadProof as error:
            reason = f"the checkpoint does not cover what is stored: {error}"
            raise IntegrityError(past.org, seq, reason) from error
        entry = b"".join(_kept(past, [seq])) if wanted.with_entry else b""
        yield Attachment(f"{past.org}-{seq}.tlog-proof")
        yield Proof(index, tuple(hashes), last.note.encode(), entry).data

    def _growth(self, past: Past, old: int, new: int | None) -> Growth:
        last = self._last(past, new or 0)
        if old > last.size:
            raise NotFound(_NOT_YET)
        before, now = (Nodes(past.ledger, self._trees, past.org, size) for size in (old, last.size))
        return growth(past.org, old, root_of(old, before), last, now)


def _seq_of(past: Past, id: str) -> int:
    """Return the seq of a sealed event, which need not be kept.

    Raises:
        NotFound: there is none of this id.
    """
    if (found := batch_of(id)) is not None:
        batch_id, place = found
        first = past.ledger.first_seqs(past.org, [batch_id]).get(batch_id)
        segments = past.ledger.segments(past.org, first, 1) if first else ()
        counts = {each.batch_id: each.count for segment in segments for each in segment.references}
        if first and place < counts.get(batch_id, 0):
            return first + place
    raise NotFound("there is no event of this id, or it is not sealed yet")


def _entries(past: Past, seqs: Sequence[int]) -> list[bytes]:
    """Return the entries at some seqs.

    Raises:
        NotFound: one is older than what is kept.
    """
    found = _kept(past, seqs)
    if len(found) < len(seqs):
        raise NotFound("it is older than what is kept: its leaf is, in the tile of level 0")
    return found


def _kept(past: Past, seqs: Sequence[int]) -> list[bytes]:
    return [event.hashed for step in past.at(seqs) for event in step]
