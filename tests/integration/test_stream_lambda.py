"""The stream service as Lambda's Web Adapter starts it: run.sh, limited streams, no broker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from fakes.events import batch
from support.databases import Database, Stores
from support.streams import decode
from support.waiting import HANG_SECONDS, until
from tocsin.adapters.clock import SystemClock
from tocsin.domain.batch import pack
from tocsin.domain.keys import Scope, mint
from tocsin.domain.segment import seal
from tocsin.local.addresses import LOOPBACK, reserve
from tocsin.settings import StoreSettings

RUN = Path(__file__).parents[2] / "functions" / "stream" / "run.sh"
MAX_BYTES = 1_048_576


@contextmanager
def service(database: Database, settings: StoreSettings, folder: Path) -> Iterator[httpx.Client]:
    """Run it from another folder until the end; it is ready when ``/healthz`` says so."""
    held = reserve(0)
    port = held.getsockname()[1]
    environment = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.defpath)),
        "AWS_LWA_PORT": str(port),
        "TOCSIN_STREAM_MAX_SECONDS": "1",
        "TOCSIN_STREAM_MAX_BYTES": str(MAX_BYTES),
        **{f"TOCSIN_{name.upper()}": value for name, value in settings.model_dump().items()},
        **database.env,
    }
    process = subprocess.Popen([str(RUN)], env=environment, cwd=folder)  # noqa: S603
    try:
        with httpx.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=HANG_SECONDS) as client:

            def ready() -> bool:
                assert process.poll() is None
                try:
                    return client.get("/healthz").status_code == 200
                except httpx.TransportError:
                    return False

            until(ready, "ready")
            yield client
            process.terminate()
            assert process.wait(HANG_SECONDS) in (0, -15)
    finally:
        process.kill()
        process.wait()
        held.close()


def add(stores: Stores, count: int, salt: int) -> None:
    """Accept and seal a batch of events of 10 KB, as ingestion and fan-out do."""
    now_ms = SystemClock().now_ms()
    made = batch("acme", count, now_ms, salt, metadata={"text": "x" * 10_000})
    stores.journal.put(made, pack(made.entries))
    head = stores.ledger.head("acme")
    segment, _ = seal("acme", head, [made], now_ms)
    stores.ledger.commit(segment, head)


def test_a_client_that_resumes_gets_everything(database: Database, tmp_path: Path) -> None:
    stores, settings = database.stores()
    token, key = mint("acme", frozenset({Scope.READ}), "test", 1)
    stores.keys.put(key)
    add(stores, 200, salt=1)
    with service(database, settings, tmp_path) as client:
        assert client.get("/healthz").json()["broker"] == "none"
        cursor, seen, ended_early = "0", list[int](), 0
        for salt in range(2, 6):
            headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": cursor}
            response = client.get("/api/v1/events/stream", headers=headers)
            assert len(response.content) <= MAX_BYTES
            messages = decode(response.content)
            seen += [message.seq for message in messages]
            cursor = str(seen[-1])
            ended_early += len(response.content) > MAX_BYTES / 2
            add(stores, 1, salt)
        assert ended_early >= 2  # by their bytes; the last ones by their time
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) > 200
