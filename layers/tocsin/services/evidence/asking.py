"""Ask one witness for its cosignature of a checkpoint. See https://c2sp.org/tlog-witness.

It is told from which size on that it has cosigned the checkpoint goes on, and how that is proved.
If it has another size, it says which, and is told again. Nothing that it answers is believed that
does not follow from its key; but that it has seen what was never signed here is told.
"""

import threading
from http import HTTPStatus
from typing import Final

from tocsin.domain.errors import Busy, TocsinError
from tocsin.domain.tree import Checkpoint
from tocsin.ports.evidence import Answer, Trees, Witness
from tocsin.ports.log import Ledger
from tocsin.services.evidence.growing import growth
from tocsin.services.evidence.nodes import Nodes
from tocsin.services.evidence.said import note_of, signed_root
from tocsin.wire.log.faults import BadEvidence, BadFormat
from tocsin.wire.log.growth import Growth
from tocsin.wire.log.notes import Note, Signature, read_signatures
from tocsin.wire.log.texts import number

__all__ = ["AnotherHistory", "Declined", "Failed", "History", "Later", "cosignature"]

_CLOCKS_APART_S: Final = 60 * 60
"""A cosignature says when it was made: by a clock that is further from ours it says nothing."""

_TIMES_ASKED: Final = 2


class Failed(Exception):
    """It does not answer, or not as a witness does: who asks it next would wait for nothing."""


class Declined(Exception):
    """It answers that it does not know the log, or its key."""


class Later(Exception):
    """It has cosigned a later checkpoint of ours by now."""


class AnotherHistory(TocsinError):
    """A witness has seen a log of this name that is not the one that was signed here."""


class History:
    """What was signed of an org, up to a checkpoint. Threads may use it at once."""

    def __init__(self, ledger: Ledger, trees: Trees, org: str, last: Checkpoint) -> None:
        self.org = org
        self.last = last
        self._trees = trees
        self._nodes = Nodes(ledger, trees, org, last.size)
        self._growths = dict[int, Growth | None]()
        self._lock = threading.Lock()  # so that each is read once, and each tile

    def signed(self, size: int) -> Checkpoint | None:
        """Return a checkpoint of a size, also one after the last; None: none was ever signed."""
        found = self._trees.checkpoint(self.org, size)
        return found if found is not None and found.size == size else None

    def growth(self, old: int) -> Growth | None:
        """Return the proof that the last checkpoint goes on from an earlier one, or from nothing.

        None: no checkpoint of that size was ever signed, or only a later one.

        Raises:
            IntegrityError: what is stored does not lead from one to the other.
            Busy: a store does not answer.
        """
        with self._lock:
            if old not in self._growths:
                self._growths[old] = self._growth(old) if old else self.from_nothing
            return self._growths[old]

    @property
    def from_nothing(self) -> Growth:
        """The proof for who has seen nothing: none."""
        return Growth(0, (), self.last.note.encode())

    def _growth(self, old: int) -> Growth | None:
        before = self.signed(old)
        if before is None or old > self.last.size:
            return None
        return growth(self.org, old, signed_root(self.org, before), self.last, self._nodes)


def cosignature(witness: Witness, history: History, old: int, now_s: int) -> Signature:
    """Return a witness' cosignature of the last checkpoint, which its key verifies.

    ``old`` is the size that it is said to have cosigned last, or 0.

    Raises:
        Failed, Declined, Later, AnotherHistory: there is none.
        IntegrityError: what is stored does not lead to the checkpoint.
        Busy: a store does not answer.
    """
    growth = history.growth(old) or history.from_nothing
    for _ in range(_TIMES_ASKED):
        try:
            answer = witness.add(growth.data)
        except Busy as error:
            raise Failed(str(error)) from error
        match answer.status:
            case HTTPStatus.OK:
                return _taken(witness, history, answer.body, now_s)
            case HTTPStatus.CONFLICT:
                growth = _from_there(witness, history, growth.old, answer)
            case HTTPStatus.UNPROCESSABLE_ENTITY if growth.old:
                raise _split(witness, history, f"its first {growth.old:,} events are others")
            case HTTPStatus.FORBIDDEN | HTTPStatus.NOT_FOUND:
                raise Declined(f"it does not know the log or its key ({answer.status})")
            case _:
                raise Failed(f"it answers {answer.status}")
    raise Failed("it says another size each time that it is asked")


def _from_there(witness: Witness, history: History, asked: int, answer: Answer) -> Growth:
    """Return the proof from the size that a witness says it has cosigned last."""
    last = history.last.size
    try:
        text = answer.body.decode("ascii").removesuffix("\n")
        size = number(text, "the size that a witness has cosigned")
    except (UnicodeDecodeError, BadFormat):
        size = None
    if asked == last and size in (None, last):
        raise _split(witness, history, f"its tree of {last:,} events has another root")
    if size is None or size == asked:
        raise Failed("it refuses the size that it was told, and says no other")
    if size > last and history.signed(size):
        raise Later
    growth = history.growth(size)
    if growth is None:
        raise _split(witness, history, f"no checkpoint of {size:,} events was ever signed here")
    return growth


def _split(witness: Witness, history: History, how: str) -> AnotherHistory:
    return AnotherHistory(
        f"the witness {witness.name} has seen another history of {history.org!r}: {how}"
    )


def _taken(witness: Witness, history: History, body: bytes, now_s: int) -> Signature:
    """Return the one of the signatures that were answered that is the witness' own, the newest."""
    key = witness.key
    try:
        text = note_of(history.org, history.last).text
        signed = Note(text, read_signatures(body.decode())).verified([key])  # others are ignored
    except UnicodeDecodeError as error:
        raise Failed("what it answers are no signatures") from error
    except BadEvidence as error:
        raise Failed(f"what it answers is no cosignature: {error}") from error
    if not signed:
        raise Failed(f"what it answers has no signature of {key.name}+{key.id.hex()}")
    newest = max(signed, key=lambda each: each.at_s or 0)
    if abs((newest.at_s or 0) - now_s) > _CLOCKS_APART_S:
        raise Failed(f"it says that it has signed at {newest.at_s}, a Unix time, and it is {now_s}")
    return newest.signature
