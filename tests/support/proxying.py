"""``tocsin proxy`` as a process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from support.fake_tocsin import API_KEY, FakeTocsin
from support.vendor import Vendor
from support.waiting import HANG_SECONDS

__all__ = ["Proxy", "proxying"]


class Proxy:
    """A running proxy; ``url`` is where it listens."""

    def __init__(self, tocsin: FakeTocsin, vendor: Vendor, home: Path, *options: str) -> None:
        home.mkdir(exist_ok=True)
        self.errors_path = home / f"stderr-{os.urandom(4).hex()}"
        with self.errors_path.open("wb") as stderr:
            self.process = subprocess.Popen(  # noqa: S603 (our own program)
                [
                    *(sys.executable, "-m", "tocsin.cli", "proxy", "--port", "0"),
                    *("--openai", f"{vendor.url}/v1", "--anthropic", f"stub={vendor.url}"),
                    *options,
                ],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={
                    **{
                        name: os.environ[name]
                        for name in ("PATH", "PYTHONPATH")
                        if name in os.environ
                    },
                    "TOCSIN_URL": tocsin.url,
                    "TOCSIN_API_KEY": API_KEY,
                    "TOCSIN_HOME": str(home),
                },
            )
        assert self.process.stdout is not None
        self.said = [self.process.stdout.readline().strip() for _ in range(2)]
        assert all(self.said), self.errors
        self.openai, self.url = (line.partition("=")[2] for line in self.said)

    @property
    def errors(self) -> str:
        return self.errors_path.read_text()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def memory_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(HANG_SECONDS)


@contextmanager
def proxying(tocsin: FakeTocsin, vendor: Vendor, home: Path, *options: str) -> Iterator[Proxy]:
    """Yield one that listens; it is killed at the end if it still runs."""
    proxy = Proxy(tocsin, vendor, home, *options)
    try:
        yield proxy
    finally:
        if proxy.process.poll() is None:
            proxy.end(signal.SIGKILL)
        assert proxy.process.stdout is not None
        proxy.process.stdout.close()
