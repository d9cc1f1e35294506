"""The functions that run here: one row for each, which the other modules read.

A new function takes a new row, and a ``handler.py`` in its folder of ``functions/``. Values are
as deployed, except those named ``…_here``: ``tests/infra/synth/test_local_functions.py``
compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

__all__ = [
    "FUNCTIONS",
    "PROCESSES",
    "QUEUES",
    "Consumes",
    "Every",
    "LocalFunction",
    "MappingSettings",
    "Queue",
    "Receives",
    "hosted",
]

Queue = Literal["expiry", "tails", "wakes", "slow-wakes"]
"""A queue: ``TOCSIN_<QUEUE>_QUEUE_URL`` says where it is."""


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """The mapping's settings, with AWS' names and meanings; -1 is unlimited."""

    batch_size: int = 100
    maximum_batching_window_ms: int = 0
    maximum_retry_attempts: int = -1
    maximum_record_age_seconds: int = -1
    bisect_batch_on_function_error: bool = False
    report_batch_item_failures: bool = True
    event_names: frozenset[str] = frozenset({"INSERT"})  # the filter's eventName


@dataclass(frozen=True, slots=True)
class Consumes:
    """The table whose stream invokes a function, and how (an event source mapping)."""

    table: Literal["journal", "ledger"]
    batch_size: int
    window_ms: int  # how long a batch waits for more, unless a deployment chooses otherwise
    # Shorter: people who try Tocsin should not wait, and invocations and writes cost nothing here.
    window_here_ms: int
    # Only records whose partition key begins so are meant. Not applied here: it only saves
    # invocations, since the handler skips the others anyway.
    key_prefix: str = ""

    @property
    def deployed(self) -> MappingSettings:
        """The mapping as it is deployed; no record is ever given up."""
        return MappingSettings(
            batch_size=self.batch_size,
            maximum_batching_window_ms=self.window_ms,
            bisect_batch_on_function_error=True,
        )

    @property
    def here(self) -> MappingSettings:
        """The mapping on this machine."""
        return replace(self.deployed, maximum_batching_window_ms=self.window_here_ms)


@dataclass(frozen=True, slots=True)
class Every:
    """How often a function is invoked by schedule; the event is ``{}``."""

    seconds: float
    at_start_here: bytes = b"{}"  # the first event, sent as soon as the streams can be read


_VISIBILITY_HERE_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Receives:
    """The queue whose messages invoke a function, and how."""

    queue: Queue
    batch_size: int
    visibility_seconds: int  # until a message that was received and not deleted comes again

    @property
    def visibility_here_seconds(self) -> int:
        """The same on this machine, where a queue has one poller, which waits for the function."""
        return min(self.visibility_seconds, _VISIBILITY_HERE_SECONDS)


@dataclass(frozen=True, slots=True)
class LocalFunction:
    """One function; ``functions/<name>/handler.py`` is its code."""

    name: str
    timeout_seconds: int
    memory_mb: int
    # The paths of the requests that it answers, and the prefixes of those, which end with a slash.
    # The longest decides, "/" takes the rest.
    routes: tuple[str, ...] = ()
    consumes: Consumes | None = None
    receives: tuple[Receives, ...] = ()
    every: Every | None = None
    beside_here: str | None = None  # shares that one's process: it runs too rarely for its own
    env_here: Mapping[str, str] = field(default_factory=dict)  # unless the user sets them
    # How many of its invocations run here at the same time, in threads: on Lambda each has an
    # environment of its own. For a function that waits for others.
    at_once_here: int = 1

    @property
    def process(self) -> str:
        """The part that hosts it."""
        return self.beside_here or self.name


# What only `tocsin up` allows: endpoints on this machine, without TLS.
_LOOPBACK: Final = {"TOCSIN_LOOPBACK_RECEIVERS": "true"}

# In the order of the events' way: what one still writes at the end reaches those after it.
FUNCTIONS: Final[Mapping[str, LocalFunction]] = {
    function.name: function
    for function in (
        LocalFunction(
            "ingest",
            timeout_seconds=29,
            memory_mb=512,
            routes=(
                *("/api/v1/ingest/", "/v1/cloudevents"),
                *("/v1/traces", "/v1/logs", "/v1/metrics"),
            ),
        ),
        LocalFunction(
            "api",
            timeout_seconds=29,
            memory_mb=512,
            routes=("/",),
            env_here=_LOOPBACK,
            at_once_here=8,  # hooks of coding agents wait for people
        ),
        LocalFunction(
            "fanout",
            timeout_seconds=60,
            memory_mb=1024,
            consumes=Consumes("journal", batch_size=100, window_ms=1_000, window_here_ms=0),
        ),
        LocalFunction(
            "project",
            timeout_seconds=60,
            memory_mb=1024,
            consumes=Consumes(
                "ledger",
                batch_size=1_000,
                window_ms=1_000,
                window_here_ms=0,
                key_prefix="segment#",
            ),
            receives=(Receives("tails", batch_size=10, visibility_seconds=360),),
            env_here={"TOCSIN_PROJECT_SECONDS": "2"},
        ),
        LocalFunction(
            "sweeper",
            timeout_seconds=60,
            memory_mb=1024,
            # The emulator's streams begin anew with it, so what was accepted but not sealed before
            # its restart comes through no stream: at the start it looks at everything, however
            # young.
            every=Every(300, at_start_here=b'{"min_age_seconds":0}'),
            beside_here="project",
        ),
        LocalFunction(
            "checkpoint",
            timeout_seconds=60,
            memory_mb=512,
            every=Every(60),
            beside_here="project",
        ),
        LocalFunction(
            "expire",
            timeout_seconds=30,
            memory_mb=512,
            receives=(Receives("expiry", batch_size=10, visibility_seconds=180),),
            every=Every(60),
            beside_here="project",
        ),
        LocalFunction(
            "detect",
            timeout_seconds=60,
            memory_mb=1024,
            consumes=Consumes(
                "ledger",
                batch_size=1_000,
                window_ms=5_000,
                window_here_ms=1_000,
                key_prefix="segment#",
            ),
            every=Every(60),
        ),
        LocalFunction(
            "deliver",
            timeout_seconds=60,
            memory_mb=512,
            receives=(
                Receives("wakes", batch_size=10, visibility_seconds=360),
                Receives("slow-wakes", batch_size=10, visibility_seconds=360),
            ),
            every=Every(60),
            env_here=_LOOPBACK,
            at_once_here=8,
        ),
    )
}

QUEUES: Final[Mapping[Queue, Receives]] = {
    receives.queue: receives for function in FUNCTIONS.values() for receives in function.receives
}
PROCESSES: Final = tuple(dict.fromkeys(function.process for function in FUNCTIONS.values()))


def hosted(process: str) -> tuple[LocalFunction, ...]:
    """Return the functions of one process; the first gives it its Lambda name."""
    return tuple(each for each in FUNCTIONS.values() if each.process == process)
