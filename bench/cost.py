"""What it costs: AWS' list prices times what the deployed handlers use in this run.

One org sends ``EVENTS_PER_SECOND`` evenly, in batches of 1, 25 and 250. The handlers of ingest,
fan-out, project and sweeper run as ``bootstrap`` wires them, against MiniStack and on a clock of
their own, in the rhythm of the stacks' event source mappings and schedule; memory, windows, tracing
and log formats are read from ``infra``. Each batch size is run twice: once metered (capacity units,
calls, log lines), once only timed (CPU, from the event's JSON to the result's). A function's billed
time is its CPU time at its memory's share of a core, plus an allowance for each DynamoDB call that
it waits for, one after another; where it has several threads, the busiest one's count.

Not counted: free tiers, cold starts, TLS, retries, errors, and traffic between zones.
"""

import io
import json
import math
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from importlib import import_module
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

from bench import lambdas, traffic
from bench.lambdas import EVENTS_PER_MONTH, ORG, Tenant
from bench.report import number, show
from bench.writeunits import Meter, item_size
from fakes.stores import FakeClock
from infra.config import Config
from support.ministack import Server, dynamodb_server
from tocsin import bootstrap
from tocsin.adapters import dynamodb
from tocsin.domain.batch import SETTLED_MS
from tocsin.domain.keys import Scope, mint
from tocsin.local.tables import create
from tocsin.ports import Org
from tocsin.services._allowance import SETTINGS_CACHE_MS
from tocsin.services._remembered import REMEMBERED_MS
from tocsin.services.watch import StreamParts
from tocsin.settings import FanoutSettings, IngestSettings, StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = [
    "Bill",
    "Deployed",
    "Line",
    "Prices",
    "Run",
    "Use",
    "billed_ms",
    "break_even",
    "lines",
    "main",
    "read_units",
]

# The traffic.
EVENTS_PER_SECOND = 100
POLLS_PER_SECOND = 4  # of a stream by Lambda, where a mapping has no batching window
KEYED_REQUESTS = 20  # with an idempotency key, at the end
WATCHED_HOURS = 168.0  # a month, of somebody who watches in office hours
TARGETS = {1: 3.50, 25: 0.35}  # dollars per million events, without storage and CloudFront

# What can't be measured here: round trips to DynamoDB and Valkey in the region, in milliseconds.
# AWS promises "single-digit milliseconds" for a call; a transaction prepares and commits.
CALL_MS = {
    "GetItem": 3.0,
    "Query": 4.0,
    "BatchGetItem": 5.0,
    "PutItem": 5.0,
    "UpdateItem": 5.0,
    "TransactWriteItems": 12.0,
}
PUBLISH_MS = 1.0
CPU_FACTOR = 1.0  # a Graviton core's time for what takes 1 on this machine
FULL_CORE_MB = 1_769  # Lambda Developer Guide, "Configure Lambda function memory"
SAMPLED_PER_SECOND, SAMPLED_BEYOND = 1.0, 0.05  # X-Ray's rule for Lambda, which can't be changed
LOG_EVENT_BYTES = 26  # CloudWatch Logs counts for each line beside its bytes
PLATFORM_LOG_BYTES = 700  # START and REPORT in JSON, where the system's log level lets them through
GATEWAY_STEP_BYTES = 512 * 1024
ITEM_OVERHEAD_BYTES = 100  # DynamoDB's storage, for each item
VALKEY_LEAST_GB = 0.1
SUBSCRIBERS = 1  # stream tasks that hear each message
ZONES = 2  # with a node of the load balancer in each, and each asks /healthz
BALANCER_CONNECTIONS = 3_000  # active ones that one LCU holds
SLOW_WINDOW_SECONDS = 60.0  # of project's mapping, if it were that
UTILISATION = 0.7  # of provisioned capacity, as DynamoDB's autoscaling aims for
HOURS, MONTH_SECONDS, GB = 730.0, 730 * 3600, 2**30
MILLION = 1_000_000

# How services of others meter a message, in bytes; None: by the message, whatever its size.
APPSYNC_STEP_BYTES = 5 * 1024  # as AppSync meters GraphQL updates
WEBSOCKET_STEP_BYTES = 32 * 1024
ABLY_LARGEST_BYTES = 64 * 1024

_FOLDER = Path(__file__).parent
_CONSTRUCTS = _FOLDER.parent / "infra" / "constructs"
_FUNCTIONS = ("ingest", "fanout", "project", "sweeper")
_SAMPLES = {  # what the gateway puts into its log, by variable
    "$context.requestId": "JKJaXmPLvHcESHA=",
    "$context.requestTimeEpoch": "1774000000000",
    "$context.routeKey": "ANY /api/v1/ingest/{proxy+}",
    "$context.status": "200",
    "$context.responseLength": "123",
    "$context.responseLatency": "12",
}
_WRITES = {
    "journal": "journal",
    "quota": "quota",
    "segment": "seal: segments",
    "marker": "seal: markers",
    "minute": "seal: marks",
    "session": "projections",
    "agent": "projections",
    "usage": "projections",
    "projected": "projections",
    "receipt": "receipts",
}
_READS = {"segment": "reads: head", "marker": "reads: markers", "receipt": "receipts"}
_LAMBDA_REQUESTS, _LAMBDA_TIME = "requests", "GB-seconds"


