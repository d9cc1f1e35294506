"""README's samples do what README says: each is run as it is printed, on the running product.

What is replaced is the address, and what the reader is to put in.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser

from support.product import Product
from support.programs import Program
from support.readme import Command, commands, languages, programs
from support.receiver import Receiver, Reply, receiving
from support.waiting import until
from tocsin.client import Client

pytestmark = [pytest.mark.xdist_group("product"), pytest.mark.timeout(300)]

PRINTED_URL = "http://127.0.0.1:8484"
CLIENT, KEEPING, EMBEDDED = programs("python")
[BROWSER] = programs("js")
COMMANDS = [each for each in commands() if each.text != "make up"]  # which is ``product``

MCP_SERVER = """
import json, sys
for line in sys.stdin:
    call = json.loads(line)
    print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": {"content": []}}), flush=True)
"""
MCP_CALL = """
{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "readme_tool"}}
"""


class Reader:
    """Somebody who follows README in a terminal, in the folder of ``make up``."""

    def __init__(self, product: Product, home: Path, receiver: Receiver) -> None:
        self.product = product
        self.home = home
        (home / ".curlrc").write_text("fail-with-body\nno-progress-meter\n")
        (home / "your_mcp_server.py").write_text(MCP_SERVER)
        self.event_id = self.sealed("ses_1")["id"]
        minted = self.run("tocsin keys create --org readme").errors
        added = self.run(f"tocsin webhooks add {receiver.url} --type nothing.comes")
        self.values = {
            PRINTED_URL: product.url,
            "https://hooks.example.com/tocsin": receiver.url,
            "https://hooks.slack.com/services/…": receiver.url,
            "ep_…": added.lines[0],
            ".venv/bin/tocsin demo": "tocsin demo --fast --wait 0",  # for which nobody waits
            ".venv/bin/tocsin": "tocsin",
            "evt_01kd…": self.event_id,
            "date=2026-03-03": f"date={datetime.now(UTC).date()}",
            "KEY_ID --org acme": f"{minted.split()[1]} --org readme",
        }

    def start(self, command: str) -> Program:
        env = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self.home),
            "PYTHONUNBUFFERED": "1",
            "TOCSIN_HOME": str(self.product.home),
            "KEY": self.product.api_key,
        }
        folder = self.home / f"program-{len(list(self.home.iterdir()))}"
        folder.mkdir()
        return Program.start(["bash", "-c", command], env, folder)

    def run(self, command: str) -> Program:
        program = self.start(command)
        try:
            assert program.wait() == 0, f"{command}\n{program.output}\n{program.errors}"
        finally:
            program.stop()
        return program

    def post(self, session: str) -> None:
        event = {"type": "tool_call", "toolName": "search", "sessionId": session}
        url = f"{self.product.url}/api/v1/ingest/raw"
        httpx.post(
            url, json=event | {"agentId": "agt_1"}, headers=self.product.headers, timeout=30
        ).raise_for_status()

    def sealed(self, session: str) -> dict[str, Any]:
        """Post an event, and return it from its list when it is there."""
        self.post(session)
        url = f"{self.product.url}/api/v1/events/sessions/{session}"

        def listed() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = httpx.get(
                url, headers=self.product.headers, timeout=30
            ).json()
            return found

        until(lambda: bool(listed()), "the event is sealed", 30)
        return listed()[-1]

    def until_seen(self, program: Program, sign: str, times: int = 1) -> None:
        """Post events until a program that is still connecting prints as many."""

        def seen() -> bool:
            assert program.process.poll() is None, program.errors
            if program.output.count(sign) < times:
                self.post("ses_watched")
            return program.output.count(sign) >= times

        program.until(seen, f"it prints {sign!r} {times} times")


@pytest.fixture(scope="module")
def reader(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    product.until_ready()
    with receiving(lambda _: Reply(204)) as receiver:
        yield Reader(product, tmp_path_factory.mktemp("reader"), receiver)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.text[:60])
def test_a_command_does_what_readme_says(reader: Reader, command: Command) -> None:
    text = command.with_values(reader.values)
    if command.endless:
        program = reader.start(text)
        try:
            reader.until_seen(program, "data: {" if "curl" in text else "search")
        finally:
            program.stop()
        return
    if "your_mcp_server" in text:
        text = f"{text} <<'EOF'{MCP_CALL}EOF"
    program = reader.run(text)
    assert program.output or program.errors  # where notes go
    if command.answer:
        assert shape(json.loads(program.output)) == shape(json.loads(command.answer))


def test_no_sample_is_left_out() -> None:
    assert languages() == {"sh", "python", "js"}


def shape(value: Any) -> Any:
    """Return JSON with every number as 0."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return 0 if isinstance(value, int) else value


