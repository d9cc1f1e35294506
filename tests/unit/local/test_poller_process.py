"""The poller as a process: it is there with all its threads, or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.local.layout import Layout
from tocsin.local.poller import THREAD_FAILED

FAILING = """
import sys
from threading import Event
from tocsin.local import poller

class Failing(poller.Poller):
    def run(self):
        if self._function == sys.argv[1]:
            raise KeyError("what nobody thought of")
        Event().wait()

class FailingSchedule(poller.Schedule):
    def run(self):
        if self._function == sys.argv[1]:
            raise KeyError("what nobody thought of")
        Event().wait()

class FailingQueue(poller.QueuePoller):
    def run(self):
        if sys.argv[1] == "queue":
            raise KeyError("what nobody thought of")
        Event().wait()

poller.Poller, poller.Schedule, poller.QueuePoller = Failing, FailingSchedule, FailingQueue
poller.main()
"""


@pytest.mark.parametrize("failing", ["fanout", "project", "detect", "sweeper", "expire", "queue"])
def test_no_thread_of_it_ends_unseen(tmp_path: Path, failing: str) -> None:
    layout = Layout(tmp_path, {"dynamodb": 1}, tmp_path, key="key")

    ended = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", FAILING, failing],
        env={**os.environ, **layout.env, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == (1 if failing == "fanout" else THREAD_FAILED)
    assert "what nobody thought of" in ended.stderr
