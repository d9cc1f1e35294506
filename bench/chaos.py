"""Chaos for minutes: the product under load while its parts are killed, drained and paused.

Not a measurement but a proof that takes too long for every test run. The short one is
``tests/e2e/test_chaos.py``; both use ``tests/support/chaos``.
"""

import secrets
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from support.chaos import Plan, run

__all__ = ["main"]


def main(minutes: float = 3.0, seed: int | None = None) -> None:
    """Run and print what was seen.

    Raises:
        AssertionError: something was lost, doubled, reordered or wrong, or too little happened.
    """
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    print(f"chaos for {minutes:g} minutes; again with: --minutes {minutes:g} --seed {seed}")
    folder = Path(mkdtemp(prefix="tocsin-chaos-"))
    report = run(folder / "home", Plan(minutes * 60, seed))
    print(report, flush=True)
    if report.wrong or report.vacuous:
        raise AssertionError(f"a promise was not kept; the parts' logs are in {folder}/home/logs")
    rmtree(folder)
