"""What time does to approvals: reminders, and their end."""

from collections.abc import Mapping

from tocsin.domain.approvals import Approval, Status, Step
from tocsin.domain.limits import APPROVALS_AT_ONCE
from tocsin.ports.deciding import Timers
from tocsin.services.approvals import telling
from tocsin.services.approvals.steps import Steps

__all__ = ["Expiring"]


class Expiring:
    """Looks at approvals when their timers end. Everything blocks."""

    def __init__(self, steps: Steps, timers: Timers) -> None:
        self._steps = steps
        self._timers = timers

    def look(self, org: str, id: str) -> Approval | None:
        """Do what is due with an approval, and set its timer if it still waits.

        Returns:
            It as it is then; None: there is no such approval (yet).

        Raises:
            Busy: look again.
        """
        approval = self._through(org, id)
        if approval and approval.pending:
            now_ms = self._steps.clock.now_ms()
            self._timers.set(org, id, approval.due_ms, now_ms)
        return approval

    def sweep(self, org: str) -> int:
        """Do what is due with an org's approvals whose timers were lost; return how many.

        Raises:
            Busy: sweep again.
        """
        store, now_ms = self._steps.store, self._steps.clock.now_ms()
        swept, after = 0, ""
        while ids := store.pending(org, APPROVALS_AT_ONCE, after):
            for id, approval in store.get(org, ids).items():
                if approval.after(now_ms) is not approval:
                    self._through(org, id)
                    swept += 1
            after = ids[-1]
        return swept

    def _through(self, org: str, id: str) -> Approval | None:
        seen: Approval | None = None

        def plan(found: Mapping[str, Approval], now_ms: int) -> Step:
            nonlocal seen
            seen = found.get(id)
            if seen is None or (changed := seen.after(now_ms)) is seen:
                return Step()
            over = changed.status is Status.EXPIRED
            event = telling.expired(changed) if over else telling.reminded(changed)
            return Step(approvals=(changed,), was={id: seen.change}, events=(event,))

        step = self._steps.take(org, [id], plan)
        return step.approvals[0] if step.approvals else seen
