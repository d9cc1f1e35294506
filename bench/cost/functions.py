"""The deployed handlers, wired to a clock, a client and a broker of the bench."""

import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib import import_module
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import lambdas
from bench.cost.assumed import (
    LOG_EVENT_BYTES,
    PLATFORM_LOG_BYTES,
    PUBLISH_MS,
    SEND_MS,
    SIGN_MS,
    SUBSCRIBERS,
)
from bench.cost.deployed import Deployed
from bench.cost.tap import Tap
from bench.cost.use import Use
from fakes.stores import FakeClock
from tocsin.adapters.sqs import SqsTails
from tocsin.bootstrap import checkpoint, detect, fanout, ingest, project, sweeper
from tocsin.ports.evidence import Signer
from tocsin.settings import (
    CheckpointSettings,
    DetectSettings,
    FanoutSettings,
    IngestSettings,
    ProjectSettings,
    StoreSettings,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

__all__ = ["Broker", "Functions", "Queue", "Signatures", "wired"]


class Queue:
    """A real queue, of which it is counted what is sent to it."""

    def __init__(self, client: "SQSClient", name: str) -> None:
        self._tails = SqsTails(client, client.create_queue(QueueName=name)["QueueUrl"])
        self.sent = 0

    def set(self, org: str, delay_seconds: int) -> None:
        """See :meth:`tocsin.ports.projections.Tails.set`."""
        self._tails.set(org, delay_seconds)
        self.sent += 1


class Nobody:
    """Whom nobody has asked to be woken."""

    def wake(
        self, org: str, ids: Sequence[str], *, delay_seconds: int = 0, slow: bool = False
    ) -> None:
        """See :meth:`tocsin.ports.notify.Wakes.wake`."""
        raise AssertionError(f"{org} has no endpoints")


class Broker:
    """Remembers the sizes of the messages."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def publish(self, org: str, message: bytes) -> None:
        """See :meth:`tocsin.ports.log.Broker.publish`."""
        self.sizes.append(len(message))


class Signatures(Signer):
    """A key that counts what it signs."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.made = 0

    @property
    def public_key(self) -> bytes:
        """See :attr:`tocsin.ports.evidence.Signer.public_key`."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See :meth:`tocsin.ports.evidence.Signer.sign`."""
        self.made += 1
        return self._key.sign(message)


class Functions:
    """The handlers, invoked as Lambda does: JSON in, JSON out."""

    def __init__(
        self,
        deployed: Deployed,
        broker: Broker,
        queue: Queue,
        signatures: Signatures,
        tap: Tap | None,
    ) -> None:
        """Count what the handlers use; units and waits only with a ``tap``."""
        self._platform_bytes = PLATFORM_LOG_BYTES if deployed.platform_logs else 0
        self._broker = broker
        self._queue = queue
        self._signatures = signatures
        self._tap = tap
        self.metrics: set[str] = set()
        self.told_bytes = 0

    def __call__(self, name: str, event: dict[str, Any], use: Use) -> dict[str, Any]:
        """Invoke a handler, add what it used to ``use``, and return its answer.

        Raises:
            RuntimeError: the handler reported failures.
        """
        handler = import_module(f"functions.{name}.handler").handler
        context, payload, printed = lambdas.context(name), json.dumps(event), io.StringIO()
        if self._tap:
            self._tap.reset()
        self._broker.sizes.clear()
        sent, signed = self._queue.sent, self._signatures.made
        with redirect_stdout(printed):
            began = time.process_time()
            result = json.dumps(handler(json.loads(payload), context))
            use.cpu_ms += (time.process_time() - began) * 1000
        use.invocations += 1
        logged = printed.getvalue().splitlines()
        use.log_bytes += self._platform_bytes + sum(
            len(line.encode()) + LOG_EVENT_BYTES for line in logged
        )
        self.metrics.update(name for line in logged for name in _metrics(line))
        use.messages += self._queue.sent - sent
        use.waits_ms += SEND_MS * (self._queue.sent - sent)
        use.signatures += self._signatures.made - signed
        use.waits_ms += SIGN_MS * (self._signatures.made - signed)
        use.waits_ms += PUBLISH_MS * len(self._broker.sizes)
        use.ecpus += sum(max(1.0, size / 1024) for size in self._broker.sizes) * (1 + SUBSCRIBERS)
        self.told_bytes += sum(self._broker.sizes)
        if self._tap:
            use.waits_ms += self._tap.waits_ms
            use.reads.update(self._tap.reads)
            for kind, units in self._tap.units.items():
                use.writes[kind.partition("-")[0]] += units
        answer: dict[str, Any] = json.loads(result)
        if answer.get("batchItemFailures") or answer.get("statusCode", 200) != 200:
            raise RuntimeError(f"{name}: {answer}")
        return answer


def _metrics(line: str) -> list[str]:
    emitted = json.loads(line).get("_aws", {}).get("CloudWatchMetrics", [])
    return [metric["Name"] for each in emitted for metric in each["Metrics"]]


@contextmanager
def wired(
    settings: StoreSettings,
    client: "DynamoDBClient",
    clock: FakeClock,
    broker: Broker,
    queue: Queue,
    signatures: Signatures,
) -> Iterator[None]:
    """Have the handlers' services wired as deployed, but to these; in the end as before."""
    stores = settings.model_dump()
    # The emulator expires items by its own clock, but they are stored by the bench's.
    ingesting = IngestSettings(**stores, retention_days=36_500)
    sealing = FanoutSettings(**stores)
    services: dict[str, Any] = {
        "ingest": ingest.wire(ingesting, db=client, clock=clock),
        "fanout": fanout.wire(sealing, db=client, clock=clock, broker=broker),
        "project": project.wire(
            ProjectSettings(
                **stores, retention_days=36_500, wakes_queue_url="none", tails_queue_url="none"
            ),
            db=client,
            clock=clock,
            wakes=Nobody(),
            tails=queue,
        ),
        "detect": detect.wire(
            DetectSettings(**stores, retention_days=36_500), db=client, clock=clock
        ),
        "sweeper": sweeper.wire(sealing, db=client, clock=clock, broker=broker),
        "checkpoint": checkpoint.wire(
            CheckpointSettings(**stores, signing_key="none"),
            db=client,
            clock=clock,
            signers=[signatures],
        ),
    }
    with ExitStack() as patched:
        for name, service in services.items():
            module = import_module(f"functions.{name}.handler")
            patched.enter_context(patch.object(module, "service", _always(service)))
        yield


def _always[T](value: T) -> Callable[[], T]:
    return lambda: value
