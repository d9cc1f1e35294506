"""A web page in the developer's browser, while ``tocsin up`` runs: it reads and writes nothing.

A page can send what ``fetch`` sends, to any port of this machine: simple requests (a ``text/plain``
POST among them) at once, others if a preflight is answered, and it reads what the answer opens to
its origin (https://fetch.spec.whatwg.org/#http-cors-protocol). With a DNS name of its own that
leads to 127.0.0.1 it is of one origin with what listens there: it may send any header but ``Host``
and ``Origin``, and read everything.
"""

import json
import os
import socket
import stat
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import boto3
import httpx
import psutil
import pytest

from support.chaos.check import at_rest, head_of
from support.product import Product
from support.waiting import until

pytestmark = pytest.mark.xdist_group("product")

EVIL = "evil.example"
ORIGINS = (f"http://{EVIL}", f"https://{EVIL}", "null", "http://127.0.0.1:3000")
FORGED = "forged-by-a-page"
GUESSES = ("local", "test", "000000000000", "")
BROWSER = httpx.Client(
    timeout=10, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)
TABLES = ("tocsin-journal", "tocsin-ledger", "tocsin-state")


@pytest.fixture(scope="module")
def victim() -> Iterator[Product]:
    """A copy that nobody else writes to."""
    with TemporaryDirectory(prefix="tocsin-e2e-") as folder:
        product = Product(Path(folder) / "home")
        try:
            product.start()
            yield product
        finally:
            product.stop()
            BROWSER.close()


def listening(product: Product) -> set[int]:
    """Every port on which a process of the product listens."""
    supervisor = psutil.Process(product.process.pid)
    return {
        connection.laddr.port
        for process in (supervisor, *product.parts().values())
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM
    }


def dynamodb(action: str, body: Any, guess: str) -> dict[str, Any]:
    """What an AWS SDK sends, with a guessed access key."""
    return {
        "method": "POST",
        "path": "/",
        "headers": {
            "X-Amz-Target": f"DynamoDB_20120810.{action}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={guess}/20261126/us-east-1/dynamodb/"
            "aws4_request, SignedHeaders=host, Signature=00",
        },
        "content": json.dumps(body),
    }


PLANTED = {
    "pk": {"S": "org#local"},
    "sk": {"S": f"key#{FORGED}"},
    "name": {"S": FORGED},
}
RECORD = {
    "eventID": "1",
    "eventName": "INSERT",
    "dynamodb": {
        "SequenceNumber": "1",
        "Keys": {"org": {"S": "local"}, "batch": {"S": FORGED}},
        "NewImage": {
            "org": {"S": "local"},
            "batch": {"S": FORGED},
            "data": {"B": b64encode(FORGED.encode()).decode()},
        },
    },
}
PUBLISHED = f'PUBLISH tocsin:v1:local {{"type":"{FORGED}"}}\r\n'


def attempts() -> Iterator[dict[str, Any]]:
    """Requests that have read or written something, or that might."""
    for path in (
        "/",
        "/health",
        "/healthz",
        "/_ministack/health",
        "/_ministack/config",
        "/api/v1/events",
        "/?Action=ListQueues",
    ):
        yield {"method": "GET", "path": path}
    for guess in GUESSES:
        for table in TABLES:
            yield dynamodb("Scan", {"TableName": table}, guess)
        yield dynamodb("PutItem", {"TableName": "tocsin-state", "Item": PLANTED}, guess)
        yield dynamodb("DeleteTable", {"TableName": "tocsin-journal"}, guess)
    yield {"method": "POST", "path": "/_ministack/reset"}
    for function in ("ingest", "fanout", "project", "sweeper"):
        yield {
            "method": "POST",
            "path": f"/2015-03-31/functions/{function}/invocations",
            "headers": {"Content-Type": "text/plain"},
            "content": json.dumps({"Records": [RECORD]}),
        }
    yield {
        "method": "POST",
        "path": "/api/v1/ingest/raw",
        "headers": {"Content-Type": "text/plain"},
        "content": json.dumps({"type": "tool_call", "toolName": FORGED}),
    }
    yield {
        "method": "POST",
        "path": "/",
        "headers": {"Content-Type": "text/plain"},
        "content": PUBLISHED,
    }


def ask(port: int, attempt: dict[str, Any], **headers: str) -> httpx.Response:
    """Send an attempt to a port, with more headers."""
    return BROWSER.request(
        attempt["method"],
        f"http://127.0.0.1:{port}{attempt['path']}",
        headers={**attempt.get("headers", {}), **headers},
        content=attempt.get("content"),
    )


