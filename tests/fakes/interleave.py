"""Runs functions concurrently, one port call at a time, in a chosen order and with chosen crashes.

Each task runs in a thread of its own that stops at every port call until the chooser lets it go on.
"""

import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from tocsin.domain.errors import Busy, OutcomeUnknown


class Move(Enum):
    """What becomes of the task that is let go."""

    GO_ON = auto()
    CRASH_BEFORE = auto()
    CRASH_AFTER = auto()
    BUSY = auto()  # a port says that nothing was done
    LOST_BEFORE = auto()  # its answer is lost, and nothing was done
    LOST_AFTER = auto()  # its answer is lost, though it was done


_WRITES = frozenset(
    {"put", "give", "erase", "save", "save_replay", "drop_replay", "write", "put_with"}
)
_NEVER_FAIL = frozenset({"send", "now_ms"})


class Crash(BaseException):
    """The process is killed here. Not an Exception, so that nothing handles it."""


class _Task:
    def __init__(self, run: Callable[["Gate"], object]) -> None:
        self.go = threading.Semaphore(0)
        self.back = threading.Semaphore(0)
        self.move = Move.GO_ON
        self.done = False
        self.error: BaseException | None = None
        self._run = run
        self.thread = threading.Thread(target=self._main, daemon=True)

    def _main(self) -> None:
        self.go.acquire()
        try:
            self._run(Gate(self))
        except Crash:
            pass
        except BaseException as error:
            self.error = error
        self.done = True
        self.back.release()

    def step(self, move: Move) -> None:
        self.move = move
        self.go.release()
        self.back.acquire()

    def stop_here(self) -> Move:
        self.back.release()
        self.go.acquire()
        return self.move


class Gate:
    """Wraps ports so that each of their calls waits for its turn."""

    def __init__(self, task: _Task) -> None:
        self._task = task

    def __call__(self, port: Any) -> Any:
        return _Gated(port, self._task)


class _Gated:
    def __init__(self, port: Any, task: _Task) -> None:
        self._port = port
        self._task = task

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            move = self._task.stop_here()
            if move is Move.CRASH_BEFORE:
                raise Crash
            failing = move if name not in _NEVER_FAIL else Move.GO_ON
            lost = OutcomeUnknown if name in _WRITES else Busy
            if failing is Move.BUSY:
                raise Busy("later")
            if failing is Move.LOST_BEFORE:
                raise lost("nobody knows")
            result = method(*args, **kwargs)
            if move is Move.CRASH_AFTER:
                raise Crash
            if failing is Move.LOST_AFTER:
                raise lost("nobody knows")
            return result

        return call


def interleave(
    runs: list[Callable[[Gate], object]], choose: Callable[[int], tuple[int, Move]]
) -> None:
    """Run all to their ends; ``choose(n)`` says which of the ``n`` unfinished moves, and how."""
    tasks = [_Task(run) for run in runs]
    for task in tasks:
        task.thread.start()
    try:
        while waiting := [task for task in tasks if not task.done]:
            index, move = choose(len(waiting))
            waiting[index].step(move)
    finally:  # where the chooser gave up
        for task in tasks:
            while not task.done:
                task.step(Move.CRASH_BEFORE)
    for task in tasks:
        task.thread.join()
        if task.error is not None:
            raise task.error
