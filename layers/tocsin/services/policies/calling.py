"""A call that an agent is about to make: decided, recorded, and asked about where policies say so.

A call that was approved is allowed once, if it is the very same: agent, session, run, tool call,
tool and input, by the same owner. A changed one is asked about anew.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tocsin.domain.approvals import Approval, Status, Step
from tocsin.domain.errors import Changed
from tocsin.domain.keys import ApiKey
from tocsin.domain.policy import Decision, Verdict
from tocsin.ports.log import Journal
from tocsin.ports.world import Clock
from tocsin.services.agents.known import Known
from tocsin.services.approvals.asking import Ask, Asking, shown
from tocsin.services.approvals.steps import Steps
from tocsin.services.budgets.holding import Holding
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.stamp import Draft, new_id
from tocsin.services.policies.engine import Situation
from tocsin.services.policies.keeping import Keeping
from tocsin.services.sessions.suspended import Suspended

__all__ = ["Calling", "Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was decided of a call, and the approval that it waits for or was allowed by."""

    verdict: Verdict
    eval_us: int
    approval: Approval | None = None
    suspended: bool = False  # the session is: policies have not been asked

    @property
    def allowed(self) -> bool:
        """Whether the call may be made now."""
        return self.verdict.decision.allows


class Calling:
    """The use cases behind ``/v1/tool`` and ``/v1/preflight``. Everything blocks."""

    def __init__(
        self,
        keeping: Keeping,
        steps: Steps,
        asking: Asking,
        journal: Journal,
        allowance: Allowance,
        clock: Clock,
        suspended: Suspended,
        budgets: Holding,
        agents: Known,
    ) -> None:
        self._suspended = suspended
        self._budgets = budgets
        self._agents = agents
        self._keeping = keeping
        self._steps = steps
        self._asking = asking
        self._journal = journal
        self._allowance = allowance
        self._clock = clock

    def preflight(self, situation: Situation) -> Outcome:
        """Say what would be decided; nothing is recorded.

        All is denied in a suspended session, to a retired agent, and beyond a budget that blocks.

        Raises:
            Malformed: the call is not I-JSON.
            Busy: the store does not answer.
        """
        if situation.call.session in self._suspended(situation.org):
            why = "the session is suspended: a person has to resume it"
            return replace(_denied(why), suspended=True)
        agent = self._agents(situation.org, situation.call.agent)
        if agent.retired:
            return _denied("the agent is retired: an admin has to bring it back")
        if why := self._budgets.denies(situation.org, situation.call):
            return _denied(why)
        _, policies = self._keeping.to_decide(situation.org)
        began = time.perf_counter_ns()
        verdict = policies.decide(replace(situation, labels=agent.labels))
        return Outcome(verdict=verdict, eval_us=(time.perf_counter_ns() - began) // 1_000)

    def call(self, key: ApiKey, situation: Situation) -> Outcome:
        """Decide about a call and record it; where policies ask, let a person be asked.

        Raises:
            Malformed, TooLarge: the call can't be recorded.
            QuotaExhausted: the org may record nothing more this month: the call is not allowed.
            LimitReached: a budget is used up, and lets no call through for some seconds.
            QueueFull: too many calls wait for an approval already.
            Busy: it may be recorded; send it again.
        """
        self._budgets.take_turn(situation.org, situation.call)
        outcome = self.preflight(situation)
        if outcome.verdict.decision is Decision.ASK:
            outcome = self._asked(key, situation, outcome)
        self._record(key, situation, outcome)
        return outcome

    def _asked(self, key: ApiKey, situation: Situation, outcome: Outcome) -> Outcome:
        """Return what a person has said of this very call, or will."""
        call, verdict = situation.call, outcome.verdict
        earlier = self._earlier(situation) if call.tool_call_id else None
        if earlier and earlier.status is Status.DENIED:
            denied = replace(verdict, decision=Decision.DENY, message=_by(earlier))
            return replace(outcome, verdict=denied, approval=earlier)
        if earlier and self._consumed(earlier):
            allowed = replace(verdict, decision=Decision.ALLOW, message=_by(earlier))
            return replace(outcome, verdict=allowed, approval=earlier)
        approval = self._asking(key, Ask(call=call, message=verdict.message or "may it?"))
        if approval.status is Status.APPROVED:  # by a rule, or a grant for the run
            verdict = replace(verdict, decision=Decision.ALLOW, message=_by(approval))
        return replace(outcome, verdict=verdict, approval=approval)

    def _earlier(self, situation: Situation) -> Approval | None:
        """Return the approval that this very call was last asked for with, while it is valid."""
        store, call = self._steps.store, situation.call
        id = store.asked(situation.org, call.digest)
        found = store.get(situation.org, [id]).get(id) if id else None
        if found is None or found.digest != call.digest or found.overdue(self._clock.now_ms()):
            return None
        return found

    def _consumed(self, approval: Approval) -> bool:
        """Use up an approval; False if there is nothing (left) to use."""
        if approval.status is not Status.APPROVED or approval.consumed_at_ms is not None:
            return False

        def plan(found: Mapping[str, Approval], now_ms: int) -> Step:
            now = found[approval.id]
            if now.consumed_at_ms is not None or now.overdue(now_ms):
                raise Changed("it was used before")
            used = replace(now, consumed_at_ms=now_ms)
            event = {
                "type": "approval.used",
                "action": "allow",
                "agent_id": now.call.agent,
                "tool_name": now.call.tool,
                "tool_call_id": now.call.tool_call_id,
                "request": {"approval_id": now.id},
            }
            return Step(approvals=(used,), was={now.id: now.change}, events=(event,))

        try:
            self._steps.take(approval.org, [approval.id], plan)
        except Changed:
            return False
        return True

    def _record(self, key: ApiKey, situation: Situation, outcome: Outcome) -> None:
        event = _event(situation, outcome)
        draft = Draft([event], key, plain=False)
        batch, packed = draft.stamped(new_id(self._clock.now_ms()))
        with self._allowance.reserved(batch):
            self._journal.put(batch, packed)


def _denied(why: str) -> Outcome:
    return Outcome(verdict=Verdict(decision=Decision.DENY, message=why), eval_us=0)


def _event(situation: Situation, outcome: Outcome) -> dict[str, Any]:
    call, verdict = shown(situation.call), outcome.verdict
    names = {
        "tool_name": call.tool,
        "agent_id": call.agent,
        "session_id": call.session,
        "run_id": call.run_id,
        "tool_call_id": call.tool_call_id,
        "server_id": situation.server,
    }
    request = call.what | ({"approval_id": outcome.approval.id} if outcome.approval else {})
    decision = {
        "action": str(verdict.decision),
        "matched_policies": list(verdict.policies),
        "evaluation_time_us": outcome.eval_us,
        "message": verdict.message,
        "suggestions": list(verdict.suggestions),
    }
    return {
        "type": "tool_call",
        "action": str(verdict.decision),
        "request": request,
        "decision": {name: value for name, value in decision.items() if value != ""},
        **{name: value for name, value in names.items() if value},
    }


def _by(approval: Approval) -> str:
    return f"{approval.status} by {approval.resolved_by}"
