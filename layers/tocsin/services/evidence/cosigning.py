"""The cosignatures of a stored checkpoint: which it has, and adding those that it has not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tocsin.domain.errors import HeadMoved, IntegrityError
from tocsin.domain.tree import Checkpoint
from tocsin.ports.evidence import Trees
from tocsin.services.evidence.said import note_of
from tocsin.wire.log.faults import BadEvidence, BadFormat
from tocsin.wire.log.keys import Verifier
from tocsin.wire.log.notes import Signature

__all__ = ["add", "has_signed"]

_TRIES: Final = 8


def has_signed(org: str, checkpoint: Checkpoint, key: Verifier) -> bool:
    """Whether a checkpoint has a key's signature.

    Raises:
        IntegrityError: it is none, or has one under the key's name that is not the key's.
    """
    try:
        return bool(note_of(org, checkpoint).verified([key]))
    except BadEvidence as error:
        reason = f"a cosignature of its checkpoint is none: {error}"
        raise IntegrityError(org, checkpoint.size, reason) from error


def add(
    trees: Trees, org: str, checkpoint: Checkpoint, found: Mapping[Verifier, Signature]
) -> None:
    """Add signatures to a checkpoint, each key's once, whatever others add at the same time.

    Raises:
        HeadMoved: it is not there any more, or others come first again and again.
        IntegrityError: what is stored is no checkpoint, or can't hold more.
    """
    for _ in range(_TRIES):
        more = [each for key, each in found.items() if not has_signed(org, checkpoint, key)]
        if not more:
            return
        try:
            note = note_of(org, checkpoint).adding(more)
        except BadFormat as error:
            reason = f"its checkpoint can't have more signatures: {error}"
            raise IntegrityError(org, checkpoint.size, reason) from error
        try:
            trees.cosign(org, checkpoint, replace(checkpoint, note=note.data.decode()))
        except HeadMoved:
            checkpoint = _again(trees, org, checkpoint)
        else:
            return
    raise HeadMoved(f"{org}: others cosign the checkpoint of {checkpoint.size:,}")


def _again(trees: Trees, org: str, checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint as it is stored by now."""
    for each in trees.checkpoints(org, checkpoint.size - 1, checkpoint.size):
        if each.made_at_ms == checkpoint.made_at_ms:
            return each
    raise HeadMoved(f"{org}: the checkpoint of {checkpoint.size:,} is not there any more")
