"""What a stored checkpoint says."""

from tocsin.domain.errors import IntegrityError
from tocsin.domain.tree import Checkpoint
from tocsin.wire.log import checkpoints
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.notes import Note

__all__ = ["note_of", "signed_root"]


def note_of(org: str, checkpoint: Checkpoint) -> Note:
    """Return the signed note of a stored checkpoint; nothing of it is verified.

    Raises:
        IntegrityError: it is none.
    """
    try:
        return Note.read(checkpoint.note.encode())
    except BadFormat as error:
        raise IntegrityError(org, checkpoint.size, f"its checkpoint is none: {error}") from error


def signed_root(org: str, checkpoint: Checkpoint) -> bytes:
    """Return the root that a stored checkpoint says, 32 bytes.

    Raises:
        IntegrityError: it is no checkpoint, or one of another size.
    """
    note = note_of(org, checkpoint)
    try:
        said = checkpoints.Checkpoint.read(note.text)
    except BadFormat as error:
        raise IntegrityError(org, checkpoint.size, f"its checkpoint is none: {error}") from error
    if said.size != checkpoint.size:
        raise IntegrityError(org, checkpoint.size, "its checkpoint is of another size")
    return said.root
