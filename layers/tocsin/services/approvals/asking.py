"""Asking for an approval: what is not approved already waits for a person."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tocsin.domain import approvals
from tocsin.domain.approvals import Approval, Call, Expiry, Status, Step, rule_name
from tocsin.domain.canonical import canonical
from tocsin.domain.errors import QueueFull, TooLarge
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import APPROVAL_SECONDS, MAX_CALL_BYTES, MAX_PENDING_APPROVALS
from tocsin.ports.deciding import Timers
from tocsin.services.approvals import telling
from tocsin.services.approvals.steps import Steps
from tocsin.services.intake.masking import Mask, without_credentials
from tocsin.services.intake.stamp import new_id

__all__ = ["Ask", "Asking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for; its call's owner is who asks.

    ``nameless``: the call is found again by its content as well, whatever its id.
    """

    call: Call
    message: str
    reason: str = ""
    ttl_seconds: int = APPROVAL_SECONDS
    on_expiry: Expiry = Expiry.DENY
    nameless: bool = False

    @property
    def known_by(self) -> tuple[bytes, ...]:
        """The digests by which a repeated request finds the approval."""
        own = (self.call.digest,) if self.call.tool_call_id else ()
        return (*own, self.call.nameless.digest) if self.nameless else own


class Asking:
    """The use case behind ``POST /v1/approvals``. Everything blocks."""

    def __init__(self, steps: Steps, timers: Timers, mask: Mask = without_credentials) -> None:
        """``mask`` returns what is stored and shown of what is asked."""
        self._mask = mask
        self._steps = steps
        self._store = steps.store
        self._clock = steps.clock
        self._timers = timers

    def __call__(self, key: ApiKey, ask: Ask) -> Approval:
        """Return the approval of a call: a new one, or the pending one of this very call.

        It is approved already where a run's grant or a remembered approval is for it.

        Raises:
            TooLarge: the call is beyond :data:`.limits.MAX_CALL_BYTES`.
            Malformed: it is not I-JSON.
            QueueFull: the org has :data:`.limits.MAX_PENDING_APPROVALS`.
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        org, call = key.org, ask.call
        size_bytes = len(canonical(call.what))
        if size_bytes > MAX_CALL_BYTES:
            raise TooLarge(
                f"the call is {size_bytes:,} bytes and the limit is {MAX_CALL_BYTES:,}: "
                "store large inputs elsewhere and send a link"
            )
        before: dict[bytes, str] = {}
        for digest in ask.known_by:
            before[digest] = self._store.asked(org, digest)
            if standing := self._standing(org, before[digest]):
                return standing
        now_ms = self._clock.now_ms()
        approval = Approval(
            org=org,
            id=approvals.new_id(new_id(now_ms)),
            call=self._shown(org, call),
            digest=call.digest,
            rule_digest=call.rule_digest,
            key_id=key.id,
            root_key_id=key.root,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + ask.ttl_seconds * 1_000,
            message=self._mask(org, ask.message),
            reason=self._mask(org, ask.reason),
            on_expiry=ask.on_expiry,
        )
        approval = self._approved_already(call, approval, now_ms)
        if approval.pending:
            if len(self._store.pending(org, MAX_PENDING_APPROVALS)) >= MAX_PENDING_APPROVALS:
                raise QueueFull(
                    f"{MAX_PENDING_APPROVALS:,} approvals are pending: resolve some of them first"
                )
            # Before the approval, so that none is left without: who is woken for nothing goes on.
            self._timers.set(org, approval.id, approval.due_ms, now_ms)
        return self._store_new(approval, before)

    def _shown(self, org: str, call: Call) -> Call:
        return replace(
            call,
            command=self._mask(org, call.command),
            path=self._mask(org, call.path),
            input=self._mask(org, call.input),
        )

    def _standing(self, org: str, id: str) -> Approval | None:
        """Return the approval that a repeated request means: one that still waits."""
        if not id:
            return None
        found = self._store.get(org, [id]).get(id)
        waits = found and found.pending and not found.overdue(self._clock.now_ms())
        return found if waits else None

    def _approved_already(self, call: Call, approval: Approval, now_ms: int) -> Approval:
        grant = self._store.grant(approval.org, call.run) if call.run else None
        if grant and now_ms < grant.expires_at_ms:
            by = f"run-grant:{grant.granted_by}"
            approved = approval.resolved(Status.APPROVED, now_ms, by=by)
            return replace(approved, expires_at_ms=grant.expires_at_ms)
        rule = self._store.rule(approval.org, rule_name(approval.rule_digest))
        if rule and rule.digest == approval.rule_digest:
            return approval.resolved(
                Status.APPROVED, now_ms, by=f"rule:{rule.name}", persisted=True
            )
        return approval

    def _store_new(self, approval: Approval, before: Mapping[bytes, str]) -> Approval:
        org = approval.org
        event = telling.asked(approval) if approval.pending else telling.resolved(approval)
        step = Step(approvals=(approval,), events=(event,))
        taken: list[Approval] = []

        def plan(found: Any, now_ms: int) -> Step:
            asked = []
            for digest, was in before.items():
                if (twin := self._store.asked(org, digest)) != was and (
                    standing := self._standing(org, twin)
                ):
                    taken[:] = [standing]
                    return Step()
                asked.append((digest, approval.id, twin))
            return replace(step, asked=tuple(asked))

        made = self._steps.take(org, [approval.id], plan)
        return made.approvals[0] if made.approvals else taken[0]
