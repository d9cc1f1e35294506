"""Before a tree grows and is signed: whether what is stored of it is what was signed before.

Who can write the state table can write a tree into it that no ledger has, and the function would
sign that with the genuine key. So a tree is believed as far as it leads to its last checkpoint,
which has the signature of each key that it says.

They can also remove the tree, or set it back to what it once was. Of that the archive tells, where
there is one: it has no checkpoint that the tables lack, since each is stored before it is archived.
"""

from collections.abc import Sequence
from typing import Final

from tocsin.domain.errors import Busy, HeadMoved, IntegrityError
from tocsin.domain.merkle import BadProof, check_consistency, consistency, root_of
from tocsin.domain.tree import Checkpoint, LogKey, Tree, history_of
from tocsin.ports.evidence import Archive, Trees
from tocsin.ports.log import Ledger
from tocsin.services.evidence.nodes import Nodes
from tocsin.services.evidence.said import note_of, said
from tocsin.wire.log import checkpoints
from tocsin.wire.log.faults import BadEvidence, BadFormat
from tocsin.wire.log.keys import Verifier
from tocsin.wire.log.notes import Note

__all__ = ["LOGS", "Continuing"]

LOGS: Final = "tocsin"
"""What the names of all logs begin with: a slash, a hash of a key, a slash and the org follow."""


class Continuing:
    """Says of an org's tree, as it was read, whether it may be gone on with."""

    def __init__(self, ledger: Ledger, trees: Trees, archive: Archive | None = None) -> None:
        self._ledger = ledger
        self._trees = trees
        self._archive = archive

    def __call__(self, org: str, tree: Tree | None, keys: Sequence[Verifier]) -> Sequence[LogKey]:
        """Return what is known of the log's keys.

        Args:
            org: Whose tree it is.
            tree: What is stored of it; None: nobody began it.
            keys: Those of the deployment, under the log's name.

        Raises:
            IntegrityError: what is stored is not what was signed.
            HeadMoved: another run has changed the tree.
            Busy: a store does not answer; or the archive, and there is no checkpoint yet. Later
                ones don't wait for it.
        """
        last, known = self._trees.checkpoint(org), self._trees.keys(org)
        try:
            self._check(org, tree, last, known, keys)
            if self._archive:
                try:
                    self._check_archive(self._archive, org, last)
                except Busy:
                    if last is None:
                        raise
        except IntegrityError as error:
            if self._trees.get(org) != tree:
                raise HeadMoved(f"{org}: the tree is otherwise by now") from error
            raise
        return known

    def _check(
        self,
        org: str,
        tree: Tree | None,
        last: Checkpoint | None,
        known: Sequence[LogKey],
        keys: Sequence[Verifier],
    ) -> None:
        if tree is not None and not tree.origin.endswith(f"/{org}"):
            raise IntegrityError(org, 1, "its tree has the name of another log")
        if tree is not None and tree.history not in (b"", history_of(known)):
            raise IntegrityError(org, 1, "the history of the log's keys is not what it was")
        if tree is None or tree.signed is None:
            if last is not None or known:
                raise IntegrityError(org, 1, "checkpoints were signed of it, and its tree is gone")
            if tree is not None:
                self._lead(tree, 0, b"")
            return
        size = tree.signed
        if last is None or last.size < size or last.made_at_ms < tree.signed_since_ms:
            raise IntegrityError(org, max(size, 1), "its last checkpoint is gone")
        if last.size > size:
            raise IntegrityError(org, last.size, "there is a checkpoint that the tree did not have")
        checkpoint = said(org, last)
        if checkpoint.origin != tree.origin:
            raise IntegrityError(org, 1, "its tree has another name than its last checkpoint")
        _check_signatures(tree, last, keys)
        if tree.size == size and tree.peaks.root != checkpoint.root:
            raise IntegrityError(org, 1, "its tree has another root than its last checkpoint")
        if tree.size != size:
            self._lead(tree, size, checkpoint.root)

    def _check_archive(self, archive: Archive, org: str, last: Checkpoint | None) -> None:
        """Check that an archive has no checkpoint of an org that is not in the tables."""
        if last is not None:
            name = said(org, last).origin
            note = archive.get(f"{name}/checkpoint")
            if note is not None:
                self._check_archived(org, note, last)
                return
        for each in archive.folders(LOGS):
            name = f"{LOGS}/{each}/{org}"
            if archive.get(f"{name}/checkpoint") is not None:
                what = "no checkpoint" if last is None else "another name"
                reason = f"the archive has its log {name}, and the tables have {what}"
                raise IntegrityError(org, 1, reason)

    def _check_archived(self, org: str, note: bytes, last: Checkpoint) -> None:
        """Check that the last checkpoint of an archive is one that the tables have."""
        try:
            checkpoint = checkpoints.Checkpoint.read(Note.read(note).text)
        except BadFormat as error:
            reason = f"the last checkpoint in the archive is none: {error}"
            raise IntegrityError(org, max(last.size, 1), reason) from error
        size, seq = checkpoint.size, max(min(checkpoint.size, last.size), 1)
        if size > last.size:
            reason = f"the archive has a checkpoint of {size:,} events, the tables of {last.size:,}"
            raise IntegrityError(org, seq, reason)
        ours = last if size == last.size else self._trees.checkpoint(org, size)
        if ours is None or ours.size != size or said(org, ours) != checkpoint:
            reason = f"the archive has a checkpoint of {size:,} events that is not in the tables"
            raise IntegrityError(org, seq, reason)

    def _lead(self, tree: Tree, size: int, root: bytes) -> None:
        """Check a tree that has grown, and was not signed: it leads on from what was."""
        if tree.size < size:
            reason = "its tree is smaller than its last checkpoint"
            raise IntegrityError(tree.org, tree.size + 1, reason)
        nodes = Nodes(self._ledger, self._trees, tree.org, tree.size)
        try:
            if root_of(tree.size, nodes) != tree.peaks.root:
                raise BadProof("its nodes lead to another root")
            if size:
                hashes = consistency(size, tree.size, nodes)
                check_consistency(size, root, tree.size, tree.peaks.root, hashes)
        except BadProof as error:
            reason = f"its tree does not lead on from what was signed: {error}"
            raise IntegrityError(tree.org, size + 1, reason) from error


def _check_signatures(tree: Tree, last: Checkpoint, keys: Sequence[Verifier]) -> None:
    """Check that each key that is said to have signed has, and what ours are said to have."""
    try:
        stored = [Verifier.read(each) for each in tree.keys]
    except BadFormat as error:
        raise IntegrityError(tree.org, last.size, f"a key of its tree is none: {error}") from error
    needed = {key for key in stored if key.signs_each and key.can_verify}
    try:
        found = note_of(tree.org, last).verified({*stored, *keys})
    except BadEvidence as error:
        reason = f"its last checkpoint was not signed as it is: {error}"
        raise IntegrityError(tree.org, last.size, reason) from error
    if not needed or needed.difference(each.key for each in found):
        reason = "its last checkpoint lacks the signature of a key that has signed it"
        raise IntegrityError(tree.org, last.size, reason)
