"""What other services charge for the same."""

import math
from collections.abc import Mapping

from bench.cost.assumed import MILLION, MONTH_SECONDS
from bench.cost.bill import Bill
from bench.cost.deployed import Deployed
from bench.cost.months import connection, idle
from bench.cost.prices import Prices
from bench.cost.use import Run
from bench.report import show, usd

__all__ = ["show_others"]

# How they meter a message, in bytes.
APPSYNC_STEP_BYTES = 5 * 1024  # as AppSync meters GraphQL updates
WEBSOCKET_STEP_BYTES = 32 * 1024
ABLY_LARGEST_BYTES = 64 * 1024


def show_others(
    runs: Mapping[int, Run], bills: Mapping[int, Bill], deployed: Deployed, prices: Prices
) -> None:
    """Print the others' prices beside ours."""

    def messages(run: Run, step_bytes: int) -> float:
        """Return how many messages publish and deliver the batches, ``step_bytes`` at most each."""
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
            *(usd(bill.total) for bill in bills.values()),
            usd(connection(deployed, prices, stream, bus)),
            usd(sum(idle(runs[25], deployed, prices, stream, bus).values())),
        )
        for stream, bus in (("fargate", "valkey"), ("lambda", "ledger"))
    ]
    theirs = [
        (
            name,
            *(usd(prices.usd(message, messages(run, step))) for run in runs.values()),
            usd(prices.usd(minute, minutes)),
            usd(prices.usd("ably_package", 1)) if name == "Ably" else "-",
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
