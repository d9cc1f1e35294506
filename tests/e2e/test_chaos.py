"""Whatever is killed, drained or paused under load: nothing lost, nothing doubled, in order.

The long run is ``python -m bench chaos``; a run is repeated by its seed (``CHAOS_SEED``), as far as
the machine's timing lets it.
"""

import os
import secrets
from pathlib import Path

import pytest

from support.chaos import Plan, run

pytestmark = pytest.mark.xdist_group("chaos")

SECONDS = 15.0  # at least; until everything has happened once
EVENTS_PER_SECOND = 30.0
SUBSCRIBERS = 90  # each view with each way to resume, twice


def test_nothing_is_lost_doubled_or_reordered_while_parts_die(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(1_000_000))
    report = run(tmp_path / "home", Plan(SECONDS, seed, SUBSCRIBERS, EVENTS_PER_SECOND))
    print(report)
    assert not report.wrong, f"{report}\nlogs: {tmp_path}/home/logs"
    assert not report.vacuous, str(report)
