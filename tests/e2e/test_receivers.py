"""The receivers that the documents show: whatever ends them, each event has its effect once."""

import hashlib
import hmac
import json
import resource
import secrets
import socket
import sqlite3
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from support.programs import Program
from support.samples import Visitor
from support.waiting import HANG_SECONDS, until
from tocsin.client import Client
from tocsin.domain.keys import Scope
from tocsin.local.addresses import LOOPBACK

pytestmark = pytest.mark.xdist_group("product")

SAMPLES = ("receiver.py", "receiver.mjs", "receiver.go")
EVENTS = 40


@dataclass
class Sample:
    """A sample that runs, or does not: it comes back where it was, to what it had."""

    visitor: Visitor
    command: list[str | Path]
    store: Path
    port: int
    secret: str
    program: Program = field(init=False)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/tocsin"

    def start(self) -> None:
        self.program = self.visitor.start(
            *self.command,
            WEBHOOK_SECRET=self.secret,
            PORT=str(self.port),
            STORE=str(self.store),
        )
        self.program.until_line("listening")

    def effects(self) -> list[str]:
        """The ids of the events that had one, in order."""
        if self.store.suffix == ".jsonl":
            text = self.store.read_text() if self.store.exists() else ""
            return [json.loads(line)["event"]["id"] for line in text.split("\n")[:-1]]
        with closing(sqlite3.connect(self.store, timeout=HANG_SECONDS)) as db:
            return [id for (id,) in db.execute("SELECT id FROM events ORDER BY rowid")]

    def post(self, body: bytes, headers: Mapping[str, str]) -> int:
        return httpx.post(self.url, content=body, headers=headers, timeout=HANG_SECONDS).status_code


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest, visitor: Visitor) -> Sample:
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    name = request.param
    store = visitor.folder("store") / ("events.jsonl" if name.endswith(".go") else "events.db")
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    sample = Sample(visitor, visitor.command(name), store, port, secret)
    sample.start()
    return sample


@pytest.fixture
def client(visitor: Visitor) -> Iterator[Client]:
    with Client(visitor.org.product.url, visitor.org.new_key(Scope.ADMIN)) as client:
        yield client


def test_each_event_has_its_effect_once_though_its_receiver_is_killed(
    sample: Sample, visitor: Visitor, client: Client
) -> None:
    made = client.create_webhook(sample.url, types=["tool_call"], secret=sample.secret)

    def post(count: int) -> None:
        visitor.org.post(*[{"type": "tool_call", "toolName": "t"}] * count)

    def until_delivered(count: int) -> None:
        until(
            lambda: client.webhook(made.id).fields["delivered"] >= count,
            f"{count} are delivered: {client.webhook(made.id).fields}",
        )

    post(EVENTS)
    until(lambda: bool(sample.effects()), "the first has its effect")
    sample.program.stop()  # at once, in the middle of it
    post(1)
    until(
        lambda: client.webhook_deliveries(made.id)[0].outcome == "failed", "nobody listens any more"
    )
    sample.start()
    client.resume_webhook(made.id)  # sooner than it would be tried by itself
    until(lambda: len(set(sample.effects())) == EVENTS + 1, "all have their effect")

    until_delivered(EVENTS + 1)
    client.replay_webhook(made.id, 1)
    until_delivered(2 * (EVENTS + 1))

    assert len(sample.effects()) == EVENTS + 1, "an event had its effect twice"
    assert client.webhook(made.id).status == "active", "410 by accident"


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux limits what a running program may write"
)
def test_what_can_t_be_stored_is_not_taken(
    sample: Sample, visitor: Visitor, client: Client
) -> None:
    made = client.create_webhook(sample.url, types=["tool_call"], secret=sample.secret)
    # Some systems end a program that writes more, and others say so to it.
    program = psutil.Process(sample.program.process.pid)
    for process in (program, *program.children(recursive=True)):  # PyPI's node starts the real one
        process.rlimit(resource.RLIMIT_FSIZE, (1, 1))
    visitor.org.post({"type": "tool_call", "toolName": "t"})
    until(lambda: bool(client.webhook_deliveries(made.id)), "it was tried")
    assert client.webhook_deliveries(made.id)[-1].outcome != "delivered"
    assert sample.effects() == []
    sample.program.stop()
    sample.start()
    client.resume_webhook(made.id)
    until(lambda: bool(sample.effects()), "it has its effect then")
    assert client.webhook(made.id).status == "active", "410 by accident"


def test_nothing_that_is_not_signed_now_and_by_tocsin_has_an_effect(sample: Sample) -> None:
    body, now = json.dumps({"data": {"id": "evt_1", "seq": 1}}).encode(), int(time.time())

    def signed(
        body: bytes = body, at: int | str = now, secret: str = sample.secret, id: str = "evt_1"
    ) -> dict[str, str]:
        text = f"{id}.{at}.".encode() + body
        mac = hmac.new(b64decode(secret.removeprefix("whsec_")), text, hashlib.sha256).digest()
        named = {"webhook-id": id, "webhook-timestamp": str(at)}
        return named | {"webhook-signature": f"v1a,AAAA v1,{b64encode(mac).decode()}"}

    other = "whsec_" + b64encode(bytes(32)).decode()
    hour_s = 3_600
    forged = {
        "another's secret": (body, signed(secret=other)),
        "an hour ago": (body, signed(at=now - hour_s)),
        "an hour ahead": (body, signed(at=now + hour_s)),
        "no time": (body, signed(at="yesterday")),
        "a time beyond all": (body, signed(at="9" * 40)),
        "another body": (body.replace(b"1", b"2"), signed()),
        "another id": (body, signed() | {"webhook-id": "evt_2"}),
        "no id": (body, signed(id="")),
        "no signature": (body, signed() | {"webhook-signature": ""}),
        "no version": (body, signed() | {"webhook-signature": signed()["webhook-signature"][11:]}),
        "nothing": (body, {}),
    }
    for what, (sent, headers) in forged.items():
        assert sample.post(sent, headers) == 401, what
    large = b"[" + b" " * 1_000_000 + b"]"
    with suppress(httpx.TransportError):  # it reads no more of it
        assert sample.post(large, signed(large)) == 413
    assert sample.effects() == []
    assert sample.post(b"no json", signed(b"no json")) == 503, "asked for again, not taken"
    assert [sample.post(body, signed()) for _ in range(3)] == [204, 204, 204]
    assert sample.effects() == ["evt_1"]
