"""What it would save to change or leave out each of the remaining parts."""

from collections.abc import Mapping

from bench.cost.assumed import EVENTS_PER_SECOND, MILLION, SLOW_WINDOW_SECONDS, TARGETS, UTILISATION
from bench.cost.bill import LAMBDA_REQUESTS, LAMBDA_TIME, Bill, invoked
from bench.cost.deployed import Deployed
from bench.cost.prices import Prices
from bench.cost.use import TAILS, Run, function_of
from bench.report import show, usd

__all__ = ["show_levers"]


def show_levers(
    bills: Mapping[int, Bill], runs: Mapping[int, Run], deployed: Deployed, prices: Prices
) -> None:
    """Print the five largest."""
    levers = {size: _levers(bill, runs[size], deployed, prices) for size, bill in bills.items()}
    names = sorted(
        levers[1], key=lambda name: -sum(levers[size][name] / TARGETS[size] for size in TARGETS)
    )
    show(
        "What else can go: the five largest, in dollars per million events, at batches of",
        ("", *map(str, bills)),
        [(name, *(usd(levers[size][name]) for size in bills)) for name in names[:5]],
        ("each by itself, from the table above; ordered by their share of the targets.",),
    )


def _levers(bill: Bill, run: Run, deployed: Deployed, prices: Prices) -> dict[str, float]:
    """Return the dollars per million events that each change would save."""
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
            bill.usd("projections", f"{TAILS}: {LAMBDA_REQUESTS}")
            * max(0.0, 1 - deployed.project_seconds / SLOW_WINDOW_SECONDS)
        ),
        "a sweep that asks for markers, not for batches": bill.usd("sweeper"),
        **{
            f"{name} with {memory} MB": bill.usd(f"{name}: {LAMBDA_TIME}")
            - Bill(
                invoked(name, run.uses[name], memory, MILLION / run.events), prices
            ).by_component[f"{name}: {LAMBDA_TIME}"]
            for name in run.uses
            for memory in (deployed.memory_mb[function_of(name)] // 2,)
        },
    }
