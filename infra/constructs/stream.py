"""What the stream service reads and may do, whatever hosts it."""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam

from infra.config import Config
from infra.constructs.signals import Alarms, Emitted, Watched, graph
from infra.constructs.tables import Tables
from infra.constructs.valkey import SUBSCRIBER, Valkey

__all__ = [
    "READ_TIMEOUT_SECONDS",
    "StreamHost",
    "StreamMetrics",
    "allow_stream",
    "stream_environment",
]

READ_TIMEOUT_SECONDS = 120  # of silence; the rarest heartbeat comes every 30


class StreamHost(Watched, Protocol):
    """What the edge and the operators need to know about the service's host."""

    def origin(self) -> cloudfront.IOrigin:
        """Return the host as CloudFront reaches it."""


class StreamMetrics:
    """What each process of the service reports about itself, once a minute."""

    def __init__(self, config: Config) -> None:
        self._emitted = Emitted(config, "stream")
        self._late_ms = 1_000 * (config.batch_window_seconds + _LATE_SECONDS)

    def connections(self, statistic: str) -> cloudwatch.Metric:
        """Return the streams of each process: their ``Sum``, ``Average`` or ``Maximum``."""
        return self._emitted("Connections", statistic, minutes=1)

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        late = self._emitted("StreamLagMs", "p90", minutes=1)
        alarms.above("StreamLag", late, self._late_ms, _LATE, periods=5)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        lags = [self._emitted("StreamLagMs", name, minutes=1) for name in ("p50", "p99")]
        troubles = ("StalledClients", *(f"Refused{reason}" for reason in _REASONS))
        return [
            graph("Streams: milliseconds from receipt", *lags),
            graph("Streams: bytes", self._emitted("SentBytes", minutes=1)),
            graph("Streams: refused and stalled", *map(self._emitted, troubles)),
        ]


_LATE_SECONDS = 10  # on top of how long the fan-out waits for more
_LATE = (
    "Watchers see events more than ten seconds late. If FanoutBehind is silent, it is the stream "
    "service: see its CPU, its log, and whether Valkey answers."
)
_REASONS = ("Crowded", "LimitReached", "Busy", "Unauthenticated", "Forbidden", "Malformed")


def stream_environment(
    *, config: Config, tables: Tables, valkey: Valkey | None
) -> Mapping[str, str]:
    """Return what ``tocsin.settings.StreamSettings`` reads."""
    return {
        **tables.environment,
        "TOCSIN_RETENTION_DAYS": str(config.retention_days),
        "TOCSIN_ALLOWED_ORIGINS": json.dumps(config.allowed_origins),
        "TOCSIN_MAX_STREAMS": str(config.streams_per_task),
        "TOCSIN_METRICS_NAMESPACE": Emitted(config, "stream").namespace,
        **(valkey.environment(SUBSCRIBER) if valkey else {}),
        **{f"TOCSIN_{name.upper()}": value for name, value in config.stream_options.items()},
    }


def allow_stream(who: iam.IGrantable, *, tables: Tables, valkey: Valkey | None) -> None:
    """Let it check keys, read ledger, journal, trees, summaries and approvals, and subscribe.

    It may write nothing but sign-ins and tickets.
    """
    reads = ["Query", "BatchGetItem"]
    tables.allow(who, journal=reads, ledger=reads, state=["GetItem", "BatchGetItem"])
    tables.allow_querying(who, ["summary#*", "tree#*", "checkpoint#*"])
    tables.allow_writing(who, ["pass-ticket#*"], ["PutItem", "DeleteItem"])
    if valkey is not None:
        valkey.allow(who, SUBSCRIBER)