def main() -> None:
    """Measure and print."""
    prices, deployed = Prices.newest(), Deployed.read(Config())
    with dynamodb_server() as server:
        runs = {size: _measured(server, size, deployed) for size in traffic.BATCHES}
        unhurried = replace(deployed, fanout_window_seconds=0.0)
        eager = {size: _run(server, size, unhurried, metered=True) for size in traffic.BATCHES}
    _show_durations(runs, deployed)
    bills = {size: Bill(list(lines(run, deployed)), prices) for size, run in runs.items()}
    _show_bills(bills, runs, eager, deployed, prices)
    _show_levers(bills, runs, deployed, prices)
    _show_months(runs[25], deployed, prices)
    _show_others(runs, bills, deployed, prices)


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices by name, from the newest file."""

    date: str
    by_name: Mapping[str, float]  # dollars for one
    unseen: tuple[str, ...] = ()  # those that nothing confirms yet

    @classmethod
    def newest(cls) -> "Prices":
        """Read the file whose date is the latest."""
        path = max((_FOLDER / "prices").glob("*.json"), key=lambda path: path.stem[-10:])
        content = json.loads(path.read_text())
        prices = content["prices"]
        return cls(
            date=content["date"],
            by_name={name: price["usd"] / price["per"] for name, price in prices.items()},
            unseen=tuple(name for name, price in prices.items() if price["seen"] is None),
        )

    def usd(self, name: str, quantity: float) -> float:
        """Return what so many cost."""
        return self.by_name[name] * quantity


@dataclass(frozen=True, slots=True)
class Deployed:
    """What of the stacks decides about costs."""

    memory_mb: Mapping[str, int]
    fanout_window_seconds: float
    fanout_records: int  # at most, in an invocation
    project_window_seconds: float
    sweep_seconds: float
    stream_seconds: float  # after which Lambda ends a stream
    health_seconds: float
    task_vcpu: float
    task_gb: float
    platform_logs: bool
    access_line: str
    alarms: Mapping[str, int]  # by the file of their construct
    config: Config

    @classmethod
    def read(cls, config: Config) -> "Deployed":
        """Read the constructs' sources: the CDK is not there where benches run.

        Raises:
            ValueError: a construct does not say what it used to.
        """
        default = _found("function", r"memory_mb: int = (\d+)")
        template = _found("gateway", r"_LOGGED = \{(.*?)\}", re.DOTALL)
        logged = dict(re.findall(r'"(\w+)": "([^"]+)"', template))
        return cls(
            memory_mb={
                name: int(_found(construct, r"\bmemory_mb=(\d+)", default=default))
                for name, construct in {
                    **{name: name for name in _FUNCTIONS},
                    "stream": "stream_function",
                }.items()
            },
            fanout_window_seconds=config.batch_window_seconds,
            fanout_records=int(_found("fanout", r"batch_size=([\d_]+)")),
            project_window_seconds=float(_found("project", r"_WINDOW_SECONDS = (\d+)")),
            sweep_seconds=60 * float(_found("sweeper", r"_PERIOD = Duration\.minutes\((\d+)\)")),
            stream_seconds=float(_found("stream_function", r"_STREAM_SECONDS = (\d+)")),
            health_seconds=float(_found("stream_service", r"interval=Duration\.seconds\((\d+)\)")),
            task_vcpu=int(_found("stream_service", r"\bcpu=(\d+)")) / 1024,
            task_gb=int(_found("stream_service", r"memory_limit_mib=(\d+)")) / 1024,
            platform_logs=_found("function", r"SystemLogLevel\.(\w+)") != "WARN",
            access_line=json.dumps({name: _SAMPLES.get(v, "-") for name, v in logged.items()}),
            alarms={
                path.stem: len(re.findall(r'\b(?:above|silent)\(\s*"', path.read_text()))
                for path in _CONSTRUCTS.glob("*.py")
            },
            config=config,
        )

    def period_ms(self, window_seconds: float) -> int:
        """Return how long it takes from one invocation by a stream to the next, in a full flow."""
        return round(1000 * window_seconds) or 1000 // POLLS_PER_SECOND


def _found(construct: str, pattern: str, flags: int = 0, default: str | None = None) -> str:
    found = re.search(pattern, (_CONSTRUCTS / f"{construct}.py").read_text(), flags)
    if found is None and default is None:
        raise ValueError(f"infra/constructs/{construct}.py has no {pattern}")
    return default or "" if found is None else found[1]


@dataclass(slots=True)
class Use:
    """What invocations of one function used, together."""

    invocations: int = 0
    cpu_ms: float = 0.0
    waits_ms: float = 0.0
    log_bytes: int = 0
    writes: Counter[str] = field(default_factory=Counter)  # units, by the kind of item
    reads: Counter[str] = field(default_factory=Counter)
    ecpus: float = 0.0

    def less(self, other: "Use") -> "Use":
        """Return what this used more than ``other``; it is no invocation."""
        return Use(
            cpu_ms=max(0.0, self.cpu_ms - other.cpu_ms),
            waits_ms=self.waits_ms - other.waits_ms,
            writes=self.writes - other.writes,
            reads=self.reads - other.reads,
            ecpus=self.ecpus - other.ecpus,
        )


@dataclass(slots=True)
class Run:
    """Some seconds of steady traffic."""

    size: int
    events: int = 0
    sent_bytes: int = 0
    answered_bytes: int = 0
    told_bytes: int = 0  # published: what a viewer gets
    uses: dict[str, Use] = field(default_factory=dict)  # ingest, fanout, project
    first: Use = field(default_factory=Use)  # the first request to an environment
    mark_units: float = 0.0  # once a minute
    swept_events: int = 0
    sweep: Use = field(default_factory=Use)  # of all these events
    idle_sweep: Use = field(default_factory=Use)  # of nothing
    keyed: Use = field(default_factory=Use)  # KEYED_REQUESTS requests
    stored_bytes: dict[str, float] = field(default_factory=dict)  # an event, by table
    metrics: set[str] = field(default_factory=set)

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self.events // self.size


def billed_ms(use: Use, memory_mb: int) -> float:
    """Return the time that Lambda bills, each invocation rounded up to a millisecond."""
    core = min(1.0, memory_mb / FULL_CORE_MB)
    return use.cpu_ms * CPU_FACTOR / core + use.waits_ms + use.invocations / 2


@dataclass(frozen=True, slots=True)
class Line:
    """So much of something, for a million events."""

    component: str
    price: str
    quantity: float
    apart: bool = False  # from what the targets are for


def lines(run: Run, deployed: Deployed) -> Iterator[Line]:
    """Yield all that a million events need."""
    each = MILLION / run.events
    seconds = MILLION / EVENTS_PER_SECOND
    steps = math.ceil(run.sent_bytes / run.requests / GATEWAY_STEP_BYTES)
    yield Line("gateway (HTTP API)", "http_api_requests", run.requests * steps * each)
    for name, use in run.uses.items():
        yield from _invoked(name, use, deployed.memory_mb[name], each)
    for name, use in run.uses.items():
        yield from _written(use.writes, each)
        to_project = "reads: to project" if name == "project" else None
        for kind, units in use.reads.items():
            yield Line(to_project or _READS[kind], "dynamodb_read_units", units * each)
    yield Line("seal: marks", "dynamodb_write_units", run.mark_units * seconds / 60)
    yield Line("reads: keys and orgs", "dynamodb_read_units", _key_reads(run, deployed) * seconds)
    yield from _swept(run, deployed, seconds)
    yield Line("stream reads (free for Lambda)", "dynamodb_streams_for_lambda", seconds)
    ecpus = sum(use.ecpus for use in run.uses.values())
    yield Line("Valkey ECPUs", "valkey_ecpus", ecpus * each)
    line_bytes = len(deployed.access_line) + LOG_EVENT_BYTES
    yield Line("logs: gateway", "logs", run.requests * line_bytes * each / GB)
    logged = sum(use.log_bytes for use in run.uses.values())
    yield Line("logs: functions", "logs", logged * each / GB)
    yield Line("traces", "traces", _traces_per_second(run, deployed) * seconds)
    for table, size in run.stored_bytes.items():
        gb_months = size * MILLION / GB
        yield Line(f"{table}, a month", "dynamodb_storage", gb_months, apart=True)
        yield Line(f"{table}, a month", "dynamodb_point_in_time", gb_months, apart=True)
    edge = "CloudFront: what is sent"
    yield Line(edge, "cloudfront_requests", run.requests * each, apart=True)
    yield Line(edge, "cloudfront_to_origin", run.sent_bytes * each / GB, apart=True)
    yield Line(edge, "cloudfront_out", run.answered_bytes * each / GB, apart=True)
    told = run.told_bytes * each / GB
    yield Line("CloudFront: to one viewer", "cloudfront_out", told, apart=True)


def _invoked(name: str, use: Use, memory_mb: int, each: float) -> Iterator[Line]:
    gb_seconds = billed_ms(use, memory_mb) / 1000 * memory_mb / 1024
    yield Line(f"{name}: {_LAMBDA_REQUESTS}", "lambda_requests", use.invocations * each)
    yield Line(f"{name}: {_LAMBDA_TIME}", "lambda_gb_seconds", gb_seconds * each)


def _written(writes: Mapping[str, float], each: float) -> Iterator[Line]:
    for kind, units in writes.items():
        if kind != "minute":  # one of them may or may not fall into these seconds
            yield Line(_WRITES[kind], "dynamodb_write_units", units * each)


def _swept(run: Run, deployed: Deployed, seconds: float) -> Iterator[Line]:
    """Yield what the sweeper needs: of everything, the journal's items are read once more."""
    more = run.sweep.less(run.idle_sweep)
    for use, times in (
        (more, MILLION / run.swept_events),
        (run.idle_sweep, seconds / deployed.sweep_seconds),
    ):
        for line in _invoked("sweeper", use, deployed.memory_mb["sweeper"], times):
            yield replace(line, component="sweeper")
        yield Line("sweeper", "dynamodb_read_units", use.reads.total() * times)
        yield Line("sweeper", "dynamodb_write_units", use.writes.total() * times)
        yield Line("sweeper", "valkey_ecpus", use.ecpus * times)


