"""Looking at approvals, for whoever is woken: one org's trouble is not another's."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tocsin.domain.approvals import Status
from tocsin.domain.errors import Busy
from tocsin.ports.orgs import Orgs
from tocsin.services.approvals.expiring import Expiring

__all__ = ["Report", "Waking"]


@dataclass(slots=True)
class Report:
    """What became of a round.

    ``again`` names the messages to be delivered again. ``failed`` orgs have to wait, ``broken``
    ones raised what another try may not change; each with the reason. ``late_ms`` is by how much
    each approval that had expired did so after its time.
    """

    again: list[str] = field(default_factory=list)
    failed: dict[str, Busy] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)
    late_ms: list[int] = field(default_factory=list)
    swept: int = 0

    def note(self, org: str, error: Exception) -> None:
        """Note what an org raised."""
        if isinstance(error, Busy):
            self.failed[org] = error
        else:
            self.broken[org] = error


class Waking:
    """The use cases behind the timers and the schedule. Everything blocks."""

    def __init__(self, orgs: Orgs, expiring: Expiring) -> None:
        self._orgs = orgs
        self._expiring = expiring

    def look(self, messages: Mapping[str, tuple[str, str]]) -> Report:
        """Look at the approvals of these messages: org and approval id by the message's id.

        One that is not there needs no other look. Its timer was set before it was written, but the
        shortest waits ten seconds; one that takes longer to be written is found by the sweep.
        """
        report = Report()
        for message, (org, id) in messages.items():
            # The others of a busy org wait with it: else they would use up the time of all.
            if org in report.failed:
                report.again.append(message)
                continue
            try:
                self._look(report, org, id)
            except Exception as error:  # whatever an org's data can raise
                report.note(org, error)
                report.again.append(message)
        return report

    def sweep(self) -> Report:
        """Do what is due with every org's approvals whose timers were lost."""
        report = Report()
        for org in self._orgs.all():
            if org.gone:
                continue
            try:
                report.swept += self._expiring.sweep(org.id)
            except Exception as error:  # as above
                report.note(org.id, error)
        return report

    def _look(self, report: Report, org: str, id: str) -> None:
        approval = self._expiring.look(org, id)
        if approval and approval.status is Status.EXPIRED and approval.resolved_at_ms is not None:
            report.late_ms.append(approval.resolved_at_ms - approval.expires_at_ms)
