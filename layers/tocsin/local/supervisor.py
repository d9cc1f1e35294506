"""Starts the parts, starts again those that die, and stops them in order."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path

import httpx

from tocsin.local import health
from tocsin.local.child import Backoff, Child, Exit
from tocsin.local.layout import DYNAMODB, Layout
from tocsin.local.parts import DEPENDENTS
from tocsin.local.screen import Screen

__all__ = ["DEATHS_BEFORE_READY", "StartFailed", "Supervisor"]

START_SECONDS = 90.0
DEATHS_BEFORE_READY = 3


class StartFailed(Exception):
    """The product did not get ready; ``log`` is a file that may tell why."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


class Supervisor:
    """Keeps the parts running while :meth:`run` does.

    ``prepare`` makes the tables and the key, blocking; it is called whenever the DynamoDB emulator
    has come up.
    """

    def __init__(
        self,
        layout: Layout,
        children: Mapping[str, Child],
        screen: Screen,
        prepare: Callable[[], None],
    ) -> None:
        self._layout = layout
        self._children = children
        self._screen = screen
        self._prepare = prepare
        self._prepared = asyncio.Event()
        self._stopping = asyncio.Event()
        self.was_ready = False  # whether all parts were ready, at least once
        self._down: set[str] = set()
        self._recovery: asyncio.Task[None] | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Start everything, call ``ready`` once all parts are, and go on until told to stop.

        SIGTERM, SIGINT and SIGHUP tell it to stop. No process is left when it returns or raises.

        Raises:
            StartFailed: a part keeps ending, or does not get ready.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        keeping = [asyncio.create_task(self._keep(each)) for each in self._children.values()]
        stopped = asyncio.create_task(self._stopped())
        waiting = asyncio.create_task(self._all_ready(START_SECONDS))
        try:
            with self._screen.starting(self._children):
                await _first(*keeping, stopped, waiting)
            if not stopped.done():
                self.was_ready = True
                self._down.clear()
                ready()
                await _first(*keeping, stopped)
        finally:
            self._stopping.set()
            waiting.cancel()
            await self._stop()
            await asyncio.gather(*keeping, stopped, waiting, return_exceptions=True)

    async def _stopped(self) -> None:
        await self._stopping.wait()

    async def _keep(self, child: Child) -> None:
        """Run a part, again whenever it ends."""
        backoff = Backoff()
        while True:
            ended = await self._run(child)
            if ended is None or self._stopping.is_set():
                return
            if child.replaced:
                continue
            wait = backoff.after(ended.lived_seconds)
            log = self._layout.log(child.name)
            if not self.was_ready and backoff.failures >= DEATHS_BEFORE_READY:
                raise StartFailed(f"{child.name} {ended}, again and again. The end of {log}:", log)
            self._tell(child.name, ended)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def _run(self, child: Child) -> Exit | None:
        if child.name != DYNAMODB:
            return await child.run()
        preparing = asyncio.create_task(self._prepare_tables(again=child.starts > 0))
        running = asyncio.create_task(child.run())
        await asyncio.wait({preparing, running}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done() and (error := preparing.exception()):
            log = self._layout.log(DYNAMODB)
            raise StartFailed(f"the tables can't be made ({error}). The end of {log}:", log)
        ended = await running
        self._prepared.clear()
        preparing.cancel()
        return ended

    async def _prepare_tables(self, *, again: bool) -> None:
        """Make the tables once that is possible; restart the parts that rely on earlier ones."""
        async with httpx.AsyncClient(trust_env=False) as client:
            await health.wait_for(client, self._layout, DYNAMODB)
        await asyncio.to_thread(self._prepare)
        for name in DEPENDENTS if again else ():
            self._children[name].replace()
        self._prepared.set()

    async def _all_ready(self, seconds: float | None) -> None:
        """Wait until the gateway, which the user talks to, finds every part ready."""
        state = ""
        try:
            async with asyncio.timeout(seconds), httpx.AsyncClient(trust_env=False) as client:
                await self._prepared.wait()
                while True:
                    state = await health.ask_gateway(client, self._layout)
                    if not state:
                        return
                    await asyncio.sleep(health.LOOK_SECONDS)
        except TimeoutError:
            what = state or "the tables can't be made"
            log = self._layout.log(DYNAMODB) if not state else None
            raise StartFailed(f"not ready after {seconds:g} s: {what}", log) from None

    def _tell(self, name: str, ended: Exit) -> None:
        """Tell the user of a death, and later of the recovery."""
        lost = name == DYNAMODB and ended.returncode != 0
        self._screen.died(name, str(ended), lost=lost)
        self._down.add(name)
        if self.was_ready and (self._recovery is None or self._recovery.done()):
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        await self._all_ready(None)
        self._screen.back(sorted(self._down))
        self._down.clear()

    async def _stop(self) -> None:
        """Stop the parts stage by stage; the last one saves the tables."""
        if self._recovery is not None:
            self._recovery.cancel()
        self._screen.stopping()
        children = sorted(self._children.values(), key=lambda child: child.part.stage)
        for _, stage in groupby(children, key=lambda child: child.part.stage):
            together = list(stage)
            ends = await asyncio.gather(*(child.stop() for child in together))
            for child, end in zip(together, ends, strict=True):
                if end is not None and end.returncode == -signal.SIGKILL:
                    self._screen.problem(f"{child.name} did not stop and had to be killed")


async def _first(*tasks: "asyncio.Task[None]") -> None:
    """Wait until the first of them ends, and raise what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
