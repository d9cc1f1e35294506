"""How soon a receiver is told on an account: a model, since none is measured here.

Each step has a typical time and one of one in a hundred, between which a log-normal distribution
is laid; the calls to DynamoDB before the request are those of the deployed handler in this run,
times what ``bench cost`` assumes for each. The steps are drawn independently of each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from random import Random
from statistics import median, quantiles
from typing import Any

from bench.cost.assumed import CALL_MS, FULL_CORE_MB, POLLS_PER_SECOND, SEND_MS
from bench.cost.deployed import Deployed
from bench.deliveries.assumed import (
    BAR_SECONDS,
    CALL_P99,
    HANDSHAKES_MS,
    NETWORK_P99,
    RECEIVER_MS,
    SQS_MS,
    WARM_START_MS,
)
from bench.deliveries.cost import Case, spend
from bench.deliveries.receiver import receiving
from bench.deliveries.world import receive, world
from bench.report import number, show
from infra.config import Config
from support.ministack import Server
from tocsin.domain.endpoints import Order

__all__ = ["Step", "main", "percentiles"]

_DRAWS = 100_000
_P99 = 2.326  # standard deviations


@dataclass(frozen=True, slots=True)
class Step:
    """Milliseconds: of two numbers, typical and of one in a hundred; or anything up to ``most``."""

    name: str
    typical: float = 0.0
    rare: float = 0.0
    most: float = 0.0

    def draw(self, random: Random) -> float:
        """Return one."""
        if self.most:
            return random.uniform(0, self.most)
        if self.typical in (0, self.rare):
            return self.typical
        return self.typical * exp(random.gauss(0, log(self.rare / self.typical) / _P99))


def percentiles(steps: Sequence[Step]) -> tuple[float, float]:
    """Return the median and the 99th percentile of the steps' sum, the same in each run."""
    random = Random(1)  # noqa: S311 (no secret)
    sums = [sum(step.draw(random) for step in steps) for _ in range(_DRAWS)]
    return median(sums), quantiles(sums, n=100)[98]


def main(server: Server) -> None:
    """Measure, and print."""
    deployed = Deployed.read(Config())
    calls = _calls_before_the_request(server)
    with receiving() as target:
        used = spend(server, target, Case(1, 1), metered=False)
    steps = _steps(
        deployed,
        calls,
        used.waking.cpu_ms / used.waking.invocations,
        used.delivering.cpu_ms / used.delivering.invocations,
    )
    window = Step(
        "project's window",
        typical=1_000 * deployed.project_window_seconds,
        rare=1_000 * deployed.project_window_seconds,
    )
    with_window = [steps[0], window, *steps[1:]]
    rows = [(each.name, *map(number, percentiles([each]))) for each in with_window]
    both, without = percentiles(with_window), percentiles(steps)
    rows.append(("together", *map(number, both)))
    rows.append(("bar", number(BAR_SECONDS * 1_000), number(BAR_SECONDS * 1_000)))
    rows.append(("with a window of 0", *map(number, without)))
    show(
        "From seal to POST on an account, ms: a model of one event a time",
        ("", "p50", "p99"),
        rows,
        (
            f"before the request: {', '.join(calls)}, as `bench cost` assumes for each; one in a "
            f"hundred takes {CALL_P99:g} times as long.",
            "a window begins with its first event, so that one that comes alone waits for all of "
            "it; in steady traffic half of it, on average.",
            "environments are warm; a first one takes what `bench imports` says besides.",
        ),
    )


def _steps(
    deployed: Deployed, calls: Sequence[str], waking_cpu_ms: float, delivering_cpu_ms: float
) -> list[Step]:
    def working(name: str, cpu_ms: float, waits_ms: float, function: str) -> Step:
        core = min(1.0, deployed.memory_mb[function] / FULL_CORE_MB)
        return Step(name, cpu_ms / core + waits_ms, cpu_ms / core + CALL_P99 * waits_ms)

    reads = CALL_MS["GetItem"] + SEND_MS
    claims = sum(CALL_MS[each] for each in calls)
    way_ms = HANDSHAKES_MS + RECEIVER_MS / 2
    return [
        Step("the stream is polled", most=1_000 / POLLS_PER_SECOND),
        Step("project starts, warm", *WARM_START_MS),
        working("project wakes: CPU, a read, SQS", waking_cpu_ms, reads, "project"),
        Step("SQS invokes deliver, warm", *SQS_MS),
        working("deliver claims and reads", delivering_cpu_ms, claims, "deliver"),
        Step("a new connection, and the way", way_ms, NETWORK_P99 * way_ms),
    ]


def _calls_before_the_request(server: Server) -> list[str]:
    """Return the names of the calls that deliver waits for until it has claimed an endpoint."""
    called: list[str] = []

    def before(model: Any, **_: Any) -> None:
        called.append(model.name)

    with receiving() as target, world(server) as made:
        made.subscribe("bench", target.url, 1, Order.RELAXED)
        for _ in range(2):
            called.clear()
            made.seal("bench", 1)
            made.wake("bench")
            made.db.meta.events.register("before-call", before, unique_id="model")
            receive(made.queues, made.url, made.invoke)
            made.db.meta.events.unregister("before-call", unique_id="model")
    return called[: called.index("PutItem") + 1]
