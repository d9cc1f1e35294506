"""What an idle month costs, and a connection that stays open all month, by setting."""

from dataclasses import fields

from bench.cost import checkpoints
from bench.cost.assumed import (
    BALANCER_CONNECTIONS,
    HOURS,
    IDLE_RECEIVES_PER_MINUTE,
    MONTH_SECONDS,
    VALKEY_LEAST_GB,
    WATCHED_HOURS,
)
from bench.cost.bill import Bill, invoked
from bench.cost.deployed import ALARMS, Deployed
from bench.cost.prices import Prices
from bench.cost.use import Run
from bench.report import number, show, usd
from tocsin.services.access.remembered import REMEMBERED_MS
from tocsin.services.stream.parts import StreamLimits

__all__ = ["break_even", "connection", "idle", "show_months"]

SETTINGS = tuple((stream, bus) for stream in ("fargate", "lambda") for bus in ("valkey", "ledger"))


def show_months(run: Run, deployed: Deployed, prices: Prices) -> None:
    """Print both, and the number of viewers from which the other host is cheaper."""
    idles = {each: idle(run, deployed, prices, *each) for each in SETTINGS}
    connections = {each: connection(deployed, prices, *each) for each in SETTINGS}
    names = list(next(iter(idles.values())))
    rows = [(name, *(usd(each[name]) for each in idles.values())) for name in names]
    rows.append(("idle, a month", *(usd(sum(each.values())) for each in idles.values())))
    rows.append(("", *("" for _ in SETTINGS)))
    rows.append(("a connection-month", *(usd(connections[each]) for each in SETTINGS)))
    even = {
        bus: break_even(
            sum(idles["lambda", bus].values()),
            connections["lambda", bus],
            sum(idles["fargate", bus].values()),
            connections["fargate", bus],
        )
        for bus in ("valkey", "ledger")
    }
    metrics = prices.usd("metrics", len(run.metrics))
    poll = prices.usd("dynamodb_read_units", MONTH_SECONDS / _default("poll_seconds"))
    show(
        "Dollars a month, by setting",
        ("", *(f"{stream}+{bus}" for stream, bus in SETTINGS)),
        rows,
        (
            "idle: nothing sent, nobody watching. While events flow, "
            f"{len(run.metrics)} metrics add {usd(metrics)} a month.",
            "a connection-month: open all the time, where nothing happens; on Fargate one",
            f"  of {deployed.config.connections_per_task:,} in a task. With bus=ledger, each org "
            f"that is watched costs a task {usd(poll)} a month to poll.",
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


def break_even(fixed: float, viewer: float, host_fixed: float, host_viewer: float) -> float:
    """Return the number of viewers from which the host with higher fixed costs is cheaper."""
    return (host_fixed - fixed) / (viewer - host_viewer)


def idle(run: Run, deployed: Deployed, prices: Prices, stream: str, bus: str) -> dict[str, float]:
    """Return dollars a month by purpose, while nothing is sent and nobody watches."""
    price, tasks = prices.usd, deployed.config.stream_tasks_min if stream == "fargate" else 0
    hours = HOURS * tasks
    sweeps, signings = (
        MONTH_SECONDS / each for each in (deployed.sweep_seconds, deployed.checkpoint_seconds)
    )
    swept = invoked("sweeper", run.idle_sweep, deployed.memory_mb["sweeper"], sweeps)
    return {
        "stream task": price("fargate_vcpu", hours * deployed.task_vcpu)
        + price("fargate_memory", hours * deployed.task_gb),
        "its public address": price("public_ipv4", hours),
        "load balancer": price("balancer", HOURS) if tasks else 0.0,
        "Valkey": price("valkey_storage", VALKEY_LEAST_GB * HOURS) if bus == "valkey" else 0.0,
        "sweeper": Bill(swept, prices).total
        + price("dynamodb_read_units", run.idle_sweep.reads.total() * sweeps)
        + price("traces", sweeps if deployed.config.tracing else 0),
        "signing key": price("kms_keys", 1),
        "checkpoints, of an idle org": Bill(
            checkpoints.used(run.idle_checkpoint, deployed, signings), prices
        ).total
        + price("traces", signings if deployed.config.tracing else 0),
        "looking at queues": price(
            "sqs_requests", deployed.queues * IDLE_RECEIVES_PER_MINUTE * MONTH_SECONDS / 60
        ),
        "alarms": price("alarms", ALARMS[stream, bus]),
        "dashboard": price("dashboards", 1),
    }


def connection(deployed: Deployed, prices: Prices, stream: str, bus: str) -> float:
    """Return dollars for a connection that is open all month, of an org where nothing happens."""
    price, config = prices.usd, deployed.config
    if stream == "fargate":  # its share of a full task
        hours = HOURS / config.connections_per_task
        return (
            price("fargate_vcpu", hours * deployed.task_vcpu)
            + price("fargate_memory", hours * deployed.task_gb)
            + price("public_ipv4", hours)
            + price("balancer_units", HOURS / BALANCER_CONNECTIONS)
        )
    look = _default("look_seconds" if bus == "valkey" else "poll_seconds")
    recheck = max(REMEMBERED_MS / 1000, _default("recheck_seconds"))
    streams = MONTH_SECONDS / deployed.stream_seconds
    reads = MONTH_SECONDS / look + MONTH_SECONDS / recheck + 2 * streams
    return (
        price("lambda_gb_seconds", MONTH_SECONDS * deployed.memory_mb["stream"] / 1024)
        + price("lambda_requests", streams)
        + price("rest_api_requests", streams)
        + price("traces", streams if config.tracing else 0)
        + price("dynamodb_read_units", reads)
    )


def _default(name: str) -> float:
    return next(float(str(each.default)) for each in fields(StreamLimits) if each.name == name)