def _key_reads(run: Run, deployed: Deployed) -> float:
    """Return the units a second with which environments look up the key and the org again."""
    ingest = run.uses["ingest"]
    busy = EVENTS_PER_SECOND / run.size * billed_ms(ingest, deployed.memory_mb["ingest"]) / 1000
    environments = max(1.0, busy / ingest.invocations)
    return environments * (
        run.first.reads["key"] * 1000 / REMEMBERED_MS
        + run.first.reads["org"] * 1000 / SETTINGS_CACHE_MS
    )


def _traces_per_second(run: Run, deployed: Deployed) -> float:
    if not deployed.config.tracing:
        return 0.0
    rates = [use.invocations / run.events * EVENTS_PER_SECOND for use in run.uses.values()]
    rates.append(1 / deployed.sweep_seconds)
    return sum(
        min(rate, SAMPLED_PER_SECOND) + SAMPLED_BEYOND * max(0.0, rate - SAMPLED_PER_SECOND)
        for rate in rates
    )


class Bill:
    """Lines with their prices."""

    def __init__(self, of: Iterable[Line], prices: Prices) -> None:
        """Add up."""
        self.lines = list(of)
        self.by_component: defaultdict[str, float] = defaultdict(float)
        self.apart: defaultdict[str, float] = defaultdict(float)
        for line in self.lines:
            sums = self.apart if line.apart else self.by_component
            sums[line.component] += prices.usd(line.price, line.quantity)

    @cached_property
    def total(self) -> float:
        """Dollars per million events, without what stands apart."""
        return sum(self.by_component.values())

    def quantity(self, price: str) -> float:
        """Return how much of this is in it, without what stands apart."""
        return sum(line.quantity for line in self.lines if line.price == price and not line.apart)

    def usd(self, *components: str) -> float:
        """Return what these components cost."""
        return sum(self.by_component[component] for component in components)


