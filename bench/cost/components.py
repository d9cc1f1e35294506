"""What a million events need, line by line."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bench.cost import checkpoints
from bench.cost.assumed import (
    EVENTS_PER_SECOND,
    GATEWAY_STEP_BYTES,
    GB,
    LOG_EVENT_BYTES,
    MILLION,
    SAMPLED_BEYOND,
    SAMPLED_PER_SECOND,
    TAIL_REQUESTS,
)
from bench.cost.bill import Line, invoked
from bench.cost.deployed import Deployed
from bench.cost.use import TAILS, Run, billed_ms, function_of
from tocsin.adapters.dynamodb.projections import PARTITIONS
from tocsin.services.access.remembered import REMEMBERED_MS

__all__ = ["READS", "lines", "written"]

WRITES = {
    "journal": "journal",
    "quota": "quota",
    "segment": "seal: segments",
    "marker": "seal: markers",
    "minute": "seal: marks",
    "projected": "projections",
    **dict.fromkeys(PARTITIONS, "projections"),
    "summary": "summaries",
    "receipt": "receipts",
    "session-state": "sessions that begin",
    **dict.fromkeys(("detected", "detect", "anomaly"), "detection"),
}
READS = {
    "segment": "reads: head",
    "marker": "reads: markers",
    "receipt": "receipts",
    "suspended": "reads: suspended sessions",
    "notified": "reads: endpoints",
}


def lines(run: Run, deployed: Deployed) -> Iterator[Line]:
    """Yield all that a million events need."""
    each = MILLION / run.events
    seconds = MILLION / EVENTS_PER_SECOND
    steps = math.ceil(run.sent_bytes / run.requests / GATEWAY_STEP_BYTES)
    yield Line("gateway (HTTP API)", "http_api_requests", run.requests * steps * each)
    for name, use in run.uses.items():
        # Tails come a little oftener than they were sent here.
        times = each * deployed.tails_rate if name == TAILS else each
        yield from invoked(name, use, deployed.memory_mb[function_of(name)], times)
        yield from written(use.writes, times)
        yield Line("messages", "sqs_requests", use.messages * TAIL_REQUESTS * times)
        own = {TAILS: "reads: to project", "detect": "reads: to detect"}.get(name)
        for kind, units in use.reads.items():
            if kind in ("key", "org", "privacy"):  # per minute, not per event: see below
                continue
            yield Line(own or READS[kind], "dynamodb_read_units", units * times)
    yield Line("seal: marks", "dynamodb_write_units", run.mark_units * seconds / 60)
    yield Line("reads: keys and orgs", "dynamodb_read_units", _key_reads(run, deployed) * seconds)
    yield from _swept(run, deployed, seconds)
    yield from checkpoints.lines(run, deployed, seconds)
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


def written(writes: Mapping[str, float], each: float) -> Iterator[Line]:
    """Yield what DynamoDB charges for these units, ``each`` times."""
    for kind, units in writes.items():
        if kind != "minute":  # one may or may not fall into these seconds
            yield Line(WRITES[kind], "dynamodb_write_units", units * each)


def _swept(run: Run, deployed: Deployed, seconds: float) -> Iterator[Line]:
    """Yield what the sweeper needs: of everything, the journal's items are read once more."""
    more = run.sweep.less(run.idle_sweep)
    for use, times in (
        (more, MILLION / run.swept_events),
        (run.idle_sweep, seconds / deployed.sweep_seconds),
    ):
        for line in invoked("sweeper", use, deployed.memory_mb["sweeper"], times):
            yield replace(line, component="sweeper")
        yield Line("sweeper", "dynamodb_read_units", use.reads.total() * times)
        yield Line("sweeper", "dynamodb_write_units", use.writes.total() * times)
        yield Line("sweeper", "valkey_ecpus", use.ecpus * times)


def _key_reads(run: Run, deployed: Deployed) -> float:
    """Return the read units a second for looking up the key, the org and its setting again."""
    ingest = run.uses["ingest"]
    busy = EVENTS_PER_SECOND / run.size * billed_ms(ingest, deployed.memory_mb["ingest"]) / 1000
    environments = max(1.0, busy / ingest.invocations)
    again = sum(run.first.reads[kind] for kind in ("key", "org", "privacy"))
    return environments * again * 1000 / REMEMBERED_MS


def _traces_per_second(run: Run, deployed: Deployed) -> float:
    if not deployed.config.tracing:
        return 0.0
    rates = [use.invocations / run.events * EVENTS_PER_SECOND for use in run.uses.values()]
    rates += [1 / deployed.sweep_seconds, 1 / deployed.checkpoint_seconds]
    return sum(
        min(rate, SAMPLED_PER_SECOND) + SAMPLED_BEYOND * max(0.0, rate - SAMPLED_PER_SECOND)
        for rate in rates
    )
