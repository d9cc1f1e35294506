"""Where everything is in one run, and how the parts learn of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import orjson

from tocsin.local.addresses import LOOPBACK
from tocsin.local.functions import FUNCTIONS, PROCESSES, QUEUES, Queue

__all__ = ["DYNAMODB", "GATEWAY", "NAMES", "POLLER", "STREAM", "VALKEY", "Layout"]

DYNAMODB = "dynamodb"
VALKEY = "valkey"
POLLER = "poller"
STREAM = "stream"
GATEWAY = "gateway"
NAMES = (DYNAMODB, VALKEY, *PROCESSES, POLLER, STREAM, GATEWAY)


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders, files and addresses of one run."""

    home: Path
    ports: Mapping[str, int]  # by part; the others listen on unix sockets
    sockets: Path  # the folder of these
    key: str = field(repr=False)  # of this run: the access key that the DynamoDB emulator demands

    def url(self, part: str) -> str:
        """The address of a part's HTTP server.

        Where that has no port it is a name, which :mod:`tocsin.local.sockets` leads to its socket.
        """
        port = self.ports.get(part)
        return f"http://{part}" if port is None else f"http://{LOOPBACK}:{port}"

    def socket(self, part: str) -> Path:
        """The unix socket of a part that has no port."""
        return self.sockets / f"{part}.sock"

    def listens(self, part: str) -> str:
        """Where a part listens, as its command says it: a port or a path."""
        return str(self.ports.get(part) or self.socket(part))

    @property
    def credential(self) -> dict[str, str]:
        """The header that opens the DynamoDB emulator to a request that no AWS SDK makes."""
        return {"Authorization": f"AWS4-HMAC-SHA256 Credential={self.key}/"}

    @property
    def hosts(self) -> dict[str, str]:
        """The address of each function's host, by the function's name."""
        return {name: self.url(function.process) for name, function in FUNCTIONS.items()}

    @property
    def state(self) -> Path:
        """Where the DynamoDB emulator saves the tables."""
        return self.home / "dynamodb"

    def log(self, part: str) -> Path:
        """The file that takes a part's output."""
        return self.home / "logs" / f"{part}.log"

    @property
    def tables(self) -> dict[str, str]:
        """The variables that lead to these tables, and to no others."""
        return {
            "TOCSIN_JOURNAL_TABLE": "tocsin-journal",
            "TOCSIN_LEDGER_TABLE": "tocsin-ledger",
            "TOCSIN_STATE_TABLE": "tocsin-state",
            "AWS_ENDPOINT_URL": self.url(DYNAMODB),
            "AWS_ENDPOINT_URL_DYNAMODB": self.url(DYNAMODB),  # in case the user has set it
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def queue(self, queue: Queue) -> str:
        """The URL of a queue."""
        return f"{self.url(DYNAMODB)}/000000000000/tocsin-{queue}"

    @property
    def queues(self) -> dict[str, str]:
        """The variables that lead to the queues."""
        return {
            f"TOCSIN_{queue.upper().replace('-', '_')}_QUEUE_URL": self.queue(queue)
            for queue in QUEUES
        }

    @property
    def env(self) -> dict[str, str]:
        """The variables that tell every part about the others."""
        return {
            **self.tables,
            **self.queues,
            "TOCSIN_HOME": str(self.home),
            "TOCSIN_PARTS": orjson.dumps(
                {"ports": dict(self.ports), "sockets": str(self.sockets), "key": self.key}
            ).decode(),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "TOCSIN_ARCHIVE": f"file:{self.home / 'evidence'}",
            "TOCSIN_SIGNING_KEY": f"file:{self.home / 'signing-key'}",
            "TOCSIN_VALKEY_URL": f"unix://{quote(str(self.socket(VALKEY)))}",
            "POWERTOOLS_METRICS_NAMESPACE": "Tocsin",
            "POWERTOOLS_TRACE_DISABLED": "true",
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
        }

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Layout":
        """Read back what :attr:`env` says."""
        parts = orjson.loads(env["TOCSIN_PARTS"])
        return cls(Path(env["TOCSIN_HOME"]), parts["ports"], Path(parts["sockets"]), parts["key"])
