"""What people keep and decide: approvals, policies, sessions, agents, budgets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from tocsin.domain.agents import AgentState
from tocsin.domain.approvals import Approval, Grant, Rule, Step
from tocsin.domain.batch import Batch
from tocsin.domain.budgets import Budget
from tocsin.domain.keys import ApiKey
from tocsin.domain.policy import Policies
from tocsin.domain.projection import Projected
from tocsin.domain.sessions import SessionState

__all__ = [
    "AgentStates",
    "Approvals",
    "Budgets",
    "Places",
    "PolicyStore",
    "SessionStates",
    "Timers",
]


class Approvals(Protocol):
    """The calls that wait for a person, and what was decided. Every read is strongly consistent."""

    def get(self, org: str, ids: Sequence[str]) -> Mapping[str, Approval]:
        """Return those of the approvals that exist, by id.

        Of several those that can't be read are left out.

        Raises:
            IntegrityError: the only one that is asked for can't be read.
        """

    def pending(self, org: str, limit: int, after: str = "") -> Sequence[str]:
        """Return the ids of up to ``limit`` pending approvals beyond ``after``, oldest first."""

    def waits(self, org: str, id: str) -> bool:
        """Whether an approval is pending, as far as is stored: the cheapest look at it."""

    def asked(self, org: str, digest: bytes) -> str:
        """Return the id of the approval that a call was last asked for with; "" for none."""

    def every(self, org: str) -> Iterator[tuple[str, Approval | None]]:
        """Yield the id and the approval of each, oldest first; None for one that can't be read."""

    def grant(self, org: str, run: bytes) -> Grant | None:
        """Return a run's grant, which may have expired."""

    def rule(self, org: str, name: str) -> Rule | None:
        """Return a rule."""

    def rules(self, org: str) -> Sequence[Rule]:
        """Return every rule, oldest first."""

    def write(self, org: str, step: Step, batch: Batch, packed: bytes) -> bool:
        """Take a step and put the batch that tells of it into the journal: both, or neither.

        Returns:
            False: something is not as the step expects it, and nothing was written. It may be this
            very step that was taken before, by an attempt whose answer was lost.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: the store stopped answering, it may or may not have been written.
        """


class Places(Protocol):
    """Where an org's hooks wait for a person: few at once, whichever instances they hold."""

    def take(self, org: str, places: int, now_ms: int, until_ms: int) -> str:
        """Take one of so many places until then, at most; return what to leave it with.

        "": all are taken. One whose holder died is free again when its time is over.

        Raises:
            Busy: it is not known; a place may be taken.
        """

    def leave(self, org: str, place: str) -> None:
        """Leave a place; one that is another's by now stays so.

        Raises:
            Busy: it may be taken until its time is over.
        """


class PolicyStore(Protocol):
    """The orgs' policies, each version of them."""

    def current(self, org: str) -> Policies | None:
        """Return an org's policies, strongly consistent; None: it has set none."""

    def version(self, org: str, version: int) -> Policies | None:
        """Return what an org's policies were."""

    def put(self, policies: Policies, batch: Batch, packed: bytes) -> bool:
        """Make these the org's, and put the batch that tells of it into the journal.

        Returns:
            False: they are not the next version (any more), and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """


class SessionStates(Protocol):
    """Which status sessions have. Every read is strongly consistent."""

    def get(self, org: str, ids: Sequence[str]) -> Mapping[str, SessionState]:
        """Return the states of these, by id; none of those that have not begun."""

    def suspended(self, org: str) -> frozenset[str]:
        """Return the ids of all that are suspended."""

    def begin(self, states: Sequence[SessionState], batch: Batch, packed: bytes) -> bool:
        """Write the first states of an org's sessions and the batch that tells of them.

        There are 99 at most, and all are written, or nothing is.

        Returns:
            False: one has a state already, and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """

    def write(self, state: SessionState, was: str, batch: Batch, packed: bytes) -> bool:
        """Write a state and put the batch that tells of it into the journal: both, or neither.

        Returns:
            False: the change before it is not ``was`` (any more), and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """


class AgentStates(Protocol):
    """What admins said of agents. Every read is strongly consistent."""

    def all(self, org: str) -> Iterator[AgentState]:
        """Yield what was said of every agent, by id. Those that can't be read are left out."""

    def ids(self, org: str, after: str, limit: int) -> Sequence[str]:
        """Return the ids of up to ``limit`` of these agents beyond ``after``, in their order.

        Fewer are returned only at the end.
        """

    def get(self, org: str, ids: Sequence[str]) -> Mapping[str, AgentState]:
        """Return what was said of these, by id; nothing of those of which nothing was.

        Of several those that can't be read are left out.

        Raises:
            IntegrityError: the only one that is asked for can't be read.
        """

    def write(
        self, state: AgentState, was: str, batch: Batch, packed: bytes, key: ApiKey | None = None
    ) -> bool:
        """Write a state, a new key if there is one, and the batch that tells of it: all, or none.

        Returns:
            False: the change before it is not ``was`` (any more), and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """


class Budgets(Protocol):
    """What people set as budgets, and which are used up."""

    def all(self, org: str) -> Sequence[Budget]:
        """Return an org's budgets, oldest first. Those that can't be read are left out."""

    def get(self, org: str, id: str) -> Budget | None:
        """Return a budget, strongly consistent."""

    def write(
        self, budget: Budget, was: str, batch: Batch, packed: bytes, at: Projected | None = None
    ) -> bool:
        """Write a budget and put the batch that tells of it into the journal: both, or neither.

        ``at``: only while the org's projections are there, and no run beyond it is claimed.

        Returns:
            False: the change before it is not ``was`` (any more), or they have moved on; and
                nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """

    def remove(self, budget: Budget, batch: Batch, packed: bytes) -> bool:
        """Remove a budget that was not changed since, as :meth:`write` does."""

    def take_turn(self, org: str, id: str, now_ms: int, wait_ms: int) -> bool:
        """Take a budget's next turn; False: there is none until ``wait_ms`` after the last one."""


class Timers(Protocol):
    """Wakes whoever lets approvals expire. Best effort: a sweep finds those that were lost."""

    def set(self, org: str, approval_id: str, due_ms: int, now_ms: int) -> None:
        """Have an approval looked at at ``due_ms``, or before: then it is set again.

        Raises:
            Busy: the timer may not have been set.
        """
