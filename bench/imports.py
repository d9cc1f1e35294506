"""What a cold start imports: each function's handler in a fresh interpreter.

``import``: the handler's module alone, its bytecode compiled before. ``wired``: that and the first
``service()``, which is what the first request waits for. Both are CPU time. ``RSS`` is the memory
of the process after it. The targets take turns; the baseline is ``import boto3``. What dominates is
from ``-X importtime``: the time of the modules themselves, without what they import, by package.

With ``--against REV`` the same functions of that git revision take their turns in the same run, on
the packages of this environment, and each figure is shown as a ratio to its own.
"""

import io
import os
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.report import milliseconds, number, ratio, show

__all__ = ["exported", "main"]

RUNS = 5
TRACES = 3
TOP = 8
_CHECKOUT = Path(__file__).parents[1]
_BASELINE = "boto3"
_NOT_IN_LAMBDA = ("asyncio", "httpx", "rich", "typer", "uvicorn", "starlette", "valkey", "fastapi")
_PROBE = """
import sys, time
began = time.process_time()
module = __import__(sys.argv[1], fromlist=["_"])
imported = time.process_time()
if sys.argv[1] != {baseline!r}:
    getattr(module, "service", lambda: module.app)()
wired = time.process_time()
modules = set(sys.modules)
import psutil
rss = psutil.Process().memory_info().rss
present = [name for name in {watched!r} if name in modules]
print(imported - began, wired - began, rss, len(modules), *present)
"""


@dataclass(frozen=True, slots=True)
class _Run:
    import_seconds: float
    wired_seconds: float
    rss_bytes: int
    modules: int
    present: tuple[str, ...]


type _Runs = Mapping[str, Sequence[_Run]]


def main(against: str | None = None) -> None:
    """Measure and print; beside the functions of the git revision ``against``, when one is named.

    Raises:
        CalledProcessError: git does not know the revision, or a function can't be imported.
    """
    with (
        TemporaryDirectory() as home,
        exported(against) if against else nullcontext() as before,
    ):
        sources = [_CHECKOUT, before] if before else [_CHECKOUT]
        environments = [_environment(home, source) for source in sources]
        targets = (_BASELINE, *_handlers(_CHECKOUT))
        now, *earlier = _in_turns(sources, environments)
        _show(now)
        if before and against:
            _compare(against, earlier[0], now)
        traces: dict[str, list[dict[str, float]]] = {target: [] for target in targets}
        for _ in range(TRACES):
            for target in targets:
                traces[target].append(_by_package(target, environments[0]))
    shares = {target: _shares(each) for target, each in traces.items()}
    show(
        f"What dominates the import: the {TOP} packages with most time in their own modules",
        ("", *map(_short, targets)),
        [
            (str(place + 1), *(_entry(*shares[target][place]) for target in targets))
            for place in range(TOP)
        ],
        (f"share of the whole import under -X importtime, median of {TRACES}",),
    )


