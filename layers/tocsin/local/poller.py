"""Lambda's event source mapping from the journal's stream to fan-out: ``… .poller PORT``.

The decisions are :mod:`tocsin.local.mapping`'s, the calls :mod:`tocsin.local.polling`'s.
``GET /health`` on ``PORT`` answers 200 while the stream can be read. On SIGTERM it delivers what
the stream still holds, then ends.
"""

import os
import signal
import sys
from collections.abc import Callable
from threading import Thread

import boto3
from botocore.config import Config
from pydantic_settings import BaseSettings, SettingsConfigDict

from tocsin.local.health import serve_health
from tocsin.local.invocations import MappingSettings
from tocsin.local.invoke import Functions
from tocsin.local.layout import FUNCTIONS, Layout
from tocsin.local.polling import Poller
from tocsin.local.reader import Checkpoint, StreamReader
from tocsin.local.schedule import Schedule
from tocsin.settings import StoreSettings

__all__ = ["PollerSettings", "to_queue"]


class PollerSettings(BaseSettings):
    """The mapping as it is deployed; ``TOCSIN_POLLER_MAPPING`` (JSON) changes it.

    ``on_failure_queue_url`` is an SQS queue that is told of records that were given up.
    """

    model_config = SettingsConfigDict(env_prefix="TOCSIN_POLLER_", frozen=True)

    mapping: MappingSettings = MappingSettings(bisect_batch_on_function_error=True)
    on_failure_queue_url: str | None = None


def to_queue(url: str) -> Callable[[str], object]:
    """Return what sends a message to an SQS queue."""
    sqs = boto3.client("sqs")
    return lambda message: sqs.send_message(QueueUrl=url, MessageBody=message)


def main(port: int) -> None:
    """Run in this process's environment until SIGTERM."""
    layout = Layout.from_env(os.environ)
    checkpoint = Checkpoint(layout.home / "checkpoint.json")
    # Failures surface at once: this loop is the retry.
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=20)
    reader = StreamReader(
        boto3.client("dynamodb", config=config),
        boto3.client("dynamodbstreams", config=config),
        StoreSettings().journal_table,
        checkpoint,
    )
    functions = Functions({name: layout.url(host) for name, host in FUNCTIONS.items()})
    settings = PollerSettings()
    on_failure = to_queue(settings.on_failure_queue_url) if settings.on_failure_queue_url else None
    poller = Poller(settings.mapping, reader, checkpoint, functions, on_failure)
    signal.signal(signal.SIGTERM, lambda *_: poller.stopping.set())
    schedule = Schedule(functions, begin=poller.began, stopping=poller.stopping)
    Thread(target=schedule.run, daemon=True).start()
    serve_health(port, lambda: poller.reading)
    poller.run()
    functions.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
