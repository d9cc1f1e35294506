"""Chaos: the whole product under load while its parts are killed, drained and paused at random.

Beginning to end is :func:`run`. What it promises to find: an event that was accepted and is not in
the ledger once, a ledger that does not verify, and a subscriber that did not get exactly what its
filter lets through, once, in order, with the hashes of the ledger.
"""

from support.chaos.report import Report
from support.chaos.run import Plan, run

__all__ = ["Plan", "Report", "run"]