def break_even(fixed: float, viewer: float, host_fixed: float, host_viewer: float) -> float:
    """Return from how many viewers on the host with the higher fixed costs is the cheaper one."""
    return (host_fixed - fixed) / (viewer - host_viewer)


# Measuring


class _Tap(Meter):
    """Counts read units as well, and how long a function waits for its calls."""

    def __init__(self, client: "DynamoDBClient", tables: "DynamoDBClient") -> None:
        """See :class:`bench.writeunits.Meter`."""
        super().__init__(client, tables)
        self.reads: Counter[str] = Counter()
        self._waits: defaultdict[int, float] = defaultdict(float)  # by thread
        self._lock = threading.RLock()

    def reset(self) -> None:
        super().reset()
        self.reads.clear()
        self._waits.clear()

    @property
    def waits_ms(self) -> float:
        """What the main thread waits for, and the busiest of the others."""
        waits = dict(self._waits)
        return waits.pop(threading.main_thread().ident or 0, 0) + max(waits.values(), default=0)

    def stored(self, table: str, prefix: str = "") -> tuple[int, int]:
        """Return how many items are in the table, and their bytes."""
        sizes = [
            size
            for (name, key), size in self._sizes.items()
            if name == table and key.startswith(prefix)
        ]
        return len(sizes), sum(sizes)

    def _before(
        self, params: dict[str, Any], model: Any, context: dict[str, Any], **others: Any
    ) -> None:
        with self._lock:
            super()._before(params=params, model=model, context=context, **others)
            context["asked"] = params
            self._waits[threading.get_ident()] += CALL_MS[model.name]

    def _after(
        self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **others: Any
    ) -> None:
        with self._lock:
            super()._after(parsed=parsed, model=model, context=context, **others)
            self.reads.update(read_units(model.name, context["asked"], parsed))


def read_units(operation: str, asked: dict[str, Any], answered: dict[str, Any]) -> Counter[str]:
    """Return the units of a call by the kind of item: one for 4 KB, half if eventually consistent.

    A query counts its items together, the others each; what does not exist counts as one.
    """
    units: Counter[str] = Counter()
    if operation == "GetItem":
        units[_kind(asked["Key"])] = _units([answered.get("Item", {})], asked)
    elif operation == "Query":
        values = asked["ExpressionAttributeValues"]
        size = sum(map(item_size, answered["Items"]))
        kind = _kind({"pk": values[":pk"]} if ":pk" in values else {})
        units[kind] = _units_of(size, asked)
    elif operation == "BatchGetItem":
        for table, of in asked["RequestItems"].items():
            found = answered["Responses"].get(table, [])
            missing: list[Any] = [{}] * (len(of["Keys"]) - len(found))
            units[_kind(of["Keys"][0])] += _units([*found, *missing], of)
    return units


def _units(items: Iterable[Mapping[str, Any]], asked: Mapping[str, Any]) -> Any:
    return sum(_units_of(item_size(item), asked) for item in items)


def _units_of(size_bytes: int, asked: Mapping[str, Any]) -> Any:
    units = max(1, math.ceil(size_bytes / 4096))
    return units if asked.get("ConsistentRead") else units / 2


def _kind(key: Mapping[str, Any]) -> str:
    return str(key["pk"]["S"]).partition("#")[0] if "pk" in key else "journal"


class _Broker:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def publish(self, org: str, message: bytes) -> None:
        self.sizes.append(len(message))


