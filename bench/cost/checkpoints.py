"""What checkpoints cost: in a million events, and an org a month."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bench.cost.assumed import EVENTS_PER_SECOND, MILLION, MONTH_SECONDS, WITNESS_MS
from bench.cost.bill import Bill, Line, invoked
from bench.cost.deployed import Deployed
from bench.cost.prices import Prices
from bench.cost.use import Run, Use
from bench.report import show, usd
from tocsin.domain.tree import TILE_WIDTH

__all__ = ["lines", "org_months", "show_checkpoints", "used"]

FUNCTION, WRITES, READS, SIGNATURES = (
    f"checkpoints: {part}" for part in ("function", "writes", "reads", "signatures")
)
ARCHIVE = "with an archive, more"
_OBJECTS = 3  # for a checkpoint: itself twice, and the last leaves
_UNITS = 2  # what is archived is remembered, in a transaction
WITNESS = "with a witness, more"
_COSIGNED_UNITS = 1 + 2  # the checkpoint is put again; and that it was cosigned is remembered
_PROOF_UNITS = 1 + 1 + 2 * 2  # both checkpoints, and of two levels two tiles at most


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
    events = EVENTS_PER_SECOND * MONTH_SECONDS
    idle = replace(run.idle_checkpoint, invocations=0)
    idle.reads = idle.reads.copy()
    del idle.reads["org"]
    still = [*used(idle, deployed, runs)]
    moved = [
        *still,
        *used(run.little_checkpoint.less(run.idle_checkpoint), deployed, runs),
        Line(ARCHIVE, "s3_puts", _OBJECTS * runs, apart=True),
        Line(ARCHIVE, "dynamodb_write_units", _UNITS * runs, apart=True),
        *_witnessed(deployed, runs),
    ]
    busy = [
        *moved,
        *used(_growth(run), deployed, events / run.checkpointed_events),
        Line(ARCHIVE, "s3_puts", events / TILE_WIDTH, apart=True),
    ]
    return {"idle": still, "a batch a minute": moved, f"{EVENTS_PER_SECOND} events/s": busy}


def _witnessed(deployed: Deployed, runs: float) -> Iterator[Line]:
    """Yield what it is more to have each checkpoint cosigned, for an org that waits alone.

    A run asks for several orgs at once, which share the function's time.
    """
    gb_seconds = WITNESS_MS / 1_000 * deployed.memory_mb["checkpoint"] / 1_024
    yield Line(WITNESS, "lambda_gb_seconds", gb_seconds * runs, apart=True)
    yield Line(WITNESS, "dynamodb_write_units", _COSIGNED_UNITS * runs, apart=True)
    yield Line(WITNESS, "dynamodb_read_units", _PROOF_UNITS * runs, apart=True)


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
        [
            *rows,
            ("together", *(usd(bill.total) for bill in bills.values())),
            *(
                (name, *(usd(bill.apart[name]) for bill in bills.values()))
                for name in (ARCHIVE, WITNESS)
            ),
        ],
        (
            f"one every {deployed.checkpoint_seconds:g} s in which the org's ledger has moved. "
            f"The key is {usd(prices.usd('kms_keys', 1))} a month for all orgs.",
            f"A witness answers after {WITNESS_MS:g} ms, as others do at once: each writes a line "
            "more, and no item. An archive is asked once a checkpoint: under 3 % of its puts.",
            "function: its time; that it is invoked, and reads which orgs there are, is in idle.",
        ),
    )


def _growth(run: Run) -> Use:
    """Return how much more a checkpoint of many events used than one of few."""
    return run.checkpoint.less(run.little_checkpoint)
