"""The stream service as a process of its own, over real tables and a real Valkey."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from fakes.events import batch
from support.databases import Database
from support.valkey import Valkey
from support.waiting import until
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.valkey.broker import ValkeyBroker
from tocsin.domain.batch import pack
from tocsin.domain.keys import Scope, mint
from tocsin.local.addresses import LOOPBACK, reserve
from tocsin.services.sealing.fanout import Fanout

__all__ = ["RealOrg", "Service", "stream_service"]

ROOT = Path(__file__).parents[2]


class RealOrg:
    """An org in tables of its own, its fan-out, and a key to read with."""

    def __init__(self, database: Database, valkey: Valkey) -> None:
        self._stores, settings = database.stores()
        self._valkey = valkey
        self._batches = 0
        token, key = mint("acme", frozenset({Scope.READ}), "test", 1)
        self._stores.keys.put(key)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.env = {
            **{f"TOCSIN_{name.upper()}": value for name, value in settings},
            **database.env,
            "TOCSIN_VALKEY_URL": valkey.url,
        }

    def add(self, *counts: int, **fields: object) -> int:
        """Accept and fan out batches one by one; return the last seq."""
        clock = SystemClock()
        with closing(ValkeyBroker(self._valkey.url)) as broker:
            fanout = Fanout(
                ledger=self._stores.ledger,
                set_aside=self._stores.set_aside,
                broker=broker,
                clock=clock,
            )
            for count in counts or (1,):
                self._batches += 1
                made = batch("acme", count, clock.now_ms(), self._batches, **fields)
                self._stores.journal.put(made, pack(made.entries))
                assert fanout([made]).failed == {}
        return self._stores.ledger.head("acme").seq


@dataclass(frozen=True)
class Service:
    """Where it listens, and its process."""

    url: str
    port: int
    process: psutil.Process


@contextmanager
def stream_service(
    org: RealOrg, app: str = "functions.stream.app:app", **env: str
) -> Iterator[Service]:
    """Run it as ``tocsin up`` does, from when it answers until it has ended."""
    held = reserve(0)
    port = held.getsockname()[1]
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "tocsin.local.serve", app, str(port), "1"],
        env={
            **os.environ,
            **org.env,
            "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "layers", "tests")),
            **env,
        },
    )
    url = f"http://{LOOPBACK}:{port}"

    def answers() -> bool:
        assert process.poll() is None, "the stream service ended"
        try:
            return httpx.get(f"{url}/healthz", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(answers, "the stream service answers")
        yield Service(url, port, psutil.Process(process.pid))
    finally:
        process.kill()
        process.wait()
        held.close()
