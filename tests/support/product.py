"""The whole product, as a user starts it: ``tocsin up`` on a free port with a home of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from support.waiting import HANG_SECONDS, until
from tocsin.bootstrap import admin
from tocsin.local.layout import Layout

TOCSIN = Path(sys.executable).with_name("tocsin")


@dataclass
class Product:
    """``tocsin up`` on ``home``, with more variables in ``env``.

    ``background``: with SIGINT ignored, as a script's ``tocsin up &`` starts it. ``url``, ``org``
    and ``api_key`` are known once it is started.
    """

    home: Path
    port: int = 0
    env: Mapping[str, str] = field(default_factory=dict)
    background: bool = False
    url: str = ""
    org: str = ""
    api_key: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def output(self) -> str:
        """What it has printed since the last start."""
        return self._printed.read_text()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def headers(self) -> dict[str, str]:
        """The admin key, as a request carries it."""
        return {"Authorization": f"Bearer {self.api_key}"}

    def launch(self) -> None:
        """Start it without waiting."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        with self._printed.open("wb") as printed:
            self._process = subprocess.Popen(  # noqa: S603 (our own program)
                [
                    *(("sh", "-c", 'trap "" INT; exec "$@"', "sh") if self.background else ()),
                    *(str(TOCSIN), "up", "--port", str(self.port), "--home", str(self.home)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                env={**os.environ, "AWS_PROFILE": "the-user-s-own", "COLUMNS": "80", **self.env},
            )

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self.launch()
        until(lambda: not self.running or "Ctrl-C" in self.output, "ready")
        assert self.running, self.output
        local = json.loads((self.home / "local.json").read_bytes())
        self.url, self.org, self.api_key = local["url"], local["org"], local["api_key"]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        return self._process.wait(HANG_SECONDS)

    def parts(self) -> dict[str, psutil.Process]:
        """The processes of the parts that live, by name."""
        found = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                # Valkey writes its title over its environment.
                name = child.environ().get("POWERTOOLS_SERVICE_NAME", "valkey")
                found[name] = child
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue  # it ended meanwhile
        return found

    @property
    def layout(self) -> Layout:
        """Where its parts are in this run."""
        return Layout.from_env(self.parts()["gateway"].environ())

    def kill(self, part: str) -> None:
        """Kill a part's process at once (SIGKILL)."""
        self.parts()[part].kill()

    def health(self) -> tuple[int, dict[str, str]]:
        """What ``/healthz`` says: the status, and the state of every part (none without answer)."""
        try:
            answer = httpx.get(f"{self.url}/healthz", timeout=60)
        except httpx.TransportError:
            return 0, {}
        return answer.status_code, answer.json()["parts"]

    def until_ready(self) -> None:
        """Wait until every part is ready."""
        until(lambda: self.health()[0] == 200, "every part ready again")

    @contextmanager
    def tables(self) -> Iterator[admin.Admin]:
        """Its tables, without Tocsin in between."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in json.loads((self.home / "local.json").read_bytes())["env"].items():
                patch.setenv(name, value)
            yield admin.wire()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def _printed(self) -> Path:
        return self.home.with_suffix(".out")
