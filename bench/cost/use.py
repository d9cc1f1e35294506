"""What was used: by invocations of a function, and by some seconds of traffic."""

from collections import Counter
from dataclasses import dataclass, field

from bench.cost.assumed import CPU_FACTOR, FULL_CORE_MB

__all__ = ["TAILS", "Run", "Use", "billed_ms", "function_of"]

TAILS = "project, by tails"
"""What project uses when its own messages invoke it, and not the ledger's stream."""


@dataclass(slots=True)
class Use:
    """What invocations of one function used, together."""

    invocations: int = 0
    cpu_ms: float = 0.0
    waits_ms: float = 0.0
    log_bytes: int = 0
    writes: Counter[str] = field(default_factory=Counter)  # units, by the kind of item
    reads: Counter[str] = field(default_factory=Counter)
    ecpus: float = 0.0
    messages: int = 0  # sent to SQS
    signatures: int = 0  # made by KMS

    def less(self, other: "Use") -> "Use":
        """Return how much more this used than ``other``, as no invocation."""
        return Use(
            cpu_ms=max(0.0, self.cpu_ms - other.cpu_ms),
            waits_ms=self.waits_ms - other.waits_ms,
            writes=self.writes - other.writes,
            reads=self.reads - other.reads,
            ecpus=self.ecpus - other.ecpus,
            signatures=self.signatures - other.signatures,
        )


@dataclass(slots=True)
class Run:
    """Some seconds of steady traffic."""

    size: int
    events: int = 0
    sent_bytes: int = 0
    answered_bytes: int = 0
    told_bytes: int = 0  # published, which is what a viewer gets
    uses: dict[str, Use] = field(default_factory=dict)  # by function; see TAILS
    first: Use = field(default_factory=Use)  # the first request to an environment
    mark_units: float = 0.0  # once a minute
    swept_events: int = 0
    sweep: Use = field(default_factory=Use)  # of all these events
    idle_sweep: Use = field(default_factory=Use)  # of nothing
    checkpointed_events: int = 0  # by which the checkpoint is of more than the little one
    checkpoint: Use = field(default_factory=Use)
    little_checkpoint: Use = field(default_factory=Use)  # of one batch
    idle_checkpoint: Use = field(default_factory=Use)  # of nothing
    keyed: Use = field(default_factory=Use)  # KEYED_REQUESTS requests
    identified: Use = field(default_factory=Use)  # as many, of CloudEvents
    stored_bytes: dict[str, float] = field(default_factory=dict)  # an event, by table
    metrics: set[str] = field(default_factory=set)

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self.events // self.size


def billed_ms(use: Use, memory_mb: int) -> float:
    """Return the time that Lambda bills, each invocation rounded up to a millisecond."""
    core = min(1.0, memory_mb / FULL_CORE_MB)
    return use.cpu_ms * CPU_FACTOR / core + use.waits_ms + use.invocations / 2


def function_of(name: str) -> str:
    """Return whose use it is that has this name."""
    return name.partition(",")[0]
