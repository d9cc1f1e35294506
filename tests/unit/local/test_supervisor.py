"""The supervisor, over processes that do as the test says."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from support.asgi import served
from support.waiting import until
from tocsin.local.addresses import reserve
from tocsin.local.child import Child
from tocsin.local.layout import Layout
from tocsin.local.parts import DEPENDENTS, Part
from tocsin.local.screen import Screen
from tocsin.local.supervisor import StartFailed, Supervisor

SERVING = """
import signal, sys, time
def end(*_):
    with open("ends", "a") as ends:
        ends.write(NAME + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
open(NAME, "w").close()
time.sleep(60)
"""


class World:
    """Parts in a folder, and what was shown of them."""

    def __init__(self, folder: Path, port: int) -> None:
        (folder / "logs").mkdir()
        self.folder = folder
        self.layout = Layout(folder, {"gateway": port, "dynamodb": port}, folder, "key")
        self.children: dict[str, Child] = {}
        self.prepared = 0
        self._printed = io.StringIO()

    def add(self, name: str, code: str = SERVING, stage: int = 0) -> None:
        part = Part(name, (sys.executable, "-c", f"NAME = {name!r}\n{code}"), stage, 10)
        self.children[name] = Child(part, {}, self.layout.log(name))

    def run(self, act: Callable[[], None], number: signal.Signals = signal.SIGTERM) -> None:
        """Start the parts, act once they run, then end it all with a signal."""
        asyncio.run(self._run(act, number))

    async def _run(self, act: Callable[[], None], number: signal.Signals) -> None:
        screen = Screen(Console(file=self._printed, width=200))
        ready = asyncio.Event()
        supervisor = Supervisor(self.layout, self.children, screen, self._prepare)
        running = asyncio.create_task(supervisor.run(ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if ready.is_set():
            await asyncio.to_thread(self._until_running)
            await asyncio.to_thread(act)
            os.kill(os.getpid(), number)
        waiting.cancel()
        await running

    def kill(self, name: str) -> None:
        self.children[name].signal(signal.SIGKILL)

    @property
    def shown(self) -> str:
        return self._printed.getvalue()

    def _prepare(self) -> None:
        self.prepared += 1

    def _until_running(self) -> None:
        logs = self.folder / "logs"
        until(lambda: all((logs / name).exists() for name in self.children), "all parts run")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Parts that are healthy whatever happens to them."""

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"parts": {"all": "ready"}})

    app = Starlette(routes=[Route("/{path:path}", health)])
    with served(app) as port:
        yield World(tmp_path, port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_prepares_the_tables_and_stops_in_order(world: World, number: signal.Signals) -> None:
    for stage, name in enumerate(("gateway", "fanout", "dynamodb")):
        world.add(name, stage=stage)

    world.run(lambda: None, number)

    assert world.prepared == 1
    ends = (world.folder / "logs" / "ends").read_text().split()
    assert ends == ["gateway", "fanout", "dynamodb"]


def test_a_part_that_dies_is_named_and_told_when_it_is_back(world: World) -> None:
    world.add("dynamodb", stage=1)
    world.add("fanout")

    def act() -> None:
        world.kill("fanout")
        until(lambda: "ready again: fanout" in world.shown, "fanout is back")

    world.run(act)

    assert "fanout was killed by SIGKILL; starting it again" in world.shown
    assert world.children["fanout"].starts == 2


def test_a_dynamodb_that_comes_again_is_prepared_and_its_dependents_start_anew(
    world: World,
) -> None:
    world.add("dynamodb", stage=1)
    for name in (*DEPENDENTS, "valkey"):
        world.add(name)

    def act() -> None:
        world.kill("dynamodb")
        dependents = [world.children[name] for name in DEPENDENTS]
        until(lambda: all(child.starts == 2 for child in dependents), "started anew")

    world.run(act)

    assert world.prepared == 2
    assert world.children["valkey"].starts == 1
    assert "is lost" in world.shown
    assert "fanout was killed" not in world.shown


def test_a_part_that_cannot_start_ends_it_all_and_its_log_is_named(tmp_path: Path) -> None:
    with reserve(0) as closed:
        world = World(tmp_path, closed.getsockname()[1])
        world.add("gateway", "raise SystemExit('no such module')")
        world.add("valkey")

        with pytest.raises(StartFailed, match="gateway ended with status 1") as failed:
            world.run(lambda: None)

    assert failed.value.log == world.layout.log("gateway")
    assert "no such module" in failed.value.log.read_text()
    assert world.children["gateway"].starts == 3
