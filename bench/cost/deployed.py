"""What in the stacks decides the costs, read from their sources and from the functions' table.

The CDK, and the Node that it runs on, are not installed where benches run. A test compares what is
read here with the CDK's templates.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.cost.assumed import POLLS_PER_SECOND
from infra.config import Config
from tocsin.domain.limits import PROJECT_SECONDS
from tocsin.local.functions import FUNCTIONS, QUEUES, Consumes

__all__ = ["ALARMS", "Deployed"]

ALARMS = {  # metrics of alarms, by stream and bus
    ("fargate", "valkey"): 54,
    ("fargate", "ledger"): 49,
    ("lambda", "valkey"): 53,
    ("lambda", "ledger"): 48,
}

_CONSTRUCTS = Path(__file__).parents[2] / "infra" / "constructs"
_SAMPLES = {  # what the gateway writes to its log, by variable
    "$context.requestId": "JKJaXmPLvHcESHA=",
    "$context.routeKey": "ANY /api/v1/ingest/{proxy+}",
    "$context.status": "200",
    "$context.responseLength": "123",
    "$context.responseLatency": "12",
}


@dataclass(frozen=True, slots=True)
class Deployed:
    """What in the stacks decides the costs."""

    memory_mb: Mapping[str, int]
    fanout_window_seconds: float
    fanout_records: int  # at most, in an invocation
    project_window_seconds: float
    project_seconds: int  # that projections wait
    detect_window_seconds: float
    queues: int  # that Lambda looks at all the time
    sweep_seconds: float
    checkpoint_seconds: float
    stream_seconds: float  # after this Lambda ends a stream
    task_vcpu: float
    task_gb: float
    platform_logs: bool
    access_line: str
    config: Config

    @classmethod
    def read(cls, config: Config) -> "Deployed":
        """Read the constructs' sources: the CDK is not installed where benches run.

        Raises:
            ValueError: a construct does not say what it used to.
        """
        default = _found("function", r"memory_mb: int = (\d+)")
        template = _found("gateway", r"_LOGGED = \{(.*?)\}", re.DOTALL)
        logged = dict(re.findall(r'"(\w+)": "([^"]+)"', template))
        return cls(
            memory_mb={
                **{name: function.memory_mb for name, function in FUNCTIONS.items()},
                "stream": int(_found("stream_function", r"\bmemory_mb=(\d+)", default=default)),
            },
            fanout_window_seconds=config.batch_window_seconds,
            fanout_records=_mapping("fanout").batch_size,
            project_window_seconds=_mapping("project").window_ms / 1000,
            project_seconds=PROJECT_SECONDS,
            detect_window_seconds=_mapping("detect").window_ms / 1000,
            queues=len(QUEUES),
            sweep_seconds=_period_seconds("sweeper"),
            checkpoint_seconds=_period_seconds("checkpoint"),
            stream_seconds=float(_found("stream_function", r"_STREAM_SECONDS = (\d+)")),
            task_vcpu=int(_found("stream_service", r"\bcpu=(\d+)")) / 1024,
            task_gb=int(_found("stream_service", r"memory_limit_mib=(\d+)")) / 1024,
            platform_logs=_found("function", r"SystemLogLevel\.(\w+)") != "WARN",
            access_line=json.dumps(
                {name: _SAMPLES.get(v, "-") for name, v in logged.items()}, separators=(",", ":")
            ),
            config=config,
        )

    @property
    def tails_rate(self) -> float:
        """How many tails of an org there are for each one that would come when it is due."""
        from tocsin.services.sealing.pace import EARLY_SECONDS  # not for the tests of stacks

        return self.project_seconds / (self.project_seconds - EARLY_SECONDS)

    def period_ms(self, window_seconds: float) -> int:
        """Return the time between two invocations by a stream while records keep coming."""
        return round(1000 * window_seconds) or 1000 // POLLS_PER_SECOND


def _found(construct: str, pattern: str, flags: int = 0, default: str | None = None) -> str:
    found = re.search(pattern, (_CONSTRUCTS / f"{construct}.py").read_text(), flags)
    if found is None and default is None:
        raise ValueError(f"infra/constructs/{construct}.py has no {pattern}")
    return default or "" if found is None else found[1]


def _period_seconds(name: str) -> float:
    every = FUNCTIONS[name].every
    if every is None:
        raise ValueError(f"{name} has no schedule")
    return every.seconds


def _mapping(name: str) -> Consumes:
    mapping = FUNCTIONS[name].consumes
    if mapping is None:
        raise ValueError(f"{name} is on no stream")
    return mapping
