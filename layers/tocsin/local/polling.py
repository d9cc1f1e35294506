"""The loop of the event source mapping: read the stream, invoke, keep the place."""

import time
from collections.abc import Callable, Sequence
from threading import Event

from botocore.exceptions import BotoCoreError, ClientError

from tocsin.local.functions import MappingSettings
from tocsin.local.invocations import Discarded, Invocation
from tocsin.local.invoke import Functions
from tocsin.local.mapping import EventSourceMapping
from tocsin.local.reader import Checkpoint, StreamReader
from tocsin.local.records import discarded_message

__all__ = ["Poller"]

_QUICK_SECONDS = 0.01  # between two looks at the stream after records came, growing to
_SLOW_SECONDS = 0.1
_LEADERLESS_SECONDS = 1.0  # the same while whoever writes the stream has delivered nothing
_OUTAGE_SECONDS = 0.2  # between two looks while DynamoDB can't be reached


class Poller:
    """The loop: read, invoke, checkpoint."""

    def __init__(
        self,
        settings: MappingSettings,
        reader: StreamReader,
        checkpoint: Checkpoint,
        functions: Functions,
        on_failure: Callable[[str], object] | None = None,
        drain_seconds: float = 10.0,
        function: str = "fanout",
        followers: "Sequence[Poller]" = (),
    ) -> None:
        """``on_failure`` gets a message about records that are given up; None: nobody does.

        ``followers`` read what this one's function writes: they look seldom until it was invoked.
        """
        self._function = function
        self._followers = followers
        self._leads = True
        for each in followers:
            each._leads = False
        self._nudged = Event()
        self._mapping = EventSourceMapping(settings)
        self._reader = reader
        self._checkpoint = checkpoint
        self._functions = functions
        self._on_failure = on_failure
        self._drain_seconds = drain_seconds
        self.stopping = Event()
        self.reading = False  # whether the last look at the stream worked
        self._trouble = False  # whether a failure of it was printed
        self.began = Event()  # set after the first look that worked: the tables are there

    def stop(self) -> None:
        """Have :meth:`run` end."""
        self.stopping.set()
        self._nudged.set()

    def run(self) -> None:
        """Go on until ``stopping`` is set; then deliver the rest, for ``drain_seconds`` at most."""
        wait, deadline = _QUICK_SECONDS, float("inf")
        while not (self.stopping.is_set() and time.monotonic() > deadline):
            if self.stopping.is_set():
                deadline = min(deadline, time.monotonic() + self._drain_seconds)
            found = self._read()
            if self._deliver():
                wait = _QUICK_SECONDS
            elif self.stopping.is_set() and self._mapping.idle and not found:
                break
            else:
                wait = min(wait * 1.25, self._slow_seconds()) if self.reading else _OUTAGE_SECONDS
                if self._pause(wait):
                    wait = _QUICK_SECONDS

    def _slow_seconds(self) -> float:
        return _SLOW_SECONDS if self._leads or not self._mapping.idle else _LEADERLESS_SECONDS

    def _read(self) -> bool:
        """Read on if there is room; return whether there were records."""
        if not self._mapping.wants_records:
            return True
        try:
            records = self._reader.read()
        except (BotoCoreError, ClientError) as error:
            if not self._trouble:
                print(f"the stream can't be read: {error}")
            self.reading, self._trouble = False, True
            return False
        self.reading, self._trouble = True, False
        self.began.set()
        self._mapping.offer(records, _now_ms())
        self._save()
        return bool(records)

    def _deliver(self) -> bool:
        """Send the batch that is due; return whether one was sent."""
        now_ms = _now_ms()
        if (old := self._mapping.expired(now_ms)) is not None:
            self._give_up(old)
        invocation = self._mapping.due(now_ms)
        if invocation is None or invocation.not_before_ms > now_ms:
            return False
        self._send(invocation)
        self._save()
        return True

    def _send(self, invocation: Invocation) -> None:
        answer = self._functions.invoke(self._function, invocation.payload)
        for each in self._followers:
            each._nudged.set()
        if answer is None or answer.status != 200:
            self._mapping.postponed(_now_ms())
            return
        if answer.succeeded:
            given_up = self._mapping.answered(answer.payload, _now_ms())
        else:
            print(f"{self._function} failed on {len(invocation.records)} records (see its log)")
            given_up = self._mapping.failed(_now_ms())
        if given_up is not None:
            self._give_up(given_up)

    def _give_up(self, given_up: Discarded) -> None:
        reader = self._reader
        message = discarded_message(
            given_up, self._function, reader.stream_arn, reader.shard_id, _now_ms()
        )
        print(f"given up: {message.decode()}")
        if self._on_failure is not None:
            self._on_failure(message.decode())

    def _save(self) -> None:
        self._checkpoint.save(self._reader.stream_arn, self._mapping.checkpoint)

    def _pause(self, seconds: float) -> bool:
        """Wait, and return whether there is a reason not to."""
        if self.stopping.is_set():
            time.sleep(seconds)
            return False
        nudged = self._nudged.wait(seconds)
        self._nudged.clear()
        return nudged


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
