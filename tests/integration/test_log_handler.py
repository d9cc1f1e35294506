"""`tocsin.client.logs` and `tocsin send --text`: what a program says of itself arrives."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.fake_tocsin import API_KEY, FakeTocsin, fake_tocsin
from support.taken import would_be_taken
from support.waiting import HANG_SECONDS
from tocsin.client import BadEnvironment, Client
from tocsin.client.logs import TocsinHandler


@pytest.fixture
def tocsin() -> Iterator[FakeTocsin]:
    with fake_tocsin() as server:
        yield server
        assert would_be_taken(server)


@pytest.fixture
def handler(tocsin: FakeTocsin) -> Iterator[TocsinHandler]:
    with Client(tocsin.url, API_KEY) as client:
        made = TocsinHandler(client, agent="a1", session="s1", level=logging.DEBUG)
        yield made
        made.close()


@pytest.fixture
def log(handler: TocsinHandler) -> Iterator[logging.Logger]:
    """A logger below the root, which has the handler."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield logging.getLogger("program")
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_record_is_an_event(tocsin: FakeTocsin, log: logging.Logger) -> None:
    log.warning("%s rows", 42, extra={"tool_name": "search", "agent_id": "a2", "rows": 2**60})
    tocsin.wait_until(lambda: len(tocsin.ledger) >= 1)
    event = tocsin.ledger[0]
    assert {
        "type": "log.record",
        "status": "warning",
        "agent_id": "a2",
        "session_id": "s1",
        "tool_name": "search",
        "action": "log",
    }.items() <= event.items()
    metadata = event["metadata"]
    assert metadata["message"] == "42 rows"
    assert metadata["extra"] == {"rows": str(2**60)}
    assert metadata["via"] == "logging"


def test_what_the_client_causes_is_no_reason_for_more(
    tocsin: FakeTocsin, log: logging.Logger
) -> None:
    """httpx and httpcore log every request, on this level."""
    for number in range(3):
        log.info("number %d", number)
        tocsin.wait_until(lambda number=number: len(tocsin.ledger) >= number + 1)  # type: ignore[misc]
    log.info("last")
    tocsin.wait_until(lambda: tocsin.ledger[-1]["metadata"]["message"] == "last")
    assert len(tocsin.ledger) == 4


class Rude:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_nothing_is_raised_into_the_program(tocsin: FakeTocsin, handler: TocsinHandler) -> None:
    log = logging.Logger("alone")  # other handlers may well raise
    log.addHandler(handler)
    endless: list[Any] = []
    endless.append(endless)
    log.info("%d", "no number")
    log.info("rude", extra={"rude": Rude(), "endless": endless, "\ud800": float("nan")})
    log.info("x" * 1_000_000, extra={"much": ["y" * 1_000] * 10_000, "agent_id": "z" * 999})
    try:
        raise ValueError("the reason")
    except ValueError:
        log.exception("failed")
    tocsin.wait_until(lambda: len(tocsin.ledger) >= 4)
    odd, rude, large, failed = tocsin.ledger
    assert "no number" in odd["metadata"]["message"]
    assert rude["metadata"]["extra"]["rude"] == "<Rude>"
    assert len(str(large)) < 256_000
    assert len(large["agent_id"]) == 256
    assert failed["status"] == "error"
    assert failed["metadata"]["exception"].endswith("ValueError: the reason")


def test_a_handler_needs_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOCSIN_URL", raising=False)
    with pytest.raises(BadEnvironment, match="TOCSIN_URL"):
        TocsinHandler()


PROGRAM = """
import logging
from tocsin.client.logs import TocsinHandler
logging.getLogger().addHandler(TocsinHandler())
logging.getLogger().setLevel(logging.INFO)
for number in range(500):
    logging.info("number %d", number)
"""


def environment(tocsin: FakeTocsin, home: Path) -> dict[str, str]:
    own = {"TOCSIN_URL": tocsin.url, "TOCSIN_API_KEY": API_KEY, "TOCSIN_HOME": str(home)}
    return {**os.environ, **own, "TOCSIN_AGENT": "a9", "TOCSIN_SESSION": "s9"}


def messages(tocsin: FakeTocsin) -> list[str]:
    return [event["metadata"]["message"] for event in tocsin.ledger]


def test_a_program_that_ends_has_sent_its_records(tocsin: FakeTocsin, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM]
    subprocess.run(command, env=environment(tocsin, tmp_path), check=True)  # noqa: S603
    assert messages(tocsin) == [f"number {number}" for number in range(500)]
    assert {event["agent_id"] for event in tocsin.ledger} == {"a9"}


SEND = [sys.executable, "-m", "tocsin.cli", "send", "--text"]


def test_lines_of_text_are_events(tocsin: FakeTocsin, tmp_path: Path) -> None:
    text = b"one\r\n\n\xff two\n" + "ä".encode() * 100_000 + b"\nlast, without an end"
    options = "--agent", "a1", "--metadata", '{"host": "h"}'
    done = subprocess.run(  # noqa: S603
        [*SEND, *options], input=text, env=environment(tocsin, tmp_path), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    said = messages(tocsin)
    assert said[:2] == ["one", "\ufffd two"]
    assert "".join(said[2:-1]) == "ä" * 100_000
    assert said[-1] == "last, without an end"
    assert [event["metadata"]["line"] for event in tocsin.ledger[:2]] == [1, 3]
    assert tocsin.ledger[-1]["metadata"]["line"] == 5
    assert {
        (event["type"], event["agent_id"], event["metadata"]["host"]) for event in tocsin.ledger
    } == {("log.line", "a1", "h")}


def test_lines_come_as_they_are_said_and_ctrl_c_is_the_command_s(
    tocsin: FakeTocsin, tmp_path: Path
) -> None:
    send = subprocess.Popen(  # noqa: S603
        SEND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tocsin, tmp_path),
    )
    assert send.stdin is not None
    send.stdin.write(b"first\n")
    send.stdin.flush()
    tocsin.wait_until(lambda: messages(tocsin) == ["first"])
    send.send_signal(signal.SIGINT)
    send.stdin.write(b"last words\n")
    send.stdin.flush()
    tocsin.wait_until(lambda: messages(tocsin) == ["first", "last words"])
    out, _ = send.communicate(timeout=HANG_SECONDS)
    assert send.returncode == 0
    assert out == b"2 ingested\n" or out.startswith(b"2 ingested,")


def test_a_second_ctrl_c_ends(tocsin: FakeTocsin, tmp_path: Path) -> None:
    send = subprocess.Popen(  # noqa: S603
        SEND, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(tocsin, tmp_path)
    )
    assert send.stdin is not None
    send.stdin.write(b"first\n")
    send.stdin.flush()
    tocsin.wait_until(lambda: len(tocsin.ledger) == 1)
    send.send_signal(signal.SIGINT)
    send.stdin.write(b"second\n")
    send.stdin.flush()
    tocsin.wait_until(lambda: len(tocsin.ledger) == 2)  # it has lived through the first
    send.send_signal(signal.SIGINT)
    send.wait(HANG_SECONDS)
    send.communicate()
    assert send.returncode == 130
