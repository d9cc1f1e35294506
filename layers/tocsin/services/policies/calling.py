"""A call that an agent is about to make: decided, recorded, and asked about where policies say so.

A call that was approved is allowed once, if it is the very same: agent, session, run, tool call,
tool and input, by the same owner. A changed one is asked about anew.

Products whose hooks ask tell of one call several times, not each time with its id, and try a call
that was denied again under another one. Theirs is the same if all but the id is: an approval still
lets one call through. What was let through a moment ago is let through to a hook that differs in
having an id, or in having none: that is another hook of the same call.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tocsin.domain.approvals import Approval, Call, Status, Step, is_id
from tocsin.domain.errors import Changed
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import APPROVAL_SECONDS
from tocsin.domain.policy import CANARY, Decision, Verdict
from tocsin.ports.world import Clock
from tocsin.services.agents.known import Known
from tocsin.services.approvals.asking import Ask, Asking
from tocsin.services.approvals.steps import Steps
from tocsin.services.budgets.holding import Holding
from tocsin.services.intake.recording import Recording
from tocsin.services.policies.engine import Situation
from tocsin.services.policies.keeping import Keeping
from tocsin.services.sessions.suspended import Suspended

__all__ = ["Calling", "Held", "Outcome"]

_SAME_CALL_MS: Final = 30_000  # between the hooks of one call, which come one after the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A call that a product's hook holds: for how long it can, and what it has waited for."""

    seconds: int = APPROVAL_SECONDS
    approval_id: str = ""


type Told = Callable[[dict[str, Any]], dict[str, Any]]


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
        recording: Recording,
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
        self._recording = recording
        self._clock = clock

    def preflight(self, situation: Situation) -> Outcome:
        """Say what would be decided; nothing is recorded.

        All is denied in a suspended session, to a retired agent, and beyond a budget that blocks.

        Raises:
            Malformed: the call is not I-JSON.
            Busy: the store does not answer.
        """
        call = situation.call
        if CANARY in (call.tool.removeprefix("MCP:"), call.command, call.path):
            return _denied(f"{CANARY} is always denied: so one sees that calls are held")
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
            As :meth:`decide` and :meth:`record` do.
        """
        outcome = self.decide(key, situation)
        self.record(key, situation, outcome)
        return outcome

    def decide(self, key: ApiKey, situation: Situation, held: Held | None = None) -> Outcome:
        """Decide about a call, and let a person be asked; it is not recorded yet.

        Raises:
            Malformed, TooLarge: no person can be asked about the call.
            LimitReached: a budget is used up, and lets no call through for some seconds.
            QueueFull: too many calls wait for an approval already.
            Busy: the store does not answer.
        """
        waited = self._waited_for(situation, held) if held else None
        if waited is None:  # else its turn was taken before
            self._budgets.take_turn(situation.org, situation.call)
        outcome = self.preflight(situation)
        if outcome.verdict.decision is not Decision.ASK:
            return outcome
        if held and held.approval_id:
            return self._resolved(outcome, waited)
        return self._asked(key, situation, outcome, held)

    def record(
        self, key: ApiKey, situation: Situation, outcome: Outcome, told: Told | None = None
    ) -> None:
        """Record what was decided of a call; ``told`` makes another event of the usual one.

        Raises:
            Malformed, TooLarge: it can't be recorded.
            QuotaExhausted: the org may record nothing more this month: the call is not allowed.
            Busy: it may be recorded; send it again.
        """
        event = _event(situation, outcome)
        self._recording(key, told(event) if told else event)

    def _asked(
        self, key: ApiKey, situation: Situation, outcome: Outcome, held: Held | None
    ) -> Outcome:
        """Return what a person has said of this very call, or will."""
        call, verdict = situation.call, outcome.verdict
        earlier = self._earlier(situation) if call.tool_call_id else None
        if earlier is None and held:
            earlier = self._alike(situation)
            if earlier and earlier.consumed_at_ms is not None:
                return _answered(outcome, earlier, Decision.ALLOW)
        if earlier and earlier.status is Status.DENIED:
            return _answered(outcome, earlier, Decision.DENY)
        if earlier and self._consumed(earlier):
            return _answered(outcome, earlier, Decision.ALLOW)
        ask = Ask(call=call, message=verdict.message or "may it?")
        if held:
            ask = replace(ask, ttl_seconds=held.seconds, nameless=True)
        approval = self._asking(key, ask)
        if approval.status is Status.APPROVED:  # by a rule, or a grant for the run
            return _answered(outcome, approval, Decision.ALLOW)
        return replace(outcome, approval=approval)

    def _resolved(self, outcome: Outcome, approval: Approval | None) -> Outcome:
        """Return what became of an approval that a call has waited for."""
        if approval is None:
            return _denied("the approval is not one of this call: have the agent try again")
        if approval.pending and not approval.overdue(self._clock.now_ms()):
            return replace(outcome, approval=approval)
        if approval.status is Status.DENIED:
            return _answered(outcome, approval, Decision.DENY)
        if not approval.overdue(self._clock.now_ms()) and self._consumed(approval):
            return _answered(outcome, approval, Decision.ALLOW)
        used = approval.consumed_at_ms is not None
        why = "let another call through" if used else "was given by nobody in time"
        denied = replace(
            outcome.verdict,
            decision=Decision.DENY,
            message=f"the approval {approval.id} {why}: have the agent try again",
        )
        return replace(outcome, verdict=denied, approval=approval)

    def _earlier(self, situation: Situation) -> Approval | None:
        """Return the approval that this very call was last asked for with, while it is valid."""
        found = self._asked_with(situation.org, situation.call.digest)
        return found if found and found.digest == situation.call.digest else None

    def _alike(self, situation: Situation) -> Approval | None:
        """Return the valid approval of a call that is this one but for its id.

        One that was used up is another hook's of this call, or another call's: then it is none.
        """
        call = situation.call
        found = self._asked_with(situation.org, call.nameless.digest)
        if found is None or not _is_of(found, call):
            return None
        if found.consumed_at_ms is None:
            return found
        just_now = self._clock.now_ms() < found.consumed_at_ms + _SAME_CALL_MS
        another = bool(found.call.tool_call_id) != bool(call.tool_call_id)
        return found if just_now and another else None

    def _asked_with(self, org: str, digest: bytes) -> Approval | None:
        store = self._steps.store
        id = store.asked(org, digest)
        found = store.get(org, [id]).get(id) if id else None
        return None if found is None or found.overdue(self._clock.now_ms()) else found

    def _waited_for(self, situation: Situation, held: Held) -> Approval | None:
        """Return the approval that a call has waited for, if it is one of this call."""
        id = held.approval_id
        found = self._steps.store.get(situation.org, [id]).get(id) if is_id(id) else None
        return found if found and _is_of(found, situation.call) else None

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


def _denied(why: str) -> Outcome:
    return Outcome(verdict=Verdict(decision=Decision.DENY, message=why), eval_us=0)


def _answered(outcome: Outcome, approval: Approval, decision: Decision) -> Outcome:
    verdict = replace(outcome.verdict, decision=decision, message=_by(approval))
    return replace(outcome, verdict=verdict, approval=approval)


def _is_of(approval: Approval, call: Call) -> bool:
    """Whether an approval is for a call that is this one, whatever the call's id."""
    return approval.digest == replace(call, tool_call_id=approval.call.tool_call_id).digest


def _event(situation: Situation, outcome: Outcome) -> dict[str, Any]:
    call, verdict = situation.call, outcome.verdict
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
