"""What a stored checkpoint says."""

from tocsin.domain.errors import IntegrityError
from tocsin.domain.tree import Checkpoint
from tocsin.wire.log import checkpoints
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.notes import Note

__all__ = ["note_of", "said", "signed_root"]


def note_of(org: str, checkpoint: Checkpoint) -> Note:
    """Return the signed note of a stored checkpoint; nothing of it is verified.

    Raises:
        IntegrityError: it is none.
    """
    try:
        return Note.read(checkpoint.note.encode())
    except BadFormat as error:
        raise IntegrityError(org, checkpoint.size, f"its checkpoint is none: {error}") from error


def said(org: str, checkpoint: Checkpoint) -> checkpoints.Checkpoint:
    """Return what a stored checkpoint says; nothing of it is verified.

    Raises:
        IntegrityError: it is no checkpoint, one of another size, or of another org's log.
    """
    note, seq = note_of(org, checkpoint), max(checkpoint.size, 1)
    try:
        read = checkpoints.Checkpoint.read(note.text)
    except BadFormat as error:
        raise IntegrityError(org, seq, f"its checkpoint is none: {error}") from error
    if read.size != checkpoint.size:
        raise IntegrityError(org, seq, "its checkpoint is of another size")
    if not read.origin.endswith(f"/{org}"):
        raise IntegrityError(org, seq, "its checkpoint is of another org's log")
    return read


def signed_root(org: str, checkpoint: Checkpoint) -> bytes:
    """Return the root that a stored checkpoint says, 32 bytes.

    Raises:
        IntegrityError: as :func:`said` does.
    """
    return said(org, checkpoint).root
