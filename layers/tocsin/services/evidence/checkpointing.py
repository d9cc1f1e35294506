"""Let each org's tree grow with its ledger, and sign what it is.

Nothing is claimed: of two runs for an org one commits, and the other begins again from there at the
next time. What both sign is of the same tree.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from tocsin.domain.batch import Batch
from tocsin.domain.errors import Busy, HeadMoved, IntegrityError
from tocsin.domain.merkle import Node
from tocsin.domain.org import Org
from tocsin.domain.segment import Segment
from tocsin.domain.tree import CHECKPOINT, TILE_HEIGHT, Checkpoint, LogKey, Tree, history_of
from tocsin.ports.evidence import MOST_NODES, Archive, Signer, Trees, Witness
from tocsin.ports.log import Ledger
from tocsin.ports.orgs import Orgs
from tocsin.ports.world import Clock
from tocsin.services.evidence.archiving import Archiving
from tocsin.services.evidence.continuing import LOGS, Continuing
from tocsin.services.evidence.holding import Holding
from tocsin.services.evidence.witnessing import Asking, Witnessing
from tocsin.services.intake.stamp import new_id, own_batch
from tocsin.services.reading.checked import parts_after
from tocsin.wire.log import checkpoints, notes
from tocsin.wire.log.keys import KeyType, Verifier, types_of
from tocsin.wire.log.texts import to_base64

__all__ = ["EVENTS_AT_ONCE", "Checkpointing", "Report"]

EVENTS_AT_ONCE: Final = 200_000
"""Of an org and a run: one that is far behind holds up none."""

_ORGS_AT_ONCE: Final = 8
_TIMED_EVERY_MS: Final = 24 * 60 * 60 * 1_000


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did.

    Attributes:
        signed: The size of each new checkpoint, by org.
        events: By how many events trees have grown.
        failed: Orgs that will be tried again, and why; they may be signed and not archived.
        broken: Orgs whose ledger is not what was signed or can't be read, or of which a witness has
            seen another history, and why. Those of the last kind are signed all the same.
        away: Witnesses that gave no cosignature to an org, by their policy's names, and why.
    """

    signed: dict[str, int] = field(default_factory=dict)
    events: int = 0
    failed: dict[str, Busy] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)
    away: dict[str, str] = field(default_factory=dict)


