"""Starting, ending and restarting one process."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from support.waiting import HANG_SECONDS
from tocsin.local.child import Backoff, Child, Exit
from tocsin.local.parts import Part


def child(tmp_path: Path, code: str, stop_seconds: float = 10) -> Child:
    part = Part("part", (sys.executable, "-c", code), stage=0, stop_seconds=stop_seconds)
    return Child(part, {}, tmp_path / "part.log")


async def output(tmp_path: Path, text: str) -> None:
    """Wait until the process has printed ``text``."""
    async with asyncio.timeout(HANG_SECONDS):
        while True:
            log = tmp_path / "part.log"
            if log.exists() and text in log.read_text():
                return
            await asyncio.sleep(0.01)


def test_an_exit_reads_as_a_sentence() -> None:
    assert str(Exit(3, 0)) == "ended with status 3"
    assert str(Exit(-9, 0)) == "was killed by SIGKILL"


def test_restarts_wait_longer_until_one_lasted() -> None:
    backoff = Backoff(first_seconds=0.1, longest_seconds=1, lasting_seconds=10)

    waits = [backoff.after(lived) for lived in (0, 0, 0, 0, 0, 10, 0)]

    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1, 0.1, 0.2])


def test_it_can_run_again_after_its_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        made = child(tmp_path, "print('here'); raise SystemExit(3)")
        for _ in range(2):
            ended = await made.run()
            assert ended is not None
            assert ended.returncode == 3
        assert made.starts == 2

    asyncio.run(scenario())
    assert (tmp_path / "part.log").read_text() == "here\nhere\n"


def test_a_part_hears_sigint_though_its_supervisor_ignores_it(tmp_path: Path) -> None:
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a script
    try:
        asyncio.run(child(tmp_path, code).run())
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "part.log").read_text() == "True\n"


def test_stopping_ends_it_and_starts_none_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        made = child(tmp_path, "import time; print('here', flush=True); time.sleep(60)")
        running = asyncio.create_task(made.run())
        await output(tmp_path, "here")

        ended = await made.stop()

        assert ended is not None
        assert ended.returncode == -signal.SIGTERM
        assert (await running) is not None
        assert await made.run() is None
        assert await made.stop() is None

    asyncio.run(scenario())


def test_what_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('here', flush=True); time.sleep(60)"
    )

    async def scenario() -> None:
        made = child(tmp_path, code, stop_seconds=0.2)
        running = asyncio.create_task(made.run())
        await output(tmp_path, "here")

        ended = await made.stop()
        await running

        assert ended is not None
        assert ended.returncode == -signal.SIGKILL

    asyncio.run(scenario())


def test_replacing_is_told_from_dying(tmp_path: Path) -> None:
    async def scenario() -> None:
        made = child(tmp_path, "import time; print('here', flush=True); time.sleep(60)")
        running = asyncio.create_task(made.run())
        await output(tmp_path, "here")
        assert not made.replaced

        made.replace()

        await running
        assert made.replaced

    asyncio.run(scenario())
