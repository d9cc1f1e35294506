"""What a run saw, and what was wrong with it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from support.chaos.faults import FAULTS, Fault
from support.chaos.subscriber import RESUMES

__all__ = ["Report"]

_SHOWN = 20  # of what is wrong


@dataclass
class Report:
    """``wrong`` is empty when every promise was kept; see also :attr:`vacuous`."""

    seed: int
    seconds: float = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    subscribers: int = 0
    events: int = 0
    retries: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # of all subscribers
    views: Counter[str] = field(default_factory=Counter)  # messages by view
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def reconnections(self) -> int:
        return self.counts["opened"] - self.subscribers

    @property
    def vacuous(self) -> list[str]:
        """What did not happen, without which the rest proves little."""
        return [
            *(f"never happened: {fault}" for fault in FAULTS if not self.faults[fault]),
            *(f"nobody resumed by {how}" for how in RESUMES if not self.counts[how]),
            *(
                f"no subscriber was {how}"
                for how in ("cut", "ended", "left")
                if not self.counts[how]
            ),
            *(["no slow reader slept"] if not self.counts["slept"] else []),
            *(["no producer had to retry"] if not self.retries else []),
            *(["subscribers did not reconnect"] if self.reconnections < self.subscribers else []),
            *(f"no message of {view}" for view, count in self.views.items() if not count),
        ]

    def lines(self) -> Iterator[str]:
        """Say it for people."""
        counts = self.counts
        yield f"chaos: {self.seconds:.0f} s, seed {self.seed}"
        yield "  faults: " + ", ".join(f"{each} {self.faults[each]}" for each in FAULTS)
        yield f"  events: {self.events:,} accepted, {self.retries:,} requests sent again"
        yield (
            f"  subscribers: {self.subscribers}, {self.reconnections:,} reconnections "
            f"({counts['cut']:,} cut, {counts['ended']:,} ended by the service, "
            f"{counts['left']:,} left by themselves, {counts['refused']:,} refused at first), "
            f"{counts['slept']:,} pauses of slow readers"
        )
        yield (
            f"  messages: {counts['messages']:,}; {self.lost} lost, {self.doubled} doubled, "
            f"{self.reordered} reordered"
        )
        for each in self.wrong[:_SHOWN]:
            yield f"  WRONG: {each}"
        if len(self.wrong) > _SHOWN:
            yield f"  … and {len(self.wrong) - _SHOWN} more"
        for each in self.vacuous:
            yield f"  VACUOUS: {each}"

    def __str__(self) -> str:
        return "\n".join(self.lines())
