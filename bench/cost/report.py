"""The tables: how long functions take, and what a million events cost."""

from collections.abc import Mapping
from dataclasses import replace

from bench import traffic
from bench.cost.assumed import (
    CALL_MS,
    EVENTS_PER_SECOND,
    FULL_CORE_MB,
    MILLION,
    MONTH_SECONDS,
    POLLS_PER_SECOND,
    PUBLISH_MS,
    SEND_MS,
    SIGN_MS,
    TARGETS,
)
from bench.cost.bill import Bill, Line, invoked
from bench.cost.checkpoints import show_checkpoints
from bench.cost.components import READS, lines, written
from bench.cost.deployed import Deployed
from bench.cost.levers import show_levers
from bench.cost.measuring import measured, steady
from bench.cost.months import show_months
from bench.cost.others import show_others
from bench.cost.prices import Prices
from bench.cost.use import Run, Use, billed_ms, function_of
from bench.report import number, show, usd
from infra.config import Config
from support.ministack import dynamodb_server

__all__ = ["main"]


def main() -> None:
    """Measure and print."""
    prices, deployed = Prices.newest(), Deployed.read(Config())
    with dynamodb_server() as server:
        runs = {size: measured(server, size, deployed) for size in traffic.BATCHES}
        unhurried = replace(deployed, fanout_window_seconds=0.0)
        eager = {size: steady(server, size, unhurried, metered=True) for size in traffic.BATCHES}
    _show_durations(runs, deployed)
    bills = {size: Bill(list(lines(run, deployed)), prices) for size, run in runs.items()}
    _show_bills(bills, runs, eager, deployed, prices)
    show_levers(bills, runs, deployed, prices)
    show_months(runs[25], deployed, prices)
    show_checkpoints(runs[25], deployed, prices)
    show_others(runs, bills, deployed, prices)


def _show_durations(runs: Mapping[int, Run], deployed: Deployed) -> None:
    rows = []
    for size, run in runs.items():
        for name, use in (
            *run.uses.items(),
            ("sweeper, of nothing", run.idle_sweep),
            (f"checkpoint, of {run.checkpointed_events:,} more", run.checkpoint),
            ("checkpoint, of a batch", run.little_checkpoint),
            ("checkpoint, of nothing", run.idle_checkpoint),
        ):
            memory = deployed.memory_mb[function_of(name)]
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
            "invocations: per million events; the windows of fan-out, project and detect are "
            f"{deployed.fanout_window_seconds:g} s, {deployed.project_window_seconds:g} s and "
            f"{deployed.detect_window_seconds:g} s; projections follow by tails after "
            f"{deployed.project_seconds} s.",
            "CPU: measured, a whole core's; waiting: "
            + ", ".join(f"{name} {ms:g}" for name, ms in CALL_MS.items())
            + f" ms, PUBLISH {PUBLISH_MS:g}, SendMessage {SEND_MS:g}, "
            f"Sign {SIGN_MS:g} (assumed).",
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
    rows = [(name, *(usd(bill.by_component[name]) for bill in bills.values())) for name in names]
    rows.append(("together", *(usd(bill.total) for bill in bills.values())))
    rows.append(("target", *(usd(TARGETS[size]) if size in TARGETS else "-" for size in bills)))
    rows.append(("", *("" for _ in bills)))
    totals = {size: bill.total for size, bill in bills.items()}
    keyed = {s: _instead(runs[s], runs[s].keyed, deployed, prices) for s in bills}
    rows.append(("with an Idempotency-Key", *(usd(totals[s] + keyed[s]) for s in bills)))
    identified = {s: _instead(runs[s], runs[s].identified, deployed, prices) for s in bills}
    rows.append(("as CloudEvents", *(usd(totals[s] + identified[s]) for s in bills)))
    traced = {size: Bill(lines(run, _traced(deployed)), prices).total for size, run in runs.items()}
    rows.append(("with tracing", *(usd(traced[s]) for s in bills)))
    at_once = {size: Bill(lines(run, deployed), prices).total for size, run in eager.items()}
    rows.append((f"sealed {POLLS_PER_SECOND} times a second", *(usd(at_once[s]) for s in bills)))
    rows.append(("", *("" for _ in bills)))
    apart = list(dict.fromkeys(name for bill in bills.values() for name in bill.apart))
    rows += [(name, *(usd(bill.apart[name]) for bill in bills.values())) for name in apart]
    months = deployed.config.retention_days / (MONTH_SECONDS / 86_400)
    show(
        f"Dollars per million events (prices of {prices.date}), at batches of",
        ("", *map(str, bills)),
        rows,
        (
            "with an Idempotency-Key: as Tocsin's own client sends, and as what comes from "
            "OpenTelemetry is taken: a receipt each.",
            "as CloudEvents: alone, or so many a batch; a receipt for each event.",
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
            + ", ".join(usd(_part(run, deployed, prices, "waits_ms")) for run in runs.values())
            + "; twice the CPU "
            + ", ".join(usd(_part(run, deployed, prices, "cpu_ms")) for run in runs.values())
            + ".",
        ),
    )


def _traced(deployed: Deployed) -> Deployed:
    return replace(deployed, config=deployed.config.model_copy(update={"tracing": True}))


def _instead(run: Run, other: Use, deployed: Deployed, prices: Prices) -> float:
    """Return the extra cost if each request were as the ``other`` ones."""
    plain, memory = run.uses["ingest"], deployed.memory_mb["ingest"]
    requests = MILLION / run.size

    def cost(use: Use) -> float:
        each = requests / use.invocations
        return Bill(
            [
                *invoked("ingest", use, memory, each),
                *written(use.writes, each),
                *(
                    Line(READS[kind], "dynamodb_read_units", units * each)
                    for kind, units in use.reads.items()
                    if kind in READS
                ),
            ],
            prices,
        ).total

    return cost(other) - cost(plain)


def _part(run: Run, deployed: Deployed, prices: Prices, part: str) -> float:
    """Return what one part of the functions' billed time costs."""
    each = MILLION / run.events
    return sum(
        Bill(
            invoked(
                name, Use(**{part: getattr(use, part)}), deployed.memory_mb[function_of(name)], each
            ),
            prices,
        ).total
        for name, use in run.uses.items()
    )
