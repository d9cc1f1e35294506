"""Sweep: find what was accepted and never sealed, and fan it out."""

from tocsin.domain.errors import Busy
from tocsin.domain.ids import new_batch_id
from tocsin.domain.limits import SETTLED_MS
from tocsin.ports.log import Journal
from tocsin.ports.orgs import Orgs
from tocsin.ports.world import Clock
from tocsin.services.sealing.fanout import Fanout, Report

__all__ = ["Sweep"]

_BATCHES_AT_ONCE = 100


class Sweep:
    """The use case behind the sweeper's schedule."""

    def __init__(self, *, orgs: Orgs, journal: Journal, fanout: Fanout, clock: Clock) -> None:
        self._orgs = orgs
        self._journal = journal
        self._fanout = fanout
        self._clock = clock

    def __call__(self, min_age_ms: int = SETTLED_MS) -> list[Report]:
        """Pass every batch that is ``min_age_ms`` old, and not yet swept, to the fan-out.

        What is sealed already is skipped there. The sweep goes on from where the last one ended,
        but remembers no end younger than ten minutes: a slow request may still write before it.
        """
        orgs = [org.id for org in self._orgs.all() if not org.gone]
        return [report for org in orgs for report in self._one_org(org, min_age_ms)]

    def _one_org(self, org: str, min_age_ms: int) -> list[Report]:
        try:
            return self._sweep(org, min_age_ms)
        except Busy as error:
            return [Report(failed={org: error})]
        except Exception as error:  # whatever an org's data can raise
            return [Report(broken={org: error})]

    def _sweep(self, org: str, min_age_ms: int) -> list[Report]:
        now_ms = self._clock.now_ms()
        until, settled = _last_id(now_ms - min_age_ms), _last_id(now_ms - SETTLED_MS)
        reports, after = [], self._orgs.swept_until(org)
        while found := self._journal.between(org, after, until, _BATCHES_AT_ONCE):
            report = self._fanout(found)
            reports.append(report)
            if report.failed or report.broken:
                return reports
            after = found[-1].id
            if after <= settled:
                self._orgs.set_swept_until(org, after)
        return reports


def _last_id(at_ms: int) -> str:
    return new_batch_id(max(0, at_ms), b"\xff" * 10)