def state_of(product: Product) -> dict[str, list[str]]:
    """What is in the tables."""
    local = json.loads((product.home / "local.json").read_bytes())["env"]
    client = boto3.client(
        "dynamodb",
        endpoint_url=local["AWS_ENDPOINT_URL"],
        region_name=local["AWS_REGION"],
        aws_access_key_id=local["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=local["AWS_SECRET_ACCESS_KEY"],
    )
    with closing(client):
        return {
            table: sorted(str(sorted(row.items())) for row in client.scan(TableName=table)["Items"])
            for table in TABLES
        }


@contextmanager
def watched(product: Product) -> Iterator[bytearray]:
    """Collect what a stream of the org's says meanwhile."""
    seen = bytearray()

    def read() -> None:
        with httpx.stream(
            "GET", f"{product.url}/v1/events/stream", headers=product.headers, timeout=60
        ) as stream:
            for chunk in stream.iter_raw():
                seen.extend(chunk)
                if b"the-end" in seen:
                    return

    reading = Thread(target=read, daemon=True)
    reading.start()
    until(lambda: bool(seen), "the stream is open")
    yield seen
    assert ingest(product, "the-end") == 200
    reading.join(30)
    assert b"the-end" in seen


def ingest(product: Product, tool: str) -> int:
    return httpx.post(
        f"{product.url}/api/v1/ingest/raw",
        headers=product.headers,
        json={"type": "tool_call", "toolName": tool},
        timeout=30,
    ).status_code


def test_two_ports_are_open_and_both_on_the_loopback_interface(victim: Product) -> None:
    layout = victim.layout

    assert listening(victim) == {layout.ports["gateway"], layout.ports["dynamodb"]}
    for process in victim.parts().values():
        for connection in process.net_connections("inet"):
            assert connection.laddr.ip == "127.0.0.1"


def test_all_else_listens_where_only_the_user_may_go(victim: Product) -> None:
    folder = victim.layout.sockets

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == os.getuid()
    assert stat.S_IMODE(victim.home.stat().st_mode) == 0o700
    parts = set(victim.parts()) - {"gateway", "dynamodb"}
    assert {path.stem for path in folder.iterdir()} == parts
    if sys.platform == "linux":
        for process in victim.parts().values():
            for connection in process.net_connections("unix"):
                assert not connection.laddr or Path(str(connection.laddr)).parent == folder


def test_no_command_line_tells_the_runs_key(victim: Product) -> None:
    for process in (psutil.Process(victim.process.pid), *victim.parts().values()):
        assert victim.layout.key not in " ".join(process.cmdline())


def test_a_page_reads_and_writes_nothing(victim: Product) -> None:
    ports = listening(victim)
    assert ingest(victim, "before") == 200
    until(lambda: at_rest(victim, 1) > 0, "it is sealed, and what follows from it")
    with victim.tables() as tables:
        keys = {key.id for key in tables.keys.all("local")}

    head = head_of(victim)
    with watched(victim) as seen:
        before = state_of(victim)
        for port in ports:
            for attempt in attempts():
                for origin in ORIGINS:
                    answer = ask(port, attempt, Origin=origin)
                    assert "access-control-allow-origin" not in answer.headers, attempt
                    assert FORGED not in answer.text
                    preflight = ask(
                        port,
                        {"method": "OPTIONS", "path": attempt["path"]},
                        **{
                            "Origin": origin,
                            "Access-Control-Request-Method": attempt["method"],
                            "Access-Control-Request-Headers": "authorization,x-amz-target",
                            "Access-Control-Request-Private-Network": "true",
                        },
                    )
                    assert not [name for name in preflight.headers if "access-control" in name]
                for host in (EVIL, f"{EVIL}:{port}", f"127.0.0.1.{EVIL}:{port}"):
                    answer = ask(port, attempt, Host=host)
                    assert answer.status_code in (400, 403), (port, attempt, answer.text)
                    assert "before" not in answer.text
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(PUBLISHED.encode() + b"\r\n")
                assert b"400" in connection.recv(1_000)
        after = state_of(victim)

    for table in ("tocsin-journal", "tocsin-ledger"):
        assert after[table] == before[table]
    assert FORGED not in str(after)  # projections may have moved on meanwhile
    assert FORGED.encode() not in seen
    assert head_of(victim).seq == head.seq + 1
    with victim.tables() as tables:
        assert {key.id for key in tables.keys.all("local")} == keys


def test_with_the_runs_key_the_same_requests_would_do_it(victim: Product) -> None:
    """Or the page's failure proves nothing."""
    assert ingest(victim, "seen") == 200
    layout = victim.layout
    port = layout.ports["dynamodb"]

    scanned = ask(port, dynamodb("Scan", {"TableName": "tocsin-journal"}, layout.key))
    put = {"TableName": "tocsin-state", "Item": PLANTED}

    assert scanned.status_code == 200
    assert scanned.json()["Count"] > 0
    assert ask(port, dynamodb("PutItem", put, layout.key)).status_code == 200
    assert FORGED in str(state_of(victim))


def test_each_run_has_a_key_of_its_own(victim: Product) -> None:
    first = victim.layout.key
    assert victim.stop() == 0
    victim.start()

    assert victim.layout.key != first
    assert (
        ask(
            victim.layout.ports["dynamodb"],
            dynamodb("Scan", {"TableName": "tocsin-journal"}, first),
        ).status_code
        == 403
    )
    assert ingest(victim, "after") == 200