def test_the_relay_has_recorded_its_call(reader: Reader) -> None:
    reader.run(f"tocsin mcp --session ses_relay -- python -m your_mcp_server <<'EOF'{MCP_CALL}EOF")
    url = f"{reader.product.url}/api/v1/events/sessions/ses_relay"

    def tools() -> list[str]:
        answer = httpx.get(url, headers=reader.product.headers, timeout=30)
        return [event["tool_name"] for event in answer.json()]

    until(lambda: tools() == ["readme_tool"], "the call is recorded", 30)


def test_the_client_s_sample_sends_replays_and_streams(reader: Reader) -> None:
    text = CLIENT.replace(PRINTED_URL, reader.product.url)
    source = reader.home / "sample.py"
    source.write_text(f"api_key = {reader.product.api_key!r}\n{text}")
    program = reader.start(f"exec python {source}")
    try:
        reader.until_seen(program, "\n", 21)  # its replay prints 20 at most
        assert all(line.split()[0].isdecimal() for line in program.lines)
    finally:
        program.stop()
    assert not program.errors


def test_the_client_s_sample_keeps_what_people_keep(reader: Reader) -> None:
    text = KEEPING.replace(PRINTED_URL, reader.product.url)
    source = reader.home / "keeping.py"
    head = f"from tocsin.client import Client\napi_key = {reader.product.api_key!r}\n"
    source.write_text(head + text)
    lines = reader.run(f"exec python {source}").lines
    assert re.fullmatch(r"sealed as [1-9][0-9]* [0-9a-f]{64}", lines[0])
    assert lines[1] == "exec allow"
    with Client(reader.product.url, reader.product.api_key) as tocsin:
        assert tocsin.agent("reviewer").status == "retired"
        # One that is seen for the first time while a list is read has moved to its beginning.
        until(lambda: "reviewer" in [each.id for each in tocsin.agents()], "it is listed")


def test_the_library_s_sample_emits_replays_and_verifies(tmp_path: Path) -> None:
    text = f"""
import asyncio
from datetime import UTC, datetime
from starlette.applications import Starlette
from starlette.routing import Route

async def subscriber(token):
    return "alice"

async def sample():
{indent(EMBEDDED, "    ")}
    assert (sealed.seq, sealed.type) == (1, "agent.created")
    assert [event.id for event in events] == [sealed.id]
    stream.close()
    print("done")

asyncio.run(sample())
"""
    program = Program.start([sys.executable, "-c", text], dict(os.environ), tmp_path)
    try:
        assert program.wait() == 0, program.errors
        assert program.lines == ["done"]
        assert (tmp_path / "events.db").exists()
    finally:
        program.stop()


@pytest.mark.anyio
async def test_the_browser_s_sample_signs_in_and_watches(
    reader: Reader, browser: Browser, anyio_backend: str
) -> None:
    page = await browser.new_page()
    await page.goto(f"{reader.product.url}/healthz")  # any page of an origin that may call
    await page.evaluate(KEEP_WHAT_COMES)
    arguments = [reader.product.url, reader.product.api_key]
    await page.evaluate(f"async ([tocsin, key]) => {{ {BROWSER} }}", arguments)
    await page.wait_for_function("opened == 1")
    await asyncio.to_thread(reader.post, "ses_browser")
    await page.wait_for_function("seen.some((event) => event.sessionId == 'ses_browser')")


KEEP_WHAT_COMES = """
() => {
  window.seen = []; window.opened = 0;
  const Native = window.EventSource;
  window.EventSource = class extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener("open", () => { opened += 1; });
      this.addEventListener("tool_call", (event) => { seen.push(JSON.parse(event.data)); });
    }
  };
}
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
