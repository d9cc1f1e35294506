"""What checkpoints cost: in a million events, and an org a month."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bench.cost.assumed import EVENTS_PER_SECOND, MILLION, MONTH_SECONDS
from bench.cost.bill import Bill, Line, invoked
from bench.cost.deployed import Deployed
from bench.cost.prices import Prices
from bench.cost.use import Run, Use
from bench.report import show, usd

__all__ = ["lines", "org_months", "show_checkpoints", "used"]

FUNCTION, WRITES, READS, SIGNATURES = (
    f"checkpoints: {part}" for part in ("function", "writes", "reads", "signatures")
)


def used(use: Use, deployed: Deployed, each: float) -> Iterator[Line]:
    """Yield what the function's use is charged for, ``each`` times."""
    for line in invoked("checkpoint", use, deployed.memory_mb["checkpoint"], each):
        yield replace(line, component=FUNCTION)
    yield Line(WRITES, "dynamodb_write_units", use.writes.total() * each)
    yield Line(READS, "dynamodb_read_units", use.reads.total() * each)
    yield Line(SIGNATURES, "kms_signatures", use.signatures * each)


def lines(run: Run, deployed: Deployed, seconds: float) -> Iterator[Line]:
    """Yield what a million events in one org need, which come in so many seconds."""
    yield from used(run.little_checkpoint, deployed, seconds / deployed.checkpoint_seconds)
    yield from used(_growth(run), deployed, MILLION / run.checkpointed_events)


def org_months(run: Run, deployed: Deployed) -> Mapping[str, list[Line]]:
    """Return what an org needs in a month, by how much happens in it.

    The schedule itself, and the list of orgs that it reads, are not any org's.
    """
    runs = MONTH_SECONDS / deployed.checkpoint_seconds
    idle = replace(run.idle_checkpoint, invocations=0)
    idle.reads = idle.reads.copy()
    del idle.reads["org"]
    still = [*used(idle, deployed, runs)]
    moved = [*still, *used(run.little_checkpoint.less(run.idle_checkpoint), deployed, runs)]
    events = EVENTS_PER_SECOND * MONTH_SECONDS
    busy = [*moved, *used(_growth(run), deployed, events / run.checkpointed_events)]
    return {"idle": still, "a batch a minute": moved, f"{EVENTS_PER_SECOND} events/s": busy}


def show_checkpoints(run: Run, deployed: Deployed, prices: Prices) -> None:
    """Print an org's month."""
    bills = {name: Bill(of, prices) for name, of in org_months(run, deployed).items()}
    rows = [
        (name, *(usd(bill.by_component[name]) for bill in bills.values()))
        for name in (SIGNATURES, WRITES, READS, FUNCTION)
    ]
    show(
        "Checkpoints, dollars an org and month",
        ("", *bills),
        [*rows, ("together", *(usd(bill.total) for bill in bills.values()))],
        (
            f"one every {deployed.checkpoint_seconds:g} s in which the org's ledger has moved. "
            f"The key is {usd(prices.usd('kms_keys', 1))} a month for all orgs.",
            "function: its time; that it is invoked, and reads which orgs there are, is in idle.",
        ),
    )


def _growth(run: Run) -> Use:
    """Return how much more a checkpoint of many events used than one of few."""
    return run.checkpoint.less(run.little_checkpoint)