@contextmanager
def exported(revision: str) -> Iterator[Path]:
    """Yield a folder with the sources as they were at a git revision.

    Raises:
        CalledProcessError: git does not know the revision.
    """
    with TemporaryDirectory() as folder:
        archive = subprocess.run(  # noqa: S603
            ("git", "archive", "--format=tar", revision, "functions", "layers"),  # noqa: S607
            cwd=_CHECKOUT,
            capture_output=True,
            check=True,
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        yield Path(folder)


def _in_turns(
    sources: Sequence[Path], environments: Sequence[dict[str, str]]
) -> list[dict[str, list[_Run]]]:
    """Measure every function of every source, a fresh interpreter each, in turns."""
    measured: list[dict[str, list[_Run]]] = [
        {target: [] for target in (_BASELINE, *_handlers(source))} for source in sources
    ]
    for turn in range(RUNS + 1):
        for target in dict.fromkeys(target for runs in measured for target in runs):
            for runs, env in zip(measured, environments, strict=True):
                if target not in runs:
                    continue
                run = _run(target, env)
                if turn:  # the first writes bytecode and fills the file cache
                    runs[target].append(run)
    return measured


def _handlers(source: Path) -> list[str]:
    """Return the module of every function: its handler, or its ASGI application."""
    modules = []
    for folder in sorted((source / "functions").iterdir()):
        files = [name for name in ("handler", "app") if (folder / f"{name}.py").is_file()]
        modules += [f"functions.{folder.name}.{name}" for name in files[:1]]
    return modules


def _environment(home: str, source: Path) -> dict[str, str]:
    """Return a Lambda's environment; bytecode is written beside, as it is in a layer."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "PYTHONPATH": os.pathsep.join((str(source / "layers"), str(source))),
        "PYTHONPYCACHEPREFIX": str(Path(home) / "bytecode"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "Tocsin",
        "TOCSIN_JOURNAL_TABLE": "journal",
        "TOCSIN_LEDGER_TABLE": "ledger",
        "TOCSIN_STATE_TABLE": "state",
        "TOCSIN_EXPIRY_QUEUE_URL": "http://127.0.0.1:1/timers",
        "TOCSIN_WAKES_QUEUE_URL": "http://127.0.0.1:1/wakes",
        "TOCSIN_SLOW_WAKES_QUEUE_URL": "http://127.0.0.1:1/slow-wakes",
        "TOCSIN_TAILS_QUEUE_URL": "http://127.0.0.1:1/tails",
        "TOCSIN_VALKEY_URL": "valkey://127.0.0.1:6379",
    }


def _run(target: str, env: dict[str, str]) -> _Run:
    probe = _PROBE.format(baseline=_BASELINE, watched=_NOT_IN_LAMBDA)
    answer = _python(("-c", probe, target), env).stdout.split()
    imported, wired, rss, modules, *present = answer
    return _Run(float(imported), float(wired), int(rss), int(modules), tuple(present))


def _by_package(target: str, env: dict[str, str]) -> dict[str, float]:
    """Return the part of the import (0 to 1) spent in each top-level package's own modules."""
    microseconds: dict[str, int] = defaultdict(int)
    trace = _python(("-X", "importtime", "-c", f"import {target}"), env).stderr
    for line in trace.splitlines()[1:]:
        own, _, module = line.removeprefix("import time:").split("|")
        package = module.strip().partition(".")[0]
        standard = package in sys.stdlib_module_names or package == "encodings"
        microseconds["(stdlib)" if standard else package] += int(own)
    whole = sum(microseconds.values())
    return {package: own / whole for package, own in microseconds.items()}


def _shares(traces: Sequence[dict[str, float]]) -> list[tuple[str, float]]:
    """Return the typical share of each package, largest first."""
    typical = {name: median(trace.get(name, 0.0) for trace in traces) for name in traces[0]}
    return sorted(typical.items(), key=lambda item: item[1], reverse=True)


def _short(target: str) -> str:
    return target.removeprefix("functions.").partition(".")[0]


def _entry(name: str, share: float) -> str:
    return f"{name.removeprefix('aws_lambda_')} {share:.0%}"


def _python(arguments: Sequence[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (this interpreter, these modules)
        [sys.executable, *arguments],
        cwd=env["HOME"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def _show(runs: _Runs) -> None:
    show(
        f"Cold start, CPU time (medians of {RUNS} fresh interpreters)",
        ("", "import, ms", f"{_BASELINE} is 1", "wired, ms", "RSS, MB", "modules", "has"),
        [_row(target, each, runs[_BASELINE]) for target, each in runs.items()],
        ("has: of what a function may do without: " + ", ".join(_NOT_IN_LAMBDA) + ".",),
    )


def _row(target: str, runs: Sequence[_Run], baseline: Sequence[_Run]) -> tuple[str, ...]:
    return (
        _short(target),
        milliseconds(median(run.import_seconds for run in runs)),
        ratio(_times(_import_seconds, runs, baseline)),
        milliseconds(median(run.wired_seconds for run in runs)),
        number(median(run.rss_bytes for run in runs) / 2**20),
        str(runs[0].modules),
        ", ".join(runs[0].present) or "-",
    )


def _compare(revision: str, before: _Runs, now: _Runs) -> None:
    show(
        f"Cold start against {revision}, which is 1",
        ("", "import, ms", "now", "", "wired, ms", "now", "", "modules", "now"),
        [_pair(target, before[target], now[target]) for target in now if target in before],
        _only("here", now.keys() - before.keys())
        + _only(f"at {revision}", before.keys() - now.keys()),
    )


def _pair(target: str, before: Sequence[_Run], now: Sequence[_Run]) -> tuple[str, ...]:
    cells = [_short(target)]
    for seconds in (_import_seconds, _wired_seconds):
        cells += [milliseconds(median(map(seconds, runs))) for runs in (before, now)]
        cells.append(ratio(_times(seconds, now, before)))
    return (*cells, str(before[0].modules), str(now[0].modules))


def _only(where: str, targets: Iterable[str]) -> tuple[str, ...]:
    names = ", ".join(sorted(map(_short, targets)))
    return (f"only {where}: {names}",) if names else ()


def _times(
    seconds: Callable[[_Run], float], runs: Sequence[_Run], baseline: Sequence[_Run]
) -> float:
    """Return how many times the baseline's it is, as the median of the turns."""
    return median(seconds(a) / seconds(b) for a, b in zip(runs, baseline, strict=True))


def _import_seconds(run: _Run) -> float:
    return run.import_seconds


def _wired_seconds(run: _Run) -> float:
    return run.wired_seconds
