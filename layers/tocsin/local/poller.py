"""Lambda's event source mappings, from the tables' streams and the queues to the functions.

:mod:`tocsin.local.mapping` makes the decisions, :mod:`tocsin.local.polling` the calls, and
:mod:`tocsin.local.queue_polling` is a queue's.
``python -m tocsin.local.poller`` answers ``GET /health`` on its unix socket with 200 while the
streams can be read. On SIGTERM it delivers what they still hold, then ends. A thread that fails
ends the process, which is started again: else a stream would be read no more, and nobody told.
"""

import os
import signal
import threading
from collections.abc import Callable
from threading import Thread

import boto3
from botocore.config import Config
from pydantic_settings import BaseSettings, SettingsConfigDict

from tocsin.local import sockets
from tocsin.local.functions import FUNCTIONS, Consumes, MappingSettings
from tocsin.local.health import serve_health
from tocsin.local.invoke import Functions
from tocsin.local.layout import POLLER, Layout
from tocsin.local.polling import Poller
from tocsin.local.queue_polling import WAIT_SECONDS, QueuePoller
from tocsin.local.reader import Checkpoint, StreamReader
from tocsin.local.schedule import Schedule
from tocsin.settings import StoreSettings

__all__ = ["PollerSettings", "to_queue"]

THREAD_FAILED = 70  # the exit status of a process one of whose threads has failed
_CONSUMERS = {name: each.consumes for name, each in FUNCTIONS.items() if each.consumes}


class PollerSettings(BaseSettings):
    """Fan-out's mapping, which ``TOCSIN_POLLER_MAPPING`` (JSON) changes.

    ``on_failure_queue_url`` is an SQS queue for messages about records that were given up.
    """

    model_config = SettingsConfigDict(env_prefix="TOCSIN_POLLER_", frozen=True)

    mapping: MappingSettings = _CONSUMERS["fanout"].here
    on_failure_queue_url: str | None = None


def to_queue(url: str) -> Callable[[str], object]:
    """Return a function that sends a message to an SQS queue."""
    sqs = boto3.client("sqs")
    return lambda message: sqs.send_message(QueueUrl=url, MessageBody=message)


def main() -> None:
    """Run in this process's environment until SIGTERM."""
    threading.excepthook = _end
    layout = Layout.from_env(os.environ)
    settings = PollerSettings()
    functions = Functions(layout.hosts, sockets.blocking(layout))
    on_failure = to_queue(settings.on_failure_queue_url) if settings.on_failure_queue_url else None
    others = [
        Poller(
            consumes.here, *_reader(name, consumes, layout), functions, on_failure, function=name
        )
        for name, consumes in _CONSUMERS.items()
        if name != "fanout"
    ]
    reader = _reader("fanout", _CONSUMERS["fanout"], layout)
    first = Poller(settings.mapping, *reader, functions, on_failure, followers=others)
    queues = _queues(layout, functions)
    # Not by stop(): this thread may be just about to wait, with the lock that a nudge takes.
    signal.signal(signal.SIGTERM, lambda *_: first.stopping.set())
    for name, function in FUNCTIONS.items():
        if function.every:
            schedule = Schedule(
                functions, name, function.every, begin=first.began, stopping=first.stopping
            )
            Thread(target=schedule.run, daemon=True).start()
    threads = [Thread(target=each.run, daemon=True) for each in others]
    for thread in (*threads, *(Thread(target=each.run, daemon=True) for each in queues)):
        thread.start()
    pollers: list[Poller | QueuePoller] = [first, *others, *queues]
    serve_health(layout.socket(POLLER), lambda: all(each.reading for each in pollers))
    first.run()
    for queue in queues:
        queue.finish()
    for each in others:  # so that they read what the first one's function still wrote
        each.stop()
    for thread in threads:
        thread.join()
    functions.close()


def _reader(name: str, consumes: Consumes, layout: Layout) -> tuple[StreamReader, Checkpoint]:
    config = _config(20)
    settings = StoreSettings()
    names = {"journal": settings.journal_table, "ledger": settings.ledger_table}
    checkpoint = Checkpoint(layout.home / f"checkpoint-{name}.json")
    tables = boto3.client("dynamodb", config=config)
    streams = boto3.client("dynamodbstreams", config=config)
    return StreamReader(tables, streams, names[consumes.table], checkpoint), checkpoint


def _queues(layout: Layout, functions: Functions) -> list[QueuePoller]:
    config = _config(WAIT_SECONDS + 10)
    return [
        QueuePoller(
            boto3.client("sqs", config=config),
            layout.queue(receives.queue),
            name,
            receives,
            functions,
        )
        for name, function in FUNCTIONS.items()
        for receives in function.receives
        for _ in range(max(1, function.at_once_here // len(function.receives)))
    ]


def _config(read_seconds: int) -> Config:
    """Return what makes calls cheap, since there are many, and failures surface at once.

    The poller's loop is the retry.
    """
    return Config(
        retries={"total_max_attempts": 1},
        connect_timeout=2,
        read_timeout=read_seconds,
        parameter_validation=False,
        user_agent="tocsin",
    )


def _end(failed: threading.ExceptHookArgs) -> None:
    threading.__excepthook__(failed)
    os._exit(THREAD_FAILED)


if __name__ == "__main__":
    main()
