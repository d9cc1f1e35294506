"""Whatever goes wrong between a coding agent and Tocsin: no call is made that nobody decided."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from support.faulty import ANSWERS, UNDERSTOOD, faulty
from support.hooking import CodingAgent
from tocsin.cli.hooks import files
from tocsin.cli.hooks.plans import FAILS_CLOSED, Wanted
from tocsin.wire.intake.hooks.asking import ASKING

TOCSIN = str(Path(sys.executable).with_name("tocsin"))
SAMPLES = Path(__file__).parents[2] / "events" / "hooks"
FIRST = {
    "claude-code": "pre-tool-use-bash",
    "codex": "pre-tool-use",
    "cursor": "pre-tool-use",
    "gemini-cli": "before-tool",
}
KEY = "tocsin_acme_k_secret"
WAYS = [*((product, False) for product in ASKING), ("claude-code", True)]


def name_of(way: tuple[str, bool]) -> str:
    return f"{way[0]}-{'http' if way[1] else 'command'}"


def payload(product: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / product / f"{FIRST[product]}.json").read_bytes())
    return found | more


def installed(
    home: Path, product: str, url: str, *, http: bool = False, **more: Any
) -> CodingAgent:
    """Return a product whose hooks are at this URL, as ``tocsin install`` writes them."""
    wanted = Wanted(
        product=product,
        url=url,
        program=TOCSIN,
        version=FAILS_CLOSED if product == "claude-code" else None,
        http=http,
    )
    settings = home / f"{product}.json"
    settings.write_text(files.installed("", wanted))
    clean = {name: "" for name in os.environ if name.lower().endswith("_proxy")}
    env = {"HOME": str(home), "TOCSIN_HOME": str(home), "TOCSIN_API_KEY": KEY} | clean
    return CodingAgent(product, settings, env, home, **more)


@contextmanager
def refusing() -> Iterator[str]:
    """Yield an address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("fault", ANSWERS)
@pytest.mark.parametrize("way", WAYS, ids=name_of)
def test_no_answer_is_no_yes(tmp_path: Path, way: tuple[str, bool], fault: str) -> None:
    with faulty(ANSWERS[fault]) as server:
        call = installed(tmp_path, way[0], server.url, http=way[1]).call(payload(way[0]))
        assert server.requests
    assert not call.ran, call


@pytest.mark.parametrize("way", WAYS, ids=name_of)
def test_a_connection_that_is_reset_or_refused(tmp_path: Path, way: tuple[str, bool]) -> None:
    with faulty(reset=True) as server:
        assert not installed(tmp_path, way[0], server.url, http=way[1]).call(payload(way[0])).ran
    with refusing() as url:
        assert not installed(tmp_path, way[0], url, http=way[1]).call(payload(way[0])).ran


@pytest.mark.parametrize("fault", UNDERSTOOD)
@pytest.mark.parametrize("product", ASKING)
def test_what_says_nothing_is_no_yes_to_the_command(
    tmp_path: Path, product: str, fault: str
) -> None:
    with faulty(UNDERSTOOD[fault]) as server:
        assert not installed(tmp_path, product, server.url).call(payload(product)).ran


@pytest.mark.parametrize("way", WAYS, ids=name_of)
def test_who_never_answers(tmp_path: Path, way: tuple[str, bool]) -> None:
    product, http = way
    with faulty(None) as server:
        agent = installed(tmp_path, product, server.url, http=http)
        text = agent.settings.read_text().replace("hook " + product, f"hook {product} --seconds 2")
        agent.settings.write_text(text)
        agent.longest_seconds = 2 if http else 60
        call = agent.call(payload(product))
        assert server.requests
    assert not call.ran
    if not http:
        assert "in time" in call.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("product", ASKING)
def test_a_command_that_is_killed_while_it_waits(
    tmp_path: Path, product: str, number: signal.Signals
) -> None:
    with faulty(None) as server:

        def kill(shell: subprocess.Popen[bytes]) -> None:
            def end() -> None:
                server.read.wait(60)
                for child in psutil.Process(shell.pid).children(recursive=True):
                    child.send_signal(number)

            Thread(target=end, daemon=True).start()

        # An older version of the product, which makes nothing of failures by itself.
        agent = installed(tmp_path, product, server.url, knows_failures=False, meanwhile=kill)
        call = agent.call(payload(product))
    assert not call.ran
    assert call.said


@pytest.mark.parametrize("product", ASKING)
@pytest.mark.parametrize("program", ["/nowhere/tocsin", "sh -c 'kill -9 $$' tocsin"])
def test_a_command_that_does_not_start(tmp_path: Path, product: str, program: str) -> None:
    agent = installed(tmp_path, product, "http://127.0.0.1:9", knows_failures=False)
    text = agent.settings.read_text()
    agent.settings.write_text(text.replace(json.dumps(TOCSIN)[1:-1], json.dumps(program)[1:-1]))
    call = agent.call(payload(product))
    assert not call.ran
    assert call.said


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b" " * 4_194_305]
)
@pytest.mark.parametrize("product", ASKING)
def test_a_payload_that_is_none(tmp_path: Path, product: str, body: bytes) -> None:
    done = subprocess.run(  # noqa: S603 (our own program)
        [TOCSIN, "hook", product, "--url", "http://127.0.0.1:9"],
        input=body,
        capture_output=True,
        env=os.environ | {"HOME": str(tmp_path), "TOCSIN_API_KEY": KEY},
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr
    assert b"Traceback" not in done.stderr


def test_without_a_key_or_with_one_that_is_none(tmp_path: Path) -> None:
    for key in ("", "tocsin_é", "a\nb"):
        agent = installed(tmp_path, "claude-code", "http://127.0.0.1:9")
        agent.env = {**agent.env, "TOCSIN_API_KEY": key}
        assert not agent.call(payload("claude-code")).ran


@pytest.mark.parametrize("product", ASKING)
def test_what_is_only_recorded_holds_nothing_up(tmp_path: Path, product: str) -> None:
    with refusing() as url:
        agent = installed(tmp_path, product, url)
        [event] = [name for name in ("Stop", "stop", "AfterAgent") if agent._hooks(name)][:1]
        assert [each.ran for each in agent.tell({"hook_event_name": event})] == [True]
        text = agent.settings.read_text()
        agent.settings.write_text(
            text.replace(f"hook {product}", f"hook {product} --records closed")
        )
        assert [each.ran for each in agent.tell({"hook_event_name": event})] == [False]


def test_a_redirect_gets_no_key(tmp_path: Path) -> None:
    with faulty(b"") as other:
        away = f"HTTP/1.1 307 Away\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        with faulty(away) as server:
            assert not installed(tmp_path, "codex", server.url).call(payload("codex")).ran
        assert KEY.encode() in server.requests[0]
        assert other.requests == []
