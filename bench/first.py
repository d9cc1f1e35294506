"""From nothing to the first event: the wheel is installed, and sends one that is sealed.

The baseline installs httpx alone, and posts to the same product with it: what is more is Tocsin's
command line. What is installed comes from uv's cache, filled by a turn that is not counted.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx
import orjson

from bench.latency import Target, product
from bench.report import milliseconds, ratio, show

__all__ = ["main"]

TURNS = 5
_CHECKOUT = Path(__file__).parents[1]
_UV = ("uv",) if shutil.which("uv") else ("python3", "-m", "uv")  # as the Makefile has it
_POST = """
import httpx, sys
url, key, body = sys.argv[1:]
headers = {"Authorization": key, "Content-Type": "application/json"}
httpx.post(url, headers=headers, content=body, trust_env=False).raise_for_status()
"""

type _Command = tuple[str | Path, ...]


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory(prefix="tocsin-bench-") as folder, product(Path(folder)) as at:
        made = Path(folder) / "made"
        make = ("make", "--silent", "dist", f"DIST={made / 'dist'}")
        subprocess.run(make, cwd=_CHECKOUT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        [wheel] = (made / "dist").glob("*.whl")
        body = orjson.dumps({"type": "tool_call", "toolName": "first"}).decode()
        post = (at.post, at.headers["Authorization"], body)
        ways: Mapping[str, tuple[str, _Command]] = {
            "Tocsin's wheel, `tocsin send`": (
                str(wheel),
                ("-m", "tocsin.cli", "send", "--tool", "first"),
            ),
            "httpx alone, a POST": ("httpx", ("-c", _POST, *post)),
        }
        measured = {
            way: [_turn(made / f"{number}-{turn}", at, *how) for turn in range(TURNS + 1)][1:]
            for number, (way, how) in enumerate(ways.items())
        }
    *_, bare = (median(map(sum, turns)) for turns in measured.values())
    show(
        "From nothing to the first sealed event, ms",
        ("", "installed", "sent", "sealed", "together", "is"),
        [
            (
                way,
                *(milliseconds(median(part)) for part in zip(*turns, strict=True)),
                milliseconds(median(map(sum, turns))),
                ratio(median(map(sum, turns)) / bare),
            )
            for way, turns in measured.items()
        ],
        (f"Medians of {TURNS} turns, with all that is installed in uv's cache.",),
    )


def _turn(folder: Path, at: Target, what: str, command: _Command) -> tuple[float, float, float]:
    """Return the seconds that installing, sending and sealing took."""
    python, before = folder / "bin" / "python", _sealed(at)
    began = time.perf_counter()
    _run(*_UV, "venv", "--quiet", "--python", sys.executable, folder)
    _run(*_UV, "pip", "install", "--quiet", "--python", python, what)
    installed = time.perf_counter()
    key = at.headers["Authorization"].removeprefix("Bearer ")
    url = at.post.removesuffix("/api/v1/ingest/raw")
    _run(python, *command, env={"TOCSIN_URL": url, "TOCSIN_API_KEY": key})
    sent = time.perf_counter()
    while _sealed(at) == before:
        time.sleep(0.005)
    return installed - began, sent - installed, time.perf_counter() - sent


def _sealed(at: Target) -> str:
    """Return the id of the newest event, or nothing."""
    params = {"limit": "1", "types": "tool_call"}
    answer = httpx.get(at.stream, params=params, headers=at.headers, trust_env=False)
    return "".join(each["id"] for each in answer.raise_for_status().json())


def _run(*command: str | Path, env: Mapping[str, str] | None = None) -> None:
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)  # noqa: S603
