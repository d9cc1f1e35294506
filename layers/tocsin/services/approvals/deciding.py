"""Deciding: one approval or several, by who may; and what is remembered of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any, Final, Literal

from tocsin.domain.approvals import (
    Approval,
    Grant,
    Rule,
    Status,
    Step,
    is_id,
    is_rule_name,
    run_digest,
)
from tocsin.domain.errors import Busy, Changed, Forbidden, Malformed, NotFound, Over, PartlyDone
from tocsin.domain.keys import ApiKey
from tocsin.domain.limits import MAX_PENDING_APPROVALS, RUN_GRANT_SECONDS
from tocsin.services.approvals import telling
from tocsin.services.approvals.steps import Steps
from tocsin.services.intake.masking import Mask, without_credentials

__all__ = [
    "BulkResolution",
    "BulkResolve",
    "Deciding",
    "Resolve",
    "check_resolver",
    "expired",
    "over",
]

# A transaction holds 100 items (two for an approval, the batch, a run's grant), and 4 MB: a call
# with its message and both reasons can be 90 KB.
_AT_ONCE: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """The answer to one approval. ``persist`` remembers a yes for this agent and call."""

    approved: bool
    claimed_by: str = ""
    reason: str = ""
    persist: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResolve:
    """The answer to several approvals of one run; scope ``run`` is for its further calls, too."""

    agent: str
    session: str
    run_id: str
    approve: bool
    scope: Literal["pending", "run"]
    ids: Sequence[str]
    claimed_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResolution:
    """What came of it. ``race_covered`` came in while it was decided, and the grant is for them."""

    reviewed: Sequence[str]
    race_covered: Sequence[str]
    scope: str
    grant: Grant | None


class Deciding:
    """The use cases behind the routes that resolve. Everything blocks."""

    def __init__(self, steps: Steps, mask: Mask = without_credentials) -> None:
        """``mask`` returns what is stored and shown of a reason."""
        self._mask = mask
        self._steps = steps
        self._store = steps.store
        self._clock = steps.clock

    def resolve(self, key: ApiKey, id: str, resolve: Resolve) -> Approval:
        """Resolve an approval, if it still waits.

        Raises:
            NotFound: there is none.
            Forbidden: the key asked for it itself, or one of the same chain of delegations did.
            Over: it was resolved before, or has expired.
            Busy: nothing was written; or OutcomeUnknown: it may have been.
        """
        if not is_id(id):
            raise NotFound("there is no such approval")

        def checked(found: Approval | None) -> Approval:
            if found is None:
                raise NotFound("there is no such approval")
            check_resolver(key, found)
            return found

        return self.decide(key.org, id, resolve, by=key.holder, checked=checked)

    def decide(
        self,
        org: str,
        id: str,
        resolve: Resolve,
        *,
        by: str,
        checked: Callable[[Approval | None], Approval],
    ) -> Approval:
        """Resolve an approval, if it still waits and ``checked`` returns it.

        Raises what ``checked`` raises, and what :meth:`resolve` does of the rest.
        """
        status = Status.APPROVED if resolve.approved else Status.DENIED
        persisted = resolve.persist and resolve.approved

        def plan(found: Mapping[str, Approval], now_ms: int) -> Step:
            approval = checked(found.get(id))
            if not approval.pending:
                raise over(approval)
            if approval.overdue(now_ms):
                return expired(approval, now_ms)
            done = approval.resolved(
                status,
                now_ms,
                by=by,
                claimed=resolve.claimed_by,
                reason=self._mask(org, resolve.reason),
                persisted=persisted,
            )
            event = telling.resolved(done, persist_asked=resolve.persist)
            rule = _rule(done, by, now_ms) if persisted else None
            was = {id: approval.change}
            return Step(approvals=(done,), was=was, rule=rule, events=(event,))

        [approval] = self._steps.take(org, [id], plan).approvals
        if approval.status is Status.EXPIRED:
            raise over(approval)
        return approval

    def resolve_several(self, key: ApiKey, wanted: BulkResolve) -> BulkResolution:
        """Resolve approvals of one run together.

        Raises:
            Malformed: an id is unknown or of something else; or a run would be approved that has
                several owners.
            Forbidden: the key asked for one of them itself, as in :meth:`resolve`.
            Changed: one does not wait any more, or one of the run that does was left out. Nothing
                is resolved.
            PartlyDone: what one transaction holds was resolved, and the rest was not.
        """
        status = Status.APPROVED if wanted.approve else Status.DENIED
        found = self._store.get(key.org, [id for id in wanted.ids if is_id(id)])
        self._check(key, wanted, found)
        owner = found[wanted.ids[0]].call.owner
        grant = None
        if wanted.scope == "run":
            run = run_digest(wanted.agent, wanted.session, wanted.run_id, owner)
            expires_at_ms = self._clock.now_ms() + RUN_GRANT_SECONDS * 1_000
            grant = Grant(org=key.org, run=run, expires_at_ms=expires_at_ms, granted_by=key.holder)
            self._check_whole(key.org, wanted)
        parts = list(batched(wanted.ids, _AT_ONCE, strict=False))
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            try:
                self._resolve_part(key, wanted, part, status, None if at else grant, last=last)
            except (Changed, Busy) as error:
                if not at:
                    raise
                left = [id for part in parts[at:] for id in part]
                raise PartlyDone(
                    f"{at * _AT_ONCE} are resolved, and {len(left)} are not: {error}",
                    {"unresolved_reviewed_ids": left, "refresh_required": True},
                ) from error
        covered = self._cover(key, wanted, status) if grant else []
        return BulkResolution(
            reviewed=wanted.ids, race_covered=covered, scope=wanted.scope, grant=grant
        )

    def remove_rule(self, key: ApiKey, name: str) -> None:
        """Have what was remembered asked for again.

        Raises:
            NotFound: there is no such rule.
        """
        if not is_rule_name(name):
            raise NotFound("there is no such rule")
        tried = False

        def plan(_: Mapping[str, Approval], __: int) -> Step:
            nonlocal tried
            rule = self._store.rule(key.org, name)
            if rule is None and not tried:
                raise NotFound("there is no such rule")
            if rule is None:  # an attempt whose answer was lost has removed it
                return Step()
            tried = True
            return Step(removed_rule=rule, events=(telling.rule_removed(rule, key.holder),))

        self._steps.take(key.org, [], plan)

    def _check(self, key: ApiKey, wanted: BulkResolve, found: Mapping[str, Approval]) -> None:
        run = (wanted.agent, wanted.session, wanted.run_id)
        for id in wanted.ids:
            if not is_id(id) or id not in found or _run_of(found[id]) != run:
                raise Malformed(f"ids: {id!r} is no approval of this agent, session and run")
        for approval in found.values():
            check_resolver(key, approval)
        owners = {approval.call.owner for approval in found.values()}
        if wanted.scope == "run" and len(owners) > 1:
            raise Malformed("scope run is for the calls of one owner: these have several")

    def _check_whole(self, org: str, wanted: BulkResolve) -> None:
        """Make sure that nothing of the run waits that its approver has not seen."""
        if left_out := set(self._waiting(org, wanted)) - set(wanted.ids):
            raise Changed(
                f"{len(left_out)} more of this run are pending: read the list again, nothing is "
                "resolved"
            )

    def _waiting(self, org: str, wanted: BulkResolve) -> list[str]:
        ids = self._store.pending(org, 2 * MAX_PENDING_APPROVALS)
        run, now_ms = (wanted.agent, wanted.session, wanted.run_id), self._clock.now_ms()
        return [
            id
            for id, approval in self._store.get(org, ids).items()
            if _run_of(approval) == run and approval.pending and not approval.overdue(now_ms)
        ]

    def _resolve_part(
        self,
        key: ApiKey,
        wanted: BulkResolve,
        ids: Sequence[str],
        status: Status,
        grant: Grant | None,
        *,
        last: bool,
    ) -> None:
        more: dict[str, Any] = {
            "bulk": True,
            "approval_scope": wanted.scope,
            "future_calls_requested": wanted.scope == "run",
        }
        if wanted.scope == "run":
            more["grant_ttl_ms"] = RUN_GRANT_SECONDS * 1_000

        def plan(found: Mapping[str, Approval], now_ms: int) -> Step:
            for id in ids:
                if id not in found or not found[id].pending or found[id].overdue(now_ms):
                    raise Changed(f"{id} is not pending any more: read the list again")
            done = tuple(
                found[id].resolved(
                    status,
                    now_ms,
                    by=key.holder,
                    claimed=wanted.claimed_by,
                    reason=self._mask(key.org, wanted.reason),
                )
                for id in ids
            )
            events = [telling.resolved(each, bulk=more) for each in done]
            if last:
                events.append(
                    telling.bulk(
                        done[0],
                        scope=wanted.scope,
                        count=len(wanted.ids),
                        by=key.holder,
                        claimed=wanted.claimed_by,
                        grant=grant,
                    )
                )
            was = {id: found[id].change for id in ids}
            return Step(approvals=done, was=was, grant=grant, events=tuple(events))

        self._steps.take(key.org, ids, plan)

    def _cover(self, key: ApiKey, wanted: BulkResolve, status: Status) -> list[str]:
        """Approve what came in between the review and the grant: nobody will ask for it again."""
        covered = []
        for id in self._waiting(key.org, wanted):
            try:
                self._resolve_part(key, wanted, [id], status, None, last=False)
            except (Changed, Busy):
                continue  # it was resolved, or it waits on and can be
            covered.append(id)
        return covered


def check_resolver(key: ApiKey, approval: Approval) -> None:
    """Raise Forbidden if the key may not resolve this approval."""
    if key.root == (approval.root_key_id or approval.key_id):
        raise Forbidden(
            "a key can't resolve what it asked for itself, nor what was asked for with one that it "
            "delegated, or was delegated by: use another person's"
        )


def _run_of(approval: Approval) -> tuple[str, str, str]:
    return approval.call.agent, approval.call.session, approval.call.run_id


def expired(approval: Approval, now_ms: int) -> Step:
    """Return the step that lets an overdue approval expire: it was found before its timer ended."""
    late = approval.after(now_ms)
    was = {approval.id: approval.change}
    return Step(approvals=(late,), was=was, events=(telling.expired(late),))


def over(approval: Approval) -> Over:
    """Return why an approval that does not wait can't be resolved."""
    if approval.status is Status.EXPIRED:
        return Over("the approval has expired: the call must be asked for again")
    return Over(f"the approval was {approval.status} before, by {approval.resolved_by}")


def _rule(approval: Approval, by: str, now_ms: int) -> Rule:
    return Rule(
        org=approval.org,
        digest=approval.rule_digest,
        agent=approval.call.agent,
        what=approval.call.what,
        created_at_ms=now_ms,
        created_by=by,
    )