class Checkpointing:
    """The use case behind the schedule of checkpoints."""

    def __init__(
        self,
        *,
        orgs: Orgs,
        ledger: Ledger,
        trees: Trees,
        signers: Sequence[Signer],
        clock: Clock,
        archive: Archive | None = None,
        witnesses: Sequence[Witness] = (),
        holding: Holding | None = None,
        anchored: Callable[[str], bool] = lambda org: False,
    ) -> None:
        """Wire the ports; all signers sign each checkpoint, and the first names new logs.

        ``holding`` copies what is under a legal hold; without it that is a fault of such an org.
        ``anchored`` says whether an org wants its checkpoints told by events, one a day.
        """
        self._witnessing = Witnessing(ledger, trees, witnesses, clock)
        self._archiving = archive and Archiving(ledger, trees, archive)
        asked = archive if archive and archive.is_apart else None
        self._continuing = Continuing(ledger, trees, asked)
        self._holding = holding
        self._anchored = anchored
        self._orgs = orgs
        self._ledger = ledger
        self._trees = trees
        self._signers = signers
        self._clock = clock

    def __call__(self, in_time: Callable[[], bool] = lambda: True) -> Report:
        """Look at every org; sign for those whose ledger has moved, and for each once a day.

        The latter says when it was signed: two of the same size show that nothing was in between.

        Args:
            in_time: Whether there is time for another org. Those that are left come first at
                another time, since each run begins with another org.
        """
        orgs = [org for org in self._orgs.all() if not org.gone]
        report, asking = Report(), self._witnessing.begin(in_time)
        begin = self._clock.now_ms() // 60_000 % len(orgs) if orgs else 0
        with ThreadPoolExecutor(_ORGS_AT_ONCE, "tocsin-checkpoint") as pool:

            def one(org: Org) -> Report:
                return self._one_org(org, asking) if in_time() else Report()

            for each in pool.map(one, [*orgs[begin:], *orgs[:begin]]):
                report.signed.update(each.signed)
                report.failed.update(each.failed)
                report.broken.update(each.broken)
                report = replace(report, events=report.events + each.events)
        report.broken.update(asking.broken)
        report.away.update(asking.away)
        return report

    def _one_org(self, org: Org, asking: Asking) -> Report:
        try:
            report = self._checkpoint(org.id, asking)
        except Busy as error:
            return Report(failed={org.id: error})
        except Exception as error:  # whatever an org's data can raise
            return Report(broken={org.id: error})
        if org.held_since_ms:
            self._hold(org.id, report)
        return report

    def _hold(self, org: str, report: Report) -> None:
        try:
            if self._holding is None:
                raise Busy("it is under a legal hold, and there is no archive to keep its events")
            if (tree := self._trees.get(org)) is not None:
                self._holding(tree)
        except HeadMoved:  # another run was here
            pass
        except Busy as error:
            report.failed.setdefault(org, error)
        except Exception as error:  # whatever an org's data can raise
            report.broken[org] = error

    def _checkpoint(self, org: str, asking: Asking) -> Report:
        tree, head = self._trees.get(org), self._ledger.head(org)
        if tree is not None and head.seq < tree.size:
            reason = f"the ledger ends before it, and {tree.size} events were in the tree"
            raise IntegrityError(org, head.seq + 1, reason)
        if tree is not None and head.seq == tree.size and head.hash != tree.hash:
            raise IntegrityError(org, head.seq, "the event has another hash than it had")
        if not head.seq:
            return Report()
        report = Report()
        try:
            grown, now_ms = tree or Tree.empty(org, self._origin(org)), self._clock.now_ms()
            # Also where a clock has gone back, so that no later checkpoint seems older than this.
            timed = not 0 <= now_ms - grown.timed_ms < _TIMED_EVERY_MS
            if head.seq > grown.size or grown.signed != grown.size or timed:
                signers = self._signing(grown.origin)
                known = self._continuing(org, tree, [signer.key for signer in signers])
                if head.seq > grown.size:
                    grown = self._grow(grown, head.seq, tree is None)
                grown = self._sign(grown, known, signers, now_ms, timed=timed)
                report = Report({org: grown.size}, grown.size - (tree.size if tree else 0))
            grown = asking(grown)
            if self._archiving:
                self._archiving(grown)
        except HeadMoved:  # another run was here
            return report
        except Busy as error:
            report.failed[org] = error
        return report

    def _grow(self, tree: Tree, until_seq: int, new: bool) -> Tree:
        """Return the tree with what was sealed since, stored, as far as one run goes."""
        end = min(until_seq, tree.size + EVENTS_AT_ONCE)
        for grown, nodes in _steps(self._ledger, tree, end):
            self._trees.grow(None if new else tree, grown, nodes)
            tree, new = grown, False
        return tree

    def _signing(self, origin: str) -> list["_As"]:
        """Return who signs, as a log's name has it: those of each checkpoint before the others."""
        found = [
            _As(origin, type, signer)
            for signer in self._signers
            for type in types_of(signer.public_key)
        ]
        return sorted(found, key=lambda each: not each.key.signs_each)

    def _sign(
        self,
        tree: Tree,
        known: Sequence[LogKey],
        signers: Sequence["_As"],
        now_ms: int,
        *,
        timed: bool,
    ) -> Tree:
        """Sign a tree as it is stored; ``timed`` says in the checkpoint itself when that was.

        Returns:
            The tree as it is stored with its checkpoint.
        """
        text = checkpoints.Checkpoint(tree.origin, tree.size, tree.peaks.root).text
        signing = [each for each in signers if timed or each.key.signs_each]
        note = notes.signed(text, signing, now_ms // 1_000)
        keys = tuple(str(each.key) for each in signers)
        changed = [] if tree.keys == keys else _changed(tree, known, keys, now_ms)
        kept = {(key.since_size, key.verifier): key for key in (*known, *changed)}
        after = replace(
            tree,
            signed=tree.size,
            keys=keys,
            archived=min(tree.archived, tree.size - 1),  # else that of the same size was the last
            timed_ms=now_ms if timed else tree.timed_ms,
            history=history_of(kept.values()),
        )
        made = Checkpoint(tree.size, note.data.decode(), now_ms)
        told = _told(after, made) if timed and self._anchored(tree.org) else None
        self._trees.sign(tree, after, made, changed, told)
        return after

    def _origin(self, org: str) -> str:
        """Return what names an org's tree, wherever it is served from and whoever has the key."""
        return f"{LOGS}/{sha256(self._signers[0].public_key).hexdigest()[:16]}/{org}"


@dataclass(frozen=True, slots=True)
class _As(notes.Signer):
    """The deployment's key under the name that an org's checkpoints have."""

    name: str
    type: KeyType
    signer: Signer

    @property
    def key(self) -> Verifier:
        return Verifier(self.name, self.type, self.signer.public_key)

    def sign(self, message: bytes) -> bytes:
        return self.signer.sign(message)


def _told(tree: Tree, made: Checkpoint) -> tuple[Batch, bytes]:
    """Return the event that tells of a checkpoint, for those who keep what endpoints send."""
    data = {
        "origin": tree.origin,
        "size": tree.size,
        "root": to_base64(tree.peaks.root),
        "checkpoint": made.note,
    }
    event = {"type": CHECKPOINT, "action": "log", "data": data}
    return own_batch(tree.org, [event], new_id(made.made_at_ms))


def _changed(tree: Tree, known: Sequence[LogKey], keys: Sequence[str], now_ms: int) -> list[LogKey]:
    """Return the keys that begin to sign with a tree's checkpoint, and those that end."""
    signing = [key for key in known if key.until_size is None]
    ended = [key for key in signing if key.verifier not in keys]
    there = {key.verifier for key in signing}
    return [
        *(replace(key, until_size=tree.size, until_ms=now_ms) for key in ended),
        *(LogKey(key, tree.size, now_ms) for key in keys if key not in there),
    ]


def _steps(ledger: Ledger, tree: Tree, end_seq: int) -> Iterator[tuple[Tree, Sequence[Node]]]:
    """Yield a tree as it grows to a seq or somewhat beyond, with the new nodes that are kept.

    Each step is what one transaction can take.

    Raises:
        IntegrityError: what is sealed does not follow from what the tree was made of.
    """
    kept, moved = list[Node](), False
    for part in parts_after(ledger, tree.org, tree.size, tree.hash):
        peaks, nodes = tree.peaks.grown(_leaves(part, tree.size))
        new = [node for node in nodes if node.height % TILE_HEIGHT == 0]
        if len(kept) + len(new) > MOST_NODES:
            yield tree, kept
            kept = []
        kept += new
        tree, moved = replace(tree, peaks=peaks, hash=part.hash_after), True
        if tree.size >= end_seq:
            break
    if moved:
        yield tree, kept


def _leaves(part: Segment, size: int) -> Sequence[bytes]:
    """Return a part's leaves that a tree of this size does not have."""
    return part.leaves[size + 1 - part.first_seq :]
