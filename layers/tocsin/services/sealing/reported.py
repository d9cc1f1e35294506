"""What was told of calls before a run: in memory where this process projected them, or kept."""

from collections import OrderedDict
from typing import Final

from tocsin.domain.projection import CALLS, Change, Projected
from tocsin.domain.reports import CALL_MS, Reports
from tocsin.ports.projections import Projections

__all__ = ["Reported"]

_ORGS: Final = 32  # whose calls are in memory
_KEPT_SECONDS: Final = 2 * 24 * 3_600  # far longer than a run may have to wait


class Reported:
    """The reports of calls, org by org, as they were at the begin of a run."""

    def __init__(self, projections: Projections) -> None:
        self._projections = projections
        self._known: OrderedDict[tuple[str, int], tuple[int, bytes, Reports]] = OrderedDict()

    def before(self, org: str, run: Projected) -> Reports:
        """Return what was told before a run; it is the caller's to change."""
        known = self._known.get((org, run.generation))
        if known and run.hash and known[:2] == (run.through_seq, run.hash):
            return known[2].copy()
        reports = Reports()
        for item in self._projections.calls(org, _id(run), run.generation):
            try:
                if not reports.load(str(item.get("told", ""))):
                    break
            except ValueError:
                continue  # its calls may count twice, which a verification then tells
        return reports

    def to_keep(self, run: Projected, reports: Reports) -> list[Change]:
        """Return what is to be written of a run's calls, which may be nothing."""
        told = reports.changed()
        if not told:
            return []
        gone_at = (reports.at_ms + CALL_MS) // 1_000 + _KEPT_SECONDS
        change = Change(CALLS, _id(run), run.through_seq + 1, "", run.until_seq)
        change.texts["told"] = told
        change.counters["expires_at"] = gone_at
        return [change]

    def at_end(self, org: str, run: Projected, hash: bytes, reports: Reports) -> None:
        """Take what was told by the end of a run that is applied."""
        reports.forget(run.until_seq)
        self._known[org, run.generation] = run.until_seq, hash, reports
        self._known.move_to_end((org, run.generation))
        while len(self._known) > _ORGS:
            self._known.popitem(last=False)


def _id(run: Projected) -> str:
    return f"{run.through_seq:016}"
