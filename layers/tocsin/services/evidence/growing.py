"""A proof that a checkpoint goes on from an earlier tree, made from what is stored and checked."""

from tocsin.domain.errors import IntegrityError
from tocsin.domain.merkle import BadProof, check_consistency, consistency
from tocsin.domain.tree import Checkpoint
from tocsin.services.evidence.nodes import Nodes
from tocsin.services.evidence.said import signed_root
from tocsin.wire.log.growth import Growth

__all__ = ["growth"]


def growth(org: str, old: int, old_root: bytes, last: Checkpoint, nodes: Nodes) -> Growth:
    """Return the proof that a checkpoint goes on from a tree of ``old`` events with this root.

    ``nodes`` are those of the checkpoint's tree.

    Raises:
        IntegrityError: what is stored does not lead from one to the other.
        Busy: a store does not answer.
    """
    hashes = consistency(old, last.size, nodes)
    try:
        check_consistency(old, old_root, last.size, signed_root(org, last), hashes)
    except BadProof as error:
        reason = f"what is stored does not lead from a tree of {old:,} to the checkpoint: {error}"
        raise IntegrityError(org, 1, reason) from error
    return Growth(old, tuple(hashes), last.note.encode())
