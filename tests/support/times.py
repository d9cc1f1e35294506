"""A plugin for pytest (``-p support.times``): where the run's time goes, as wall and CPU seconds.

CPU is that of the test's process and of the children that have ended in it: a server's counts
where it is stopped.
"""

import os
import time
from collections import defaultdict
from collections.abc import Generator, Iterable
from typing import Any, NamedTuple

import pytest

_ROWS = 40
_LEAST_SECONDS = 0.05


class Spent(NamedTuple):
    """Seconds."""

    wall: float = 0.0
    cpu: float = 0.0

    def plus(self, wall: float, cpu: float) -> "Spent":
        return Spent(self.wall + wall, self.cpu + cpu)


def _now() -> Spent:
    return Spent(time.perf_counter(), sum(os.times()[:4]))


class _Worker:
    """Measures; the reports carry the figures to the process that prints them."""

    def __init__(self) -> None:
        self._fixtures: list[tuple[str, float, float]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        began = _now()
        try:
            return (yield)
        finally:
            wall, cpu = (end - start for start, end in zip(began, _now(), strict=True))
            if fixturedef.baseid:  # a parameter has none
                name = f"{fixturedef.baseid}::{fixturedef.argname} ({fixturedef.scope})"
                self._fixtures.append((name, wall, cpu))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._began = _now()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now = _now()
        report.spent = [now.wall - self._began.wall, now.cpu - self._began.cpu]  # type: ignore[attr-defined]
        report.fixtures = self._fixtures  # type: ignore[attr-defined]
        self._began, self._fixtures = now, []
        return report


class _Printer:
    """Sums up, by test, by file and by fixture."""

    def __init__(self) -> None:
        self._tests: dict[str, Spent] = defaultdict(Spent)
        self._files: dict[str, Spent] = defaultdict(Spent)
        self._phases: dict[str, Spent] = defaultdict(Spent)
        self._fixtures: dict[str, Spent] = defaultdict(Spent)

    def pytest_runtest_logreport(self, report: Any) -> None:
        wall, cpu = report.spent
        for sums, key in (
            (self._tests, f"{report.nodeid} {report.when}"),
            (self._files, report.nodeid.partition("::")[0]),
            (self._phases, report.when),
        ):
            sums[key] = sums[key].plus(wall, cpu)
        for name, *spent in report.fixtures:
            self._fixtures[name] = self._fixtures[name].plus(*spent)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for title, sums in (
            ("tests", self._tests),
            ("fixtures' set-ups", self._fixtures),
            ("files", self._files),
            ("phases", self._phases),
        ):
            terminalreporter.section(f"times by {title}: wall s, CPU s")
            for line in _table(sums.items()):
                terminalreporter.line(line)


def _table(sums: Iterable[tuple[str, Spent]]) -> list[str]:
    most = sorted(sums, key=lambda each: max(each[1]), reverse=True)[:_ROWS]
    return [
        f"{spent.wall:8.2f} {spent.cpu:8.2f}  {name[:160]}"
        for name, spent in most
        if max(spent) >= _LEAST_SECONDS
    ]


def pytest_configure(config: pytest.Config) -> None:
    """Measure where the tests run, print where the reports arrive."""
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(_Worker())
        return
    config.pluginmanager.register(_Printer())
    if not config.getoption("numprocesses", None):
        config.pluginmanager.register(_Worker())
