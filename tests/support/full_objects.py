"""Objects of as many events as one takes, and what memory it takes to write them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from random import Random

from support.notified import endpoint, first_run, sent
from tocsin.domain.batch import Batch
from tocsin.domain.canonical import canonical
from tocsin.domain.endpoints import Format
from tocsin.domain.ids import event_ids, new_batch_id
from tocsin.domain.segment import Head, SealedEvent, seal

__all__ = ["full_run", "peak_bytes"]

_ROOT = Path(__file__).parents[2]
_BATCH = 1_000
_WORDS = (
    *("run", "build", "test", "deploy", "cache", "file", "path", "error", "read"),
    *("write", "list", "fetch", "page", "json", "remote"),
)


def full_run(format: Format, words: int) -> list[SealedEvent]:
    """Return a run of calls as a chain has them, each with a command of so many words."""
    random, head, run = Random(1), Head.empty("acme"), list[SealedEvent]()  # noqa: S311
    for number in count():
        at_ms = 1_774_000_000_000 + number * 60_000
        id = new_batch_id(at_ms, (number << 10).to_bytes(10))
        entries = [canonical(_call(random, each, words)) for each in event_ids(id, _BATCH)]
        segment, events = seal("acme", head, [Batch("acme", id, tuple(entries), "k1", at_ms)], 0)
        head = segment.head
        run += events
        if len(fitting := first_run(format, run)) < len(run):
            return list(fitting)
    raise AssertionError


def _call(random: Random, id: str, words: int) -> dict[str, object]:
    return {
        "id": id,
        "type": "tool_call",
        "action": random.choice(("allow", "allow", "allow", "deny")),
        "agent_id": f"agent-{random.randrange(40)}",
        "tool_name": random.choice(_WORDS),
        "session_id": f"s-{random.randrange(400)}",
        "trace_id": random.randbytes(16).hex(),
        "timestamp": f"2026-03-20T09:46:{random.randrange(60):02}.{random.randrange(1_000):03}Z",
        "latency_ms": random.randrange(9_000),
        "request": {"command": " ".join(random.choices(_WORDS, k=words)), "cwd": "/srv/app"},
    }


def peak_bytes(format: Format, at_once: int) -> int:
    """Return what a process of its own took of memory, at most, which wrote so many at once.

    Linux tells it (``proc_pid_status(5)``).
    """
    command = [sys.executable, "-m", "support.full_objects", format, str(at_once)]
    paths = os.pathsep.join(map(str, (_ROOT / "layers", _ROOT / "tests")))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return int(done.stdout)


def _main(format: Format, at_once: int) -> None:
    to, run = endpoint(format), full_run(format, 60)
    with ThreadPoolExecutor(max(at_once, 1)) as pool:
        list(pool.map(lambda _: sent(to, *run), range(at_once)))
    status = Path("/proc/self/status").read_text()
    [peak] = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(int(peak) * 1024)


if __name__ == "__main__":
    _main(Format(sys.argv[1]), int(sys.argv[2]))
