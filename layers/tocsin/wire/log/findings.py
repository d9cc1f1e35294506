"""What a check of a log has found, in words that people and programs understand."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from tocsin.domain.times import iso_ms
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.policies import Trusted
from tocsin.wire.log.texts import to_base64

__all__ = ["Finding", "Kind", "Known", "Report", "Verdict"]


class Verdict(StrEnum):
    """What can be said of a log."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNDECIDED = "undecided"


class Kind(StrEnum):
    """In which way a log is not what was signed."""

    EDITED = "edited"
    """An event, or its line, has other bytes."""
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    UNLINKED = "unlinked"
    """It does not follow from the one before: that was replaced, or some between are gone."""
    UNREADABLE = "unreadable"
    CUT = "cut"
    """The log ends before a checkpoint does."""
    REWRITTEN = "rewritten"
    """The chain follows, and does not lead to what was signed."""
    OTHER_ORG = "other org"
    OTHER_KEY = "other key"
    """A checkpoint has no signature, or a forged one, of those who are trusted."""
    TWO_VIEWS = "two views"
    """The log's key has signed two histories, of which one at most is true."""
    WITHHELD = "withheld"
    """Tocsin itself says that what is stored is not what was sealed, and does not give it."""


_END_S: Final = 253_402_300_800  # the year 10,000, which a cosignature can claim

_WORDS: Final = {
    Kind.EDITED: "was edited",
    Kind.REMOVED: "was removed",
    Kind.INSERTED: "was inserted",
    Kind.REORDERED: "is not in its place",
    Kind.UNLINKED: "does not follow",
    Kind.UNREADABLE: "can't be read",
    Kind.CUT: "is missing",
    Kind.REWRITTEN: "is not what was signed",
    Kind.OTHER_ORG: "is another org's",
    Kind.TWO_VIEWS: "is not what was signed before",
    Kind.WITHHELD: "is withheld",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: it is of an event from ``seq`` to ``until_seq``, the first ones in doubt.

    None: it is of no event, but of a checkpoint.
    """

    kind: Kind
    reason: str
    seq: int | None = None
    until_seq: int | None = None

    def __str__(self) -> str:
        """Return it as a sentence."""
        if self.seq is None or self.kind not in _WORDS:
            return f"{self.kind}: {self.reason}"
        words = _WORDS[self.kind]
        if self.until_seq is None or self.until_seq == self.seq:
            return f"seq {self.seq} {words}: {self.reason}"
        return f"an event from seq {self.seq} to {self.until_seq} {words}: {self.reason}"

    @property
    def fields(self) -> dict[str, Any]:
        """It as JSON."""
        last = self.seq if self.until_seq is None else self.until_seq
        return {"kind": self.kind, "seq": self.seq, "until_seq": last, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Known:
    """A checkpoint that whom the reader trusts has signed; ``name`` says where it comes from."""

    name: str
    trusted: Trusted

    def __str__(self) -> str:
        """Return which one it is, for a sentence."""
        return f"the checkpoint of {self.checkpoint.size:,} events ({self.name})"

    @property
    def checkpoint(self) -> Checkpoint:
        """What it says."""
        return self.trusted.checkpoint

    @property
    def signers(self) -> list[str]:
        """The keys of the log that have signed it, by name and id."""
        return [f"{each.key.name}+{each.key.id.hex()}" for each in self.trusted.logs]

    @property
    def witnesses(self) -> list[str]:
        """Who has cosigned it, and when each says that it was."""
        return [
            witness.name.decode(errors="replace")
            + (f" at {iso_ms(at_s * 1_000)}" if 0 < (at_s := signed.at_s or 0) < _END_S else "")
            for witness, signed in self.trusted.cosigned
        ]


@dataclass(slots=True)
class Report:
    """What is known of a log after a check.

    Attributes:
        origin: Its name, None where no checkpoint is trusted.
        first_seq: Of the events that were looked at …
        last_seq: … and the last one; that before the first where there are none.
        leaves: Of how many of them there are hashes alone, the events being past the retention.
        held: The checkpoints to which they lead, the smallest first.
        broken: What is wrong, the first in the log first.
        undecided: What could not be told, and why.
        notes: What else a reader should know.
    """

    origin: str | None = None
    first_seq: int = 1
    last_seq: int = 0
    leaves: int = 0
    held: list[Known] = field(default_factory=list)
    broken: list[Finding] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """What can be said: that it holds, only of a signed checkpoint, and if nothing is open."""
        if self.broken:
            return Verdict.BROKEN
        return Verdict.HOLDS if self.held and not self.undecided else Verdict.UNDECIDED

    @property
    def fields(self) -> dict[str, Any]:
        """It as JSON."""
        return {
            "verdict": self.verdict,
            "origin": self.origin,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "leaves_alone": self.leaves,
            "checkpoints": [
                {
                    "name": known.name,
                    "size": known.checkpoint.size,
                    "root": to_base64(known.checkpoint.root),
                    "signed_by": known.signers,
                    "cosigned_by": known.witnesses,
                }
                for known in self.held
            ],
            "broken": [finding.fields for finding in self.broken],
            "undecided": self.undecided,
            "notes": self.notes,
        }
