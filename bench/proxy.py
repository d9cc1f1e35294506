"""What ``tocsin proxy`` adds: the same calls to the same vendor, in turns, with it and without.

The vendor is a stub on loopback, which answers Tocsin's ingest too. A call's time is from its
first byte out to its last byte in, a stream's to the first byte of its body.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.report import milliseconds, ratio, show
from support.fake_tocsin import API_KEY
from support.vendor import Step, chunked, json_answer
from support.vendor_answers import CHAT, chat_stream

__all__ = ["main"]

_CALLS: Final = 1_000
_WARM_UP: Final = 100
_TESTS: Final = Path(__file__).parents[1] / "tests"
_INGESTED: Final = {"data": {"ingested": 1, "rejected": 0}, "meta": {"remainingQuota": 1}}


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    model: str
    body_bytes: int
    to_the_end: bool = True

    @property
    def body(self) -> bytes:
        text = "word " * (self.body_bytes // 5)
        return json.dumps(
            {"messages": [{"role": "user", "content": text}], "model": self.model}
        ).encode()


_KINDS: Final = (
    _Kind("a chat, 2 KB asked", "whole", 2_000),
    _Kind("a chat, 200 KB asked", "whole", 200_000),
    _Kind("a stream's first byte", "stream", 2_000, to_the_end=False),
)


def main() -> None:
    """Print the table."""
    answers = {
        "whole": json_answer(CHAT),
        "stream": chunked(*chat_stream() * 3),
        "/api/v1/ingest/raw": json_answer(_INGESTED),
    }
    with _vendor(answers) as vendor:
        for fail in ("open", "closed"):
            with _proxy(vendor, fail) as proxy:
                _compare(fail, vendor, proxy)


def _compare(fail: str, vendor: int, proxy: int) -> None:
    rows = []
    for kind in _KINDS:
        straight, through = _measured(kind, vendor, proxy)
        for name, point in (("p50", median), ("p99", _p99)):
            direct, proxied = point(straight), point(through)
            rows.append(
                (
                    f"{kind.title}, {name}",
                    milliseconds(direct),
                    milliseconds(proxied),
                    milliseconds(max(proxied - direct, 0)),
                    ratio(proxied / direct),
                )
            )
    show(
        f"tocsin proxy --fail {fail}",
        ["", "direct, ms", "by the proxy, ms", "added, ms", "over direct"],
        rows,
        [f"{_CALLS:,} calls each, in turns, one at a time; all parts on this machine"],
    )


def _measured(kind: _Kind, vendor: int, proxy: int) -> tuple[list[float], list[float]]:
    connections = [HTTPConnection("127.0.0.1", port) for port in (vendor, proxy)]
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(_WARM_UP + _CALLS):
        for connection, seconds in zip(connections, found, strict=True):
            took = _seconds(connection, kind)
            if number >= _WARM_UP:
                seconds.append(took)
    for connection in connections:
        connection.close()
    return found


def _seconds(connection: HTTPConnection, kind: _Kind) -> float:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", kind.body, headers)
    response = connection.getresponse()
    response.read(1)
    first = time.perf_counter()
    response.read()
    return (time.perf_counter() if kind.to_the_end else first) - began


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[98]


@contextmanager
def _vendor(answers: dict[str, list[Step]]) -> Iterator[int]:
    plain = {
        name: [step.decode() for step in steps if isinstance(step, bytes)]
        for name, steps in answers.items()
    }
    with _process([sys.executable, "-m", "support.vendor"], plain, {}) as process:
        assert process.stdout is not None  # noqa: S101 (for mypy: it is a pipe)
        yield int(process.stdout.readline())


@contextmanager
def _proxy(vendor: int, fail: str) -> Iterator[int]:
    url = f"http://127.0.0.1:{vendor}"
    command = [sys.executable, "-m", "tocsin.cli", "proxy", "--port", "0", "--fail", fail]
    command += ["--openai", f"{url}/v1", "--anthropic", url]
    with TemporaryDirectory() as home:
        more = {"TOCSIN_URL": url, "TOCSIN_API_KEY": API_KEY, "TOCSIN_HOME": home}
        with _process(command, None, more) as process:
            assert process.stdout is not None  # noqa: S101
            said = process.stdout.readline()
            yield int(said.rpartition(":")[2].partition("/")[0])


@contextmanager
def _process(
    command: list[str], given: Any, more: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603 (our own program)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(_TESTS)} | more,
    )
    try:
        assert process.stdin is not None  # noqa: S101
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        yield process
    finally:
        process.terminate()
        process.wait()