class _Functions:
    """The handlers, invoked as Lambda does: JSON in, JSON out."""

    def __init__(self, deployed: Deployed, broker: _Broker, tap: _Tap | None) -> None:
        self._platform_bytes = PLATFORM_LOG_BYTES if deployed.platform_logs else 0
        self._broker = broker
        self._tap = tap
        self.metrics: set[str] = set()
        self.told_bytes = 0

    def __call__(self, name: str, event: dict[str, Any], use: Use) -> dict[str, Any]:
        handler = import_module(f"functions.{name}.handler").handler
        context, payload, printed = lambdas.context(name), json.dumps(event), io.StringIO()
        if self._tap:
            self._tap.reset()
        self._broker.sizes.clear()
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
def _wired(
    settings: StoreSettings, client: "DynamoDBClient", clock: FakeClock, broker: _Broker
) -> Iterator[None]:
    """Let the handlers' services be wired as deployed, but to these; afterwards as before."""
    stores = settings.model_dump()
    with ExitStack() as patched:
        for name, value in {
            "client": lambda: client,
            "SystemClock": lambda: clock,
            "_broker": lambda _: broker,
        }.items():
            patched.enter_context(patch.object(bootstrap, name, value))
        services: dict[str, Any] = {
            "ingest": bootstrap.ingest(IngestSettings(**stores)),
            "fanout": bootstrap.fanout(FanoutSettings(**stores)),
            "project": bootstrap.project(settings),
            "sweeper": bootstrap.sweep(FanoutSettings(**stores)),
        }
        for name, service in services.items():
            module = import_module(f"functions.{name}.handler")
            patched.enter_context(patch.object(module, "service", _always(service)))
        yield


def _always[T](value: T) -> Callable[[], T]:
    return lambda: value


def _measured(server: Server, size: int, deployed: Deployed) -> Run:
    """Return a metered run with the CPU times of one that was only timed."""
    run, timed = (_run(server, size, deployed, metered=metered) for metered in (True, False))
    for name, use in run.uses.items():
        use.cpu_ms = timed.uses[name].cpu_ms
    for of in ("sweep", "idle_sweep", "keyed"):
        getattr(run, of).cpu_ms = getattr(timed, of).cpu_ms
    return run


def _run(server: Server, size: int, deployed: Deployed, *, metered: bool) -> Run:
    lambdas.prepare()
    name = f"-{size}-{time.monotonic_ns()}"
    settings = StoreSettings(
        journal_table=f"journal{name}", ledger_table=f"ledger{name}", state_table=f"state{name}"
    )
    tables, client = server.client(), dynamodb.client(server.url)
    create(tables, settings)
    tap = _Tap(client, tables) if metered else None
    clock, broker = FakeClock(), _Broker()
    with _wired(settings, client, clock, broker):
        functions = _Functions(deployed, broker, tap)
        return _Traffic(size, deployed, settings, tables, clock, functions, tap).run()


