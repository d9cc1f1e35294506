"""What Tocsin costs: AWS' list prices times what the deployed handlers use in this run.

One org sends ``EVENTS_PER_SECOND`` evenly, in batches of 1, 25 and 250. The handlers of ingest,
fan-out, project, detect and sweeper run as ``bootstrap`` wires them, on MiniStack and on a clock of
their own, in the rhythm of the stacks' event source mappings and schedule; memory, windows, tracing
and log formats are read from ``infra``. Each batch size is run twice: once metered (capacity units,
calls, log lines), once only timed (CPU, from the event's JSON to the result's). A function's billed
time is its CPU time at its memory's share of a core, plus an allowance for each DynamoDB call that
it waits for, one after another; where it has several threads, the busiest one's count.

Not counted: free tiers, cold starts, TLS, retries, errors, and traffic between zones.
"""

__all__ = ["main"]


def main() -> None:
    """Measure and print."""
    from bench.cost.report import main  # importers of bench.cost.deployed alone need none of it

    main()
