"""How late approvals expire when nobody asks for them, through the whole product (``tocsin up``).

Approvals that wait for ten seconds are asked for at a steady rate, and nobody answers. An expiry's
lateness is the time from when its approval was due until its event was journaled, both as the event
says. The baseline is what the minute's sweep alone would give for the same approvals.
"""

import time
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.report import milliseconds, number, ratio, show
from tocsin.client import Client

if TYPE_CHECKING:
    from support.product import Product

__all__ = ["main"]

APPROVALS = 200
_PER_SECOND = 10
_WAIT_SECONDS = 10
_END_SECONDS = 90  # the last one's, with a sweep between
_SWEEP_SECONDS = 60


def main() -> None:
    """Measure and print."""
    from support.product import Product  # of the tests

    with TemporaryDirectory(prefix="tocsin-bench-") as folder:
        product = Product(Path(folder) / "home")
        product.start()
        try:
            due, told = _expire(product)
        finally:
            product.stop()
    late = [told[id] - at for id, at in due.items() if id in told]
    swept = [_SWEEP_SECONDS - at % _SWEEP_SECONDS for at in due.values()]
    show(
        "From when an approval is due to its expiry's event",
        ("", "approvals", "ms p50", "ms p99", "p50 is"),
        [
            (
                "a message for each",
                number(len(late)),
                *_both(late),
                ratio(_p(late, 50) / _p(swept, 50)),
            ),
            ("the sweep alone", number(len(swept)), *_both(swept), ratio(1)),
        ],
        [f"{len(due) - len(late)} of them have not expired {_END_SECONDS} s later."],
    )


def _expire(product: "Product") -> tuple[dict[str, float], dict[str, float]]:
    """Return when approvals were due and when their expiry was told (Unix times), by their ids."""
    due: dict[str, float] = {}
    with Client(product.url, product.api_key) as tocsin:
        began = time.monotonic()
        for at in range(APPROVALS):
            time.sleep(max(0, began + at / _PER_SECOND - time.monotonic()))
            asked = tocsin.ask("exec", "claude", "may I?", command=f"rm {at}", ttl=_WAIT_SECONDS)
            due[asked.id] = _seconds(asked.expires_at)
        ended = time.monotonic() + _WAIT_SECONDS + _END_SECONDS
        told: dict[str, float] = {}
        while len(told) < len(due) and time.monotonic() < ended:
            time.sleep(1)
            told = {
                event.fields["request"]["approval_id"]: _seconds(event.fields["received_at"])
                for event in tocsin.replay(types=["approval.expired"], limit=APPROVALS)
            }
    return due, told


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def _p(seconds: list[float], which: int) -> float:
    return quantiles(seconds, n=100)[which - 1]


def _both(seconds: list[float]) -> tuple[str, str]:
    return milliseconds(_p(seconds, 50)), milliseconds(_p(seconds, 99))
