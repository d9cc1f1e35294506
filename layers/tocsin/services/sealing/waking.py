"""Wake: what follows at once from events that were sealed, and what is left for later.

An org's endpoints are woken. Its projections wait, since they cost less that way: a *tail*, a
message to this very function that is delayed, has them brought up to the ledger's head.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Final

from tocsin.domain.errors import Busy
from tocsin.ports.notify import Wakes
from tocsin.ports.projections import Tails
from tocsin.ports.world import Clock
from tocsin.services.sealing.pace import EARLY_SECONDS, Pace
from tocsin.services.sealing.project import Projector, ProjectReport

__all__ = ["Expected", "Following", "Waking"]

MAX_EXPECTED: Final = 10_000
_BUSY_SECONDS: Final = 5
_LAST_RUN_MS: Final = 20_000  # for the last run that is begun: after it nothing must be cut off


@dataclass(frozen=True, slots=True)
class _Due:
    set_ms: int
    due_ms: int
    due_seconds: float  # of a clock that nobody sets


class Expected:
    """Tails, none for an org of which this process knows that one is to come.

    What was sealed before that one comes is its, so nothing is lost. One that is not known of,
    since another process has set it or this one has forgotten, costs a message.
    """

    def __init__(
        self, tails: Tails, clock: Clock, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """``seconds`` only ever grows, but perhaps not while nothing is done; ``clock`` may jump.

        A tail is expected only while both say that it is still to come.
        """
        self._tails = tails
        self._clock = clock
        self._seconds = seconds
        self._known: dict[str, _Due] = {}
        self._changing = Lock()

    def set(self, org: str, delay_seconds: int) -> None:
        """Have an org looked at within so long, or a little later.

        Raises:
            Busy: it may not be.
        """
        now_ms, now = self._clock.now_ms(), self._seconds()  # before SQS counts
        known = self._known.get(org)
        if known and known.set_ms <= now_ms < known.due_ms and now < known.due_seconds:
            return
        self._tails.set(org, delay_seconds)
        sure = delay_seconds - EARLY_SECONDS
        with self._changing:
            if len(self._known) >= MAX_EXPECTED:
                self._known.clear()
            self._known[org] = _Due(now_ms, now_ms + 1_000 * sure, now + sure)


class Waking:
    """The use case behind the ledger's stream."""

    def __init__(
        self,
        active: Callable[[str], Sequence[str]],
        wakes: Wakes,
        tails: Expected,
        *,
        project_seconds: int,
        threads: int = 1,
    ) -> None:
        """``active`` returns the ids of an org's active endpoints.

        Projections wait for ``project_seconds``. Several orgs' calls wait beside each other.
        """
        self._active = active
        self._wakes = wakes
        self._tails = tails
        self._project_seconds = project_seconds
        self._threads = threads

    def __call__(self, orgs: Collection[str]) -> ProjectReport:
        """Wake what follows these orgs' ledgers; one org's trouble is not another's.

        All is tried of each. To wake twice does no harm.
        """
        report = ProjectReport()
        threads = min(self._threads, len(orgs))
        if threads < 2:
            for org in orgs:
                self._wake(report, org)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(lambda org: self._wake(report, org), orgs))
        return report

    def _wake(self, report: ProjectReport, org: str) -> None:
        for step in (self._wake_endpoints, self._set_tail):
            try:
                step(org)
            except Exception as error:  # whatever an org's data can raise
                report.note(org, error)

    def _wake_endpoints(self, org: str) -> None:
        if ids := self._active(org):
            self._wakes.wake(org, ids)

    def _set_tail(self, org: str) -> None:
        self._tails.set(org, self._project_seconds)


class Following:
    """The use case behind the tails."""

    def __init__(
        self, projector: Projector, tails: Expected, clock: Clock, *, project_seconds: int
    ) -> None:
        """An org's runs begin no oftener than every ``project_seconds``."""
        self._projector = projector
        self._tails = tails
        self._clock = clock
        self._project_seconds = project_seconds

    def __call__(self, orgs: Iterable[str], left_ms: int) -> ProjectReport:
        """Bring these orgs' projections up to date, as far as ``left_ms`` allow.

        Who can't be, or has had a turn too recently, gets another tail; if that can't be set, its
        org is reported as failed.
        """
        pace = Pace(self._clock, self._project_seconds, left_ms - _LAST_RUN_MS)
        report = self._projector(dict.fromkeys(orgs), pace)
        later = report.later | dict.fromkeys(report.failed, _BUSY_SECONDS)
        report.waiting, report.failed = report.failed, {}
        for org, seconds in later.items():
            try:
                self._tails.set(org, seconds)
            except Busy as error:
                report.failed[org] = error
            except Exception as error:  # as above
                report.broken[org] = error
        return report
