"""Lambda's event source mappings, journal → fan-out and ledger → project: ``… .poller PORT``.

The decisions are :mod:`tocsin.local.mapping`'s, the calls :mod:`tocsin.local.polling`'s.
``GET /health`` on ``PORT`` answers 200 while the streams can be read. On SIGTERM it delivers what
they still hold, then ends.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
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


_PROJECT = MappingSettings(batch_size=1_000, maximum_batching_window_ms=2_000)


class PollerSettings(BaseSettings):
    """Fan-out's mapping as it is deployed; ``TOCSIN_POLLER_MAPPING`` (JSON) changes it.

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
    tables, settings = StoreSettings(), PollerSettings()
    functions = Functions({name: layout.url(host) for name, host in FUNCTIONS.items()})
    on_failure = to_queue(settings.on_failure_queue_url) if settings.on_failure_queue_url else None
    fanout = Poller(
        settings.mapping,
        *_reader(tables.journal_table, layout.home / "checkpoint.json"),
        functions,
        on_failure,
    )
    project = Poller(
        _PROJECT,
        *_reader(tables.ledger_table, layout.home / "checkpoint-ledger.json"),
        functions,
        function="project",
    )
    signal.signal(signal.SIGTERM, lambda *_: fanout.stopping.set())
    schedule = Schedule(functions, begin=fanout.began, stopping=fanout.stopping)
    Thread(target=schedule.run, daemon=True).start()
    projecting = Thread(target=project.run, daemon=True)
    projecting.start()
    serve_health(port, lambda: fanout.reading and project.reading)
    fanout.run()
    project.stopping.set()
    projecting.join()
    functions.close()


def _reader(table: str, path: Path) -> tuple[StreamReader, Checkpoint]:
    # Failures surface at once: the poller's loop is the retry.
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=20)
    checkpoint = Checkpoint(path)
    tables = boto3.client("dynamodb", config=config)
    streams = boto3.client("dynamodbstreams", config=config)
    return StreamReader(tables, streams, table, checkpoint), checkpoint


if __name__ == "__main__":
    main(int(sys.argv[1]))