@dataclass(slots=True)
class _Traffic:
    size: int
    deployed: Deployed
    settings: StoreSettings
    tables: "DynamoDBClient"
    clock: FakeClock
    functions: _Functions
    tap: _Tap | None
    tenant: Tenant = field(default_factory=Tenant)
    last_batch: str = "0"
    last_seq: int = 0

    def run(self) -> Run:
        run = Run(self.size)
        period_ms = self.deployed.period_ms(self.deployed.fanout_window_seconds)
        window_ms = self.deployed.period_ms(self.deployed.project_window_seconds)
        if window_ms % period_ms:
            raise ValueError("the windows of project and fan-out don't meet")
        count = 2 * window_ms * EVENTS_PER_SECOND // 1000 // self.size
        bodies = iter(traffic.bodies(self.size, count + KEYED_REQUESTS))
        self._register()
        run.uses = {name: Use() for name in ("ingest", "fanout", "project")}
        done, warm_up = 0, {name: Use() for name in run.uses}
        for now_ms in range(period_ms, 2 * window_ms + 1, period_ms):  # of which one to warm up
            counting = now_ms > window_ms
            uses = run.uses if counting else warm_up
            start_ms = self.clock.ms
            due = now_ms * EVENTS_PER_SECOND // 1000 // self.size - done
            for place in range(due):
                self.clock.ms = start_ms + period_ms * place // due
                first = done == 0 and place == 0
                body = next(bodies)
                answer = self._ingest(body, run.first if first else uses["ingest"])
                if counting:
                    run.sent_bytes += len(body)
                    run.answered_bytes += len(answer["body"])
            done += due
            run.events += due * self.size if counting else 0
            self.clock.ms = start_ms + period_ms
            told_before = self.functions.told_bytes
            self._fan_out(uses["fanout"])
            run.told_bytes += self.functions.told_bytes - told_before if counting else 0
            if now_ms % window_ms == 0:
                self._project(uses["project"])
        marked = sum(of["fanout"].writes["minute"] for of in (warm_up, run.uses))
        self._look_at_tables(run, done * self.size, marked)
        self.clock.ms += SETTLED_MS
        run.swept_events = done * self.size
        self.functions("sweeper", {}, run.sweep)
        self.functions("sweeper", {}, run.idle_sweep)
        for place, body in enumerate(bodies):
            self._ingest(body, run.keyed, str(UUID(int=place)))
        run.metrics = self.functions.metrics
        return run

    def _register(self) -> None:
        self.tenant.token, key = mint(ORG, frozenset({Scope.INGEST}), "bench", 0)
        admin = bootstrap.admin(self.settings)
        admin.keys.put(key)
        admin.orgs.put(Org(ORG, EVENTS_PER_MONTH))

    def _ingest(self, body: bytes, use: Use, idempotency_key: str | None = None) -> dict[str, Any]:
        event = self.tenant.event(body)
        if idempotency_key:
            event["headers"]["idempotency-key"] = idempotency_key
        return self.functions("ingest", event, use)

    def _fan_out(self, use: Use) -> None:
        items = self._items(
            TableName=self.settings.journal_table,
            KeyConditionExpression="org = :org AND #batch > :last",
            ExpressionAttributeNames={"#batch": "batch"},
            ExpressionAttributeValues={":org": {"S": ORG}, ":last": {"S": self.last_batch}},
        )
        for records in batched(items, self.deployed.fanout_records, strict=False):
            self.last_batch = records[-1]["batch"]["S"]
            self.functions("fanout", lambdas.stream_event(records), use)

    def _project(self, use: Use) -> None:
        items = self._items(
            TableName=self.settings.ledger_table,
            KeyConditionExpression="pk = :pk AND sk > :last",
            ExpressionAttributeValues={
                ":pk": {"S": f"segment#{ORG}"},
                ":last": {"N": str(self.last_seq)},
            },
        )
        self.last_seq = int(items[-1]["sk"]["N"])
        # The handler reads the keys alone; the rest is there to be parsed.
        null: dict[str, Any] = {"NULL": True}
        event = lambdas.stream_event([item | {"org": null, "batch": null} for item in items])
        for record, item in zip(event["Records"], items, strict=True):
            record["dynamodb"]["Keys"] = {name: item[name] for name in ("pk", "sk")}
        self.functions("project", event, use)

    def _items(self, **query: Any) -> list[Any]:
        pages = self.tables.get_paginator("query").paginate(**query, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def _look_at_tables(self, run: Run, events: int, mark_units: float) -> None:
        if self.tap is None:
            return
        for table in (self.settings.journal_table, self.settings.ledger_table):
            items, size = self.tap.stored(table)
            name = f"storage: {table.partition('-')[0]}"
            run.stored_bytes[name] = (size + items * ITEM_OVERHEAD_BYTES) / events
        marks, _ = self.tap.stored(self.settings.ledger_table, "minute#")
        run.mark_units = mark_units / marks


# Printing


def _usd(value: float) -> str:
    return f"{value:,.2f}" if value >= 10 else f"{value:.4f}" if value < 0.1 else f"{value:.3f}"


def _show_durations(runs: Mapping[int, Run], deployed: Deployed) -> None:
    rows = []
    for size, run in runs.items():
        for name, use in (*run.uses.items(), ("sweeper, of nothing", run.idle_sweep)):
            memory = deployed.memory_mb[name.partition(",")[0]]
            rows.append(
                (
                    name,
                    str(size),
                    str(memory),
                    number(use.invocations / run.events * MILLION) if name in run.uses else "-",
                    number(use.cpu_ms / use.invocations),
                    number(use.waits_ms / use.invocations),
                    number(billed_ms(use, memory) / use.invocations),
                )
            )
    show(
        f"Functions, in steady traffic: {EVENTS_PER_SECOND} events/s in one org",
        ("", "batch", "MB", "invocations", "CPU, ms", "waiting, ms", "billed, ms"),
        rows,
        (
            "invocations: per million events; the windows of fan-out and project are "
            f"{deployed.fanout_window_seconds:g} s and {deployed.project_window_seconds:g} s.",
            "CPU: measured, a whole core's; waiting: "
            + ", ".join(f"{name} {ms:g}" for name, ms in CALL_MS.items())
            + f" ms, PUBLISH {PUBLISH_MS:g} (assumed).",
            f"billed: CPU at a share of MB / {FULL_CORE_MB} of a core, and the waiting.",
        ),
    )


def _show_bills(
    bills: Mapping[int, Bill],
    runs: Mapping[int, Run],
    eager: Mapping[int, Run],
    deployed: Deployed,
    prices: Prices,
) -> None:
    names = list(dict.fromkeys(name for bill in bills.values() for name in bill.by_component))
    rows = [(name, *(_usd(bill.by_component[name]) for bill in bills.values())) for name in names]
    rows.append(("together", *(_usd(bill.total) for bill in bills.values())))
    rows.append(("target", *(_usd(TARGETS[size]) if size in TARGETS else "-" for size in bills)))
    rows.append(("", *("" for _ in bills)))
    totals = {size: bill.total for size, bill in bills.items()}
    keyed = {size: _with_key(runs[size], deployed, prices) for size in bills}
    rows.append(("with an Idempotency-Key", *(_usd(totals[s] + keyed[s]) for s in bills)))
    at_once = {size: Bill(lines(run, deployed), prices).total for size, run in eager.items()}
    rows.append((f"sealed {POLLS_PER_SECOND} times a second", *(_usd(at_once[s]) for s in bills)))
    rows.append(("", *("" for _ in bills)))
    apart = list(dict.fromkeys(name for bill in bills.values() for name in bill.apart))
    rows += [(name, *(_usd(bill.apart[name]) for bill in bills.values())) for name in apart]
    months = deployed.config.retention_days / (MONTH_SECONDS / 86_400)
    show(
        f"Dollars per million events (prices of {prices.date}), at batches of",
        ("", *map(str, bills)),
        rows,
        (
            "with an Idempotency-Key: as Tocsin's own client sends; receipts, transactions.",
            f"prices that nothing confirmed: {', '.join(prices.unseen) or 'none'}.",
            "sealed so often: batch_window_seconds=0; the meter's own CPU time is in it.",
            "storage: with point-in-time recovery; the journal is kept for "
            f"{months:.1f} months, the ledger for ever.",
            "DynamoDB per million events, of units written, read: "
            + "; ".join(
                f"{number(bill.quantity('dynamodb_write_units'))}, "
                f"{number(bill.quantity('dynamodb_read_units'))}"
                for bill in bills.values()
            ),
            "twice the waiting would add "
            + ", ".join(_usd(_part(run, deployed, prices, "waits_ms")) for run in runs.values())
            + "; twice the CPU "
            + ", ".join(_usd(_part(run, deployed, prices, "cpu_ms")) for run in runs.values())
            + ".",
        ),
    )


def _with_key(run: Run, deployed: Deployed, prices: Prices) -> float:
    """Return what is to be added where each request has an idempotency key."""
    plain, keyed, memory = run.uses["ingest"], run.keyed, deployed.memory_mb["ingest"]
    requests = MILLION / run.size

    def cost(use: Use) -> float:
        each = requests / use.invocations
        return Bill(
            [
                *_invoked("ingest", use, memory, each),
                *_written(use.writes, each),
                *(
                    Line(_READS[kind], "dynamodb_read_units", units * each)
                    for kind, units in use.reads.items()
                    if kind in _READS
                ),
            ],
            prices,
        ).total

    return cost(keyed) - cost(plain)


def _part(run: Run, deployed: Deployed, prices: Prices, part: str) -> float:
    """Return what one part of the functions' billed time costs."""
    each = MILLION / run.events
    return sum(
        Bill(
            _invoked(name, Use(**{part: getattr(use, part)}), deployed.memory_mb[name], each),
            prices,
        ).total
        for name, use in run.uses.items()
    )


def _show_levers(
    bills: Mapping[int, Bill], runs: Mapping[int, Run], deployed: Deployed, prices: Prices
) -> None:
    levers = {size: _levers(bill, runs[size], deployed, prices) for size, bill in bills.items()}
    names = sorted(
        levers[1], key=lambda name: -sum(levers[size][name] / TARGETS[size] for size in TARGETS)
    )
    show(
        "What else can go: the five largest, in dollars per million events, at batches of",
        ("", *map(str, bills)),
        [(name, *(_usd(levers[size][name]) for size in bills)) for name in names[:5]],
        ("each by itself, from the table above; ordered by their share of the targets.",),
    )


def _levers(bill: Bill, run: Run, deployed: Deployed, prices: Prices) -> dict[str, float]:
    """Return what each would save."""
    write_units = bill.quantity("dynamodb_write_units")
    on_demand = prices.usd("dynamodb_write_units", write_units)
    provisioned = prices.usd("dynamodb_write_capacity", write_units / 3600 / UTILISATION)
    seconds = MILLION / EVENTS_PER_SECOND
    quota = prices.usd("dynamodb_write_units", seconds)  # reserved once a second
    return {
        "no gateway: clients reach the function's own URL": bill.usd("gateway (HTTP API)"),
        "no traces (tracing=false)": bill.usd("traces"),
        "no access log": bill.usd("logs: gateway"),
        "no EMF metrics in the functions' logs": bill.usd("logs: functions"),
        "quota reserved once a second and environment": max(0.0, bill.usd("quota") - quota),
        f"provisioned writes, {UTILISATION:.0%} used": on_demand - provisioned,
        "projections from what fan-out has in hand": bill.usd("reads: to project"),
        f"projections every {SLOW_WINDOW_SECONDS:g} s": (
            bill.usd("projections", f"project: {_LAMBDA_REQUESTS}")
            * max(0.0, 1 - deployed.project_window_seconds / SLOW_WINDOW_SECONDS)
        ),
        "a sweep that asks for markers, not for batches": bill.usd("sweeper"),
        **{
            f"{name} with {memory} MB": bill.usd(f"{name}: {_LAMBDA_TIME}")
            - Bill(
                _invoked(name, run.uses[name], memory, MILLION / run.events), prices
            ).by_component[f"{name}: {_LAMBDA_TIME}"]
            for name in run.uses
            for memory in (deployed.memory_mb[name] // 2,)
        },
    }


SETTINGS = tuple((stream, bus) for stream in ("fargate", "lambda") for bus in ("valkey", "ledger"))


def _idle(run: Run, deployed: Deployed, prices: Prices, stream: str, bus: str) -> dict[str, float]:
    """Return dollars a month by what they are for, while nothing is sent and nobody watches."""
    usd, tasks = prices.usd, deployed.config.stream_tasks_min if stream == "fargate" else 0
    hours = HOURS * tasks
    checks = ZONES * MONTH_SECONDS / deployed.health_seconds if tasks else 0
    optional = {"stream_service": "fargate", "stream_function": "lambda", "valkey": "valkey"}
    alarms = sum(
        count
        for construct, count in deployed.alarms.items()
        if optional.get(construct, stream) in (stream, bus)
    )
    sweeps = MONTH_SECONDS / deployed.sweep_seconds
    swept = _invoked("sweeper", run.idle_sweep, deployed.memory_mb["sweeper"], sweeps)
    return {
        "stream task": usd("fargate_vcpu", hours * deployed.task_vcpu)
        + usd("fargate_memory", hours * deployed.task_gb),
        "its public address": usd("public_ipv4", hours),
        "load balancer": usd("balancer", HOURS) if tasks else 0.0,
        "health checks": usd("dynamodb_read_units", checks * tasks),
        "Valkey": usd("valkey_storage", VALKEY_LEAST_GB * HOURS) if bus == "valkey" else 0.0,
        "sweeper": Bill(swept, prices).total
        + usd("dynamodb_read_units", run.idle_sweep.reads.total() * sweeps)
        + usd("traces", sweeps if deployed.config.tracing else 0),
        "alarms": usd("alarms", alarms),
        "dashboard": usd("dashboards", 1),
    }


def _connection(deployed: Deployed, prices: Prices, stream: str, bus: str) -> float:
    """Return dollars for a connection that is open all month, of an org where nothing happens."""
    usd, config = prices.usd, deployed.config
    if stream == "fargate":  # one of those that fill a task
        hours = HOURS / config.connections_per_task
        return (
            usd("fargate_vcpu", hours * deployed.task_vcpu)
            + usd("fargate_memory", hours * deployed.task_gb)
            + usd("public_ipv4", hours)
            + usd("balancer_units", HOURS / BALANCER_CONNECTIONS)
        )
    look = _stream_default("look_seconds" if bus == "valkey" else "poll_seconds")
    recheck = max(REMEMBERED_MS / 1000, _stream_default("recheck_seconds"))
    streams = MONTH_SECONDS / deployed.stream_seconds
    reads = MONTH_SECONDS / look + MONTH_SECONDS / recheck + 2 * streams
    return (
        usd("lambda_gb_seconds", MONTH_SECONDS * deployed.memory_mb["stream"] / 1024)
        + usd("lambda_requests", streams)
        + usd("rest_api_requests", streams)
        + usd("traces", streams if config.tracing else 0)
        + usd("dynamodb_read_units", reads)
    )


def _stream_default(name: str) -> float:
    return next(float(str(each.default)) for each in fields(StreamParts) if each.name == name)


def _show_months(run: Run, deployed: Deployed, prices: Prices) -> None:
    idle = {each: _idle(run, deployed, prices, *each) for each in SETTINGS}
    connection = {each: _connection(deployed, prices, *each) for each in SETTINGS}
    names = list(next(iter(idle.values())))
    rows = [(name, *(_usd(each[name]) for each in idle.values())) for name in names]
    rows.append(("idle, a month", *(_usd(sum(each.values())) for each in idle.values())))
    rows.append(("", *("" for _ in SETTINGS)))
    rows.append(("a connection-month", *(_usd(connection[each]) for each in SETTINGS)))
    even = {
        bus: break_even(
            sum(idle["lambda", bus].values()),
            connection["lambda", bus],
            sum(idle["fargate", bus].values()),
            connection["fargate", bus],
        )
        for bus in ("valkey", "ledger")
    }
    metrics = prices.usd("metrics", len(run.metrics))
    poll = prices.usd("dynamodb_read_units", MONTH_SECONDS / _stream_default("poll_seconds"))
    show(
        "Dollars a month, by setting",
        ("", *(f"{stream}+{bus}" for stream, bus in SETTINGS)),
        rows,
        (
            "idle: nothing sent, nobody watching. While events flow, "
            f"{len(run.metrics)} metrics add {_usd(metrics)} a month.",
            "a connection-month: open all the time, where nothing happens; on Fargate one",
            f"  of {deployed.config.connections_per_task:,} in a task. With bus=ledger, each org "
            f"that is watched costs a task {_usd(poll)} a month to poll.",
            "stream=fargate is cheaper than stream=lambda from "
            + " and ".join(
                f"{number(viewers)} viewers around the clock, or "
                f"{number(viewers * HOURS / WATCHED_HOURS)} for {WATCHED_HOURS:g} hours each "
                f"(bus={bus})"
                for bus, viewers in even.items()
            )
            + ".",
        ),
    )


def _show_others(
    runs: Mapping[int, Run], bills: Mapping[int, Bill], deployed: Deployed, prices: Prices
) -> None:
    def messages(run: Run, step_bytes: int) -> float:
        """A publish and a delivery of each batch, in messages of that size at most."""
        return 2 * MILLION / run.size * math.ceil(run.sent_bytes / run.requests / step_bytes)

    minutes = MONTH_SECONDS / 60
    others = {
        "AppSync Events": ("appsync_operations", APPSYNC_STEP_BYTES, "appsync_connection_minutes"),
        "API Gateway WebSocket": (
            "websocket_messages",
            WEBSOCKET_STEP_BYTES,
            "websocket_connection_minutes",
        ),
        "Ably": ("ably_messages", ABLY_LARGEST_BYTES, "ably_connection_minutes"),
    }
    ours = [
        (
            f"Tocsin ({stream}+{bus})",
            *(_usd(bill.total) for bill in bills.values()),
            _usd(_connection(deployed, prices, stream, bus)),
            _usd(sum(_idle(runs[25], deployed, prices, stream, bus).values())),
        )
        for stream, bus in (("fargate", "valkey"), ("lambda", "ledger"))
    ]
    theirs = [
        (
            name,
            *(_usd(prices.usd(message, messages(run, step))) for run in runs.values()),
            _usd(prices.usd(minute, minutes)),
            _usd(prices.usd("ably_package", 1)) if name == "Ably" else "-",
        )
        for name, (message, step, minute) in others.items()
    ]
    show(
        "Beside others: dollars per million events at batches of; per connection-month; a month",
        ("", *map(str, runs), "connection", "idle"),
        [*ours, *theirs],
        (
            "one publish and one delivery of each event; others' batches are packed into messages",
            f"  of {APPSYNC_STEP_BYTES // 1024}, {WEBSOCKET_STEP_BYTES // 1024} and "
            f"{ABLY_LARGEST_BYTES // 1024} KB, and they neither keep, order, prove nor index them;",
            "  a WebSocket API needs functions and a table of connections besides.",
        ),
    )


if __name__ == "__main__":
    sys.path.insert(0, str(_FOLDER.parent / "tests"))
    main()
