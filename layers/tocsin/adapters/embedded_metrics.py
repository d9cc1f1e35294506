"""Metrics as lines of CloudWatch's embedded metric format, which its logs turn into metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
Powertools' own keeps metrics for its whole class and breaks a line at the hundredth value; this is
one dictionary.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import override

import orjson

from tocsin.ports.world import Metrics

__all__ = ["EmbeddedMetrics"]


class EmbeddedMetrics(Metrics):
    """:class:`~tocsin.ports.world.Metrics` on standard output, under one dimension: the service."""

    def __init__(
        self, namespace: str, service: str, write: Callable[[str], object] | None = None
    ) -> None:
        """Write lines with ``write``; None: to standard output, unbuffered."""
        self._namespace = namespace
        self._service = service
        self._write = write or _print

    @override
    def put(self, at_ms: int, figures: Mapping[str, float | Sequence[float]]) -> None:
        about = {
            "Timestamp": at_ms,
            "CloudWatchMetrics": [
                {
                    "Namespace": self._namespace,
                    "Dimensions": [["service"]],
                    "Metrics": [{"Name": name, "Unit": _unit(name)} for name in figures],
                }
            ],
        }
        line = orjson.dumps({"_aws": about, "service": self._service, **figures})
        self._write(line.decode())


def _unit(name: str) -> str:
    if name.endswith("Ms"):
        return "Milliseconds"
    return "Bytes" if name.endswith("Bytes") else "Count"


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
