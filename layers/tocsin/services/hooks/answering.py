"""One hook of a coding agent: a call is decided about, whatever else it tells is recorded.

What can't be decided is denied, in the product's own words: to most products an error is no
answer, and then the call would be made.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tocsin.domain.approvals import Approval
from tocsin.domain.errors import Malformed, TocsinError
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import HOOK_WAITS_PER_ORG
from tocsin.domain.policy import Decision
from tocsin.services.hooks.patience import Patience
from tocsin.services.intake.recording import Recording
from tocsin.services.policies.calling import Calling, Held, Outcome
from tocsin.services.policies.engine import Situation
from tocsin.wire.hooks import Asked
from tocsin.wire.intake.hooks.asking import asks
from tocsin.wire.intake.hooks.events import fitting
from tocsin.wire.intake.hooks.hook import Hook, Product, Ruling, Whose
from tocsin.wire.intake.hooks.payload import Payload, load
from tocsin.wire.intake.incoming import read
from tocsin.wire.intake.strict import Loaded

__all__ = ["Answered", "Answering"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a hook is answered. ``decision`` is None if it told of no call that waits.

    With ``ask`` its sender waits for the ``approval`` by itself, and asks again then.
    """

    answer: Mapping[str, Any]
    decision: Decision | None = None
    message: str = ""
    approval: Approval | None = None


class Answering:
    """The use case behind ``/v1/hooks/…``. Everything blocks."""

    def __init__(
        self,
        calling: Calling,
        patience: Patience,
        recording: Recording,
        public_url: str | None = None,
    ) -> None:
        """``public_url`` is where people reach Tocsin, if that is known."""
        self._calling = calling
        self._patience = patience
        self._recording = recording
        self._where = f" at {public_url}" if public_url else ""

    def __call__(self, key: ApiKey, product: Product, body: bytes, asked: Asked) -> Answered:
        """Record a hook, and decide about its call if it waits for that.

        Raises:
            Malformed, TooLarge: the payload can't be read.
            Forbidden: the key is another agent's.
            QuotaExhausted, Busy: an event that is no call was not recorded; or it may have been.
        """
        began = self._patience.began
        if asked.agent:
            key.check_agent(asked.agent)
        payload = load(body)
        whose = Whose(asked.agent or key.agent or product.name, key.holder)
        named = payload.peek("hook_event_name")
        if not (isinstance(named, str) and asks(product.name, named)):
            hook = product.read(payload, whose)
            self._record(key, hook)
            return Answered(answer=product.noted(hook.name))
        try:
            hook = self._read(product, payload, whose)
            outcome = self._decided(key, hook, asked, began)
        except TocsinError as error:
            logger.warning("a call of %s is denied: %s", key.org, type(error).__name__)
            return _ruled(product, named, Decision.DENY, f"it can't be decided: {error}")
        verdict, approval = outcome.verdict, outcome.approval
        granted = asked.grant or approval is not None
        return _ruled(product, named, verdict.decision, _why(outcome), approval, granted)

    def _read(self, product: Product, payload: Payload, whose: Whose) -> Hook:
        if not payload.whole:
            raise Malformed("the payload holds what is not Unicode text")
        return product.read(payload, whose)

    def _decided(self, key: ApiKey, hook: Hook, asked: Asked, began: float) -> Outcome:
        assert hook.call is not None, hook.name  # noqa: S101 (as `asks` says)
        situation = Situation(org=key.org, call=hook.call, server=hook.server)
        held = Held(approval_id=asked.approval)
        if asked.hold_seconds is not None:
            held = replace(held, seconds=asked.hold_seconds)
        outcome = self._calling.decide(key, situation, held)
        if outcome.verdict.decision is Decision.ASK:
            if asked.hold_seconds is not None:
                return outcome  # it is recorded when its sender comes again
            outcome = self._waited(key, situation, outcome, began)
        self._calling.record(
            key, situation, outcome, lambda event: fitting(event | hook.told | _named(outcome))
        )
        return outcome

    def _waited(self, key: ApiKey, situation: Situation, outcome: Outcome, began: float) -> Outcome:
        """Return what a person says in time of a call that is asked about; else it is denied."""
        approval = outcome.approval
        assert approval is not None  # noqa: S101 (whoever asks makes one)
        waited = self._patience.wait(key.org, approval.id, began)
        again = self._calling.decide(key, situation, Held(approval_id=approval.id))
        if again.verdict.decision is not Decision.ASK:
            return again
        why = (
            "nobody has answered yet"
            if waited
            else f"{HOOK_WAITS_PER_ORG} calls of your org wait for a person already"
        )
        message = (
            f"{again.verdict.message} A person has to approve it, and {why}. "
            f"Have the approval {approval.id} given{self._where} (`tocsin approvals approve "
            f"{approval.id}`), and make the same call again. `tocsin hook` waits longer."
        ).strip()
        denied = replace(again.verdict, decision=Decision.DENY, message=message)
        return replace(again, verdict=denied)

    def _record(self, key: ApiKey, hook: Hook) -> None:
        incoming = read([fitting(hook.told)], Loaded(plain=False), batch=False)
        self._recording(key, incoming.events[0])


def _ruled(
    product: Product,
    hook: str,
    decision: Decision,
    message: str,
    approval: Approval | None = None,
    granted: bool = False,
) -> Answered:
    ruling = Ruling(decision.allows, message, granted and decision.allows)
    return Answered(
        answer=product.ruled(hook, ruling), decision=decision, message=message, approval=approval
    )


def _named(outcome: Outcome) -> dict[str, str]:
    """Return the id of a call that another of its hooks has told, where a person was asked."""
    id = outcome.approval.call.tool_call_id if outcome.approval else ""
    return {"tool_call_id": id} if id else {}


def _why(outcome: Outcome) -> str:
    """Return why a call is decided so, which no denial may leave out: some products need it."""
    verdict = outcome.verdict
    why = verdict.message or ", ".join(verdict.policies) or str(verdict.decision)
    more = f" Instead: {'; '.join(verdict.suggestions)}." if verdict.suggestions else ""
    return why + ("" if verdict.decision.allows else more)
