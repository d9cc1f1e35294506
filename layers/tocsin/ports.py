"""What the services need of the world. Adapters and the tests' fakes implement these.

All but :class:`Feed` are synchronous; the stream service calls them in threads. Every store method
raises :class:`~tocsin.domain.errors.Busy` when the store throttles or does not answer.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from tocsin.domain.agents import AgentState
from tocsin.domain.approvals import Approval, Grant, Rule, Step
from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch
from tocsin.domain.budgets import Budget
from tocsin.domain.keys import ApiKey
from tocsin.domain.org import Org
from tocsin.domain.passes import Kind, Pass
from tocsin.domain.policy import Policies
from tocsin.domain.projection import Change, Item, Projected
from tocsin.domain.receipt import Receipt
from tocsin.domain.segment import Head, Markers, Segment
from tocsin.domain.sessions import SessionState
from tocsin.domain.set_aside import SetAsideItem
from tocsin.domain.stretches import Made

__all__ = [
    "AgentStates",
    "Approvals",
    "Broker",
    "Budgets",
    "Clock",
    "Feed",
    "Holdings",
    "Journal",
    "KeyRing",
    "Keys",
    "Ledger",
    "Metrics",
    "Orgs",
    "Passes",
    "PolicyStore",
    "Projections",
    "Quota",
    "Rates",
    "Receipts",
    "SessionStates",
    "SetAside",
    "SignInFailures",
    "SignInWrites",
    "Summaries",
    "Timers",
]


class Clock(Protocol):
    """Time, so that tests need not wait for it."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""


class Receipts(Protocol):
    """What is kept for idempotency keys."""

    def put(self, receipt: Receipt, now_ms: int, *, instead_of: str = "") -> Receipt:
        """Keep a receipt, unless its key has one; return the one that the key has now.

        One that has expired makes room, and so does one with the batch id ``instead_of``.
        Repeating a call is safe: it returns the receipt that it wrote before.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: the store stopped answering, it may or may not have been written.
        """

    def find(self, org: str, key: str, now_ms: int) -> Receipt | None:
        """Return the receipt that has not expired, strongly consistent."""


class Journal(Protocol):
    """What was received, as received: one item per batch, never updated."""

    def put(self, batch: Batch, packed: bytes) -> None:
        """Store a batch (``packed`` is its entries packed), unless one with its id is stored.

        Raises:
            Busy: nothing was stored.
            OutcomeUnknown: the store stopped answering, it may or may not have been stored.
        """

    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        """Return those of the batches that exist, by id, strongly consistent.

        Each is unpacked when it is taken out: all together can be a hundred times their stored
        size.
        """

    def between(self, org: str, after_id: str, until_id: str, limit: int) -> Sequence[StoredBatch]:
        """Return up to ``limit`` batches with ``after_id < id <= until_id``, in id order."""


class Ledger(Protocol):
    """The order and the proof: one segment per seal."""

    def head(self, org: str) -> Head:
        """Return the head, strongly consistent."""

    def first_seqs(self, org: str, batch_ids: Iterable[str]) -> Mapping[str, int]:
        """Return the first seq of those batches that are sealed, strongly consistent."""

    def markers(self, org: str, batch_ids: Iterable[str]) -> Markers:
        """Return the markers of those batches that are sealed, strongly consistent."""

    def commit(
        self, segment: Segment, previous: Head, counts: Mapping[int, int] | None = None
    ) -> None:
        """Append a segment with its batches' markers, and a time mark when its minute is new.

        ``counts`` are :attr:`Markers.counts` of the segment's batches as they were read. Markers
        may become visible after the segment that they belong to, so that who reads in between
        would seal a batch again.

        Raises:
            HeadMoved: a segment with this first seq exists, or markers were added since they were
                read; nothing was written.
        """

    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        """Return up to ``limit`` segments in order, from the one that holds ``from_seq``.

        Strongly consistent. Fewer than ``limit`` are returned only at the end of the ledger.
        """

    def segments_before(self, org: str, until_seq: int, limit: int) -> Sequence[Segment]:
        """Return up to ``limit`` segments, newest first, from the one that holds ``until_seq``.

        Beyond the head it is the last one. Strongly consistent. Fewer than ``limit`` are returned
        only at the beginning of the ledger.
        """

    def all_markers(self, org: str) -> Iterator[tuple[str, int]]:
        """Yield the batch id and the first seq of every marker, page by page."""

    def all_marks(self, org: str) -> Iterator[tuple[int, int]]:
        """Yield every marked minute and the first seq sealed in it, ascending, page by page."""

    def first_sealed(self, org: str, minute: int) -> int | None:
        """Return the first seq sealed in a minute (of Unix time) or after it; None: none yet.

        Strongly consistent, and one query however long the ledger is.
        """


class Orgs(Protocol):
    """The tenants."""

    def get(self, org: str) -> Org | None:
        """Return an org's settings."""

    def put(self, org: Org) -> None:
        """Create or change an org, whatever it was."""

    def change(self, org: Org, was: Org | None) -> bool:
        """Write an org that is as it ``was`` when it was read; None: that is not there.

        Returns:
            False: it is otherwise (it may be as this call wrote it, if its answer was lost).
        """

    def all(self) -> Sequence[Org]:
        """Return every org, by id, those that are gone included.

        One that can't be read may take nothing in, and is suspended.
        """

    def swept_until(self, org: str) -> str:
        """Return the batch id up to which the sweeper has looked ("" at first)."""

    def set_swept_until(self, org: str, batch_id: str) -> None:
        """Remember how far the sweeper has looked."""


class Holdings(Protocol):
    """All that is stored of orgs."""

    def remove(self, org: str) -> Iterator[int]:
        """Remove all of an org but its settings, and yield how many items went, step by step.

        Ended at any step it can be begun again. What is written meanwhile may stay.
        """


class Keys(Protocol):
    """The API keys, hashed."""

    def get(self, org: str, key_id: str) -> ApiKey | None:
        """Return a key, strongly consistent."""

    def put(self, key: ApiKey) -> None:
        """Create or replace a key."""

    def all(self, org: str) -> Sequence[ApiKey]:
        """Return the keys of an org, revoked ones included, by creation."""


class KeyRing(Protocol):
    """The API keys, as they are changed with the event that tells of it."""

    def write(self, keys: Sequence[ApiKey], batch: Batch, packed: bytes) -> bool:
        """Write keys of one org, and the batch that tells of them into the journal.

        A key that is new must not be there, and one that is there is the same key, not revoked.

        Returns:
            False: it is otherwise, and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """


class Passes(Protocol):
    """Sign-ins and tickets, by the SHA-256 of their tokens.

    One that has expired is removed some time later, and returned until then.
    """

    def put(self, each: Pass) -> None:
        """Store a pass."""

    def get(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        """Return a pass, strongly consistent."""

    def take(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        """Remove a pass and return it. Of several who take the same at once, one gets it."""


class SignInWrites(Protocol):
    """The sign-ins, as they are changed with the events that tell of it."""

    def write(
        self, new: Pass | None, old: Pass | None, told: Sequence[tuple[Batch, bytes]]
    ) -> bool:
        """Store a sign-in, remove another, and put batches into the journal: all, or nothing.

        Returns:
            False: ``new`` is there, or ``old`` is not (any more), and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """


class SignInFailures(Protocol):
    """How often signing in with an org's keys has failed in an hour (``2026-11-27T14``)."""

    def get(self, org: str, hour: str) -> Mapping[str, int]:
        """Return what was told, by key id, strongly consistent."""

    def write(
        self,
        org: str,
        hour: str,
        was: Mapping[str, int],
        now: Mapping[str, int],
        batch: Batch,
        packed: bytes,
    ) -> bool:
        """Write what was told, and put the batch that tells of the last into the journal.

        Returns:
            False: it is not as it ``was`` (any more), and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """


class Rates(Protocol):
    """How many requests a key has made in a minute (of Unix time)."""

    def take(self, org: str, key_id: str, minute: int, limit: int) -> bool:
        """Count a request; False, counting nothing, where there were ``limit``.

        One whose answer was lost may be counted again.

        Raises:
            Busy: it is not known.
        """


class Quota(Protocol):
    """How many events an org has used in a month (``2026-11``)."""

    def reserve(self, org: str, month: str, events: int, limit: int) -> int | None:
        """Take ``events`` if that keeps the month at ``limit`` or below.

        Returns:
            How many are left after it, or None when they do not fit (nothing is taken).
        """

    def release(self, org: str, month: str, events: int) -> None:
        """Give back what was reserved and not used."""

    def used(self, org: str, month: str) -> int:
        """Return how many events are taken, strongly consistent."""


class SetAside(Protocol):
    """The list of poisoned journal items."""

    def add(self, item: SetAsideItem) -> bool:
        """Put an item on the list; False, changing nothing, when it is there already."""

    def all(self, org: str) -> Sequence[SetAsideItem]:
        """Return an org's list, by batch id."""


class Projections(Protocol):
    """Items derived from the ledger; each knows through which run it has been told.

    There are generations of them, numbered from 0: one is served, and a next one may be made.
    """

    def cursor(self, org: str, generation: int | None = None) -> Projected:
        """Return how far an org is projected into a generation, strongly consistent.

        None: into the one that is served.
        """

    def claim(self, org: str, cursor: Projected, run: Projected) -> bool:
        """Claim a run; False, changing nothing, when the org is not at ``cursor`` any more."""

    def apply(self, org: str, run: Projected, change: Change) -> None:
        """Add what a run changes in one item, unless the item has had that run."""

    def advance(
        self, org: str, run: Projected, hash: bytes = b"", new: Mapping[str, int] | None = None
    ) -> None:
        """Record that a run is applied, the ledger's hash at its end, and its new items by kind.

        Changes nothing if that was recorded before.
        """

    def get(self, org: str, kind: str, id: str, generation: int = 0) -> Item | None:
        """Return one item: its counters, first/last seq and timestamp, and ``through_seq``."""

    def items(
        self, org: str, keys: Sequence[tuple[str, str]], generation: int
    ) -> Mapping[tuple[str, str], Item]:
        """Return those of the items that exist, by kind and id, strongly consistent."""

    def newest(
        self, org: str, kind: str, before: str, limit: int, generation: int
    ) -> Sequence[tuple[str, Item]]:
        """Return up to ``limit`` items with their ids, from the last :func:`place_of` on.

        Their places are below ``before``, if that is not empty. Fewer are returned only at the end.
        """

    def between(
        self, org: str, kind: str, first_day: str, last_day: str, generation: int
    ) -> Iterator[tuple[str, Item]]:
        """Yield the items of a kind ``day…`` from one day to another, both included, by id."""

    def remake(self, org: str) -> int:
        """Return the generation that is being made, strongly consistent; begin one if none is."""

    def serve(self, org: str, generation: int) -> None:
        """Serve the generation that is being made. Changes nothing if it is not that one."""

    def drop(self, org: str, generation: int) -> None:
        """Remove a generation's items and its cursor."""


class Summaries(Protocol):
    """What stretches of the ledgers may hold: derived from them, and not needed to read them.

    So a summary may be missing, and one that is read may be of before.
    """

    def get(self, org: str, level: int, numbers: range) -> Mapping[int, bytes]:
        """Return those of some adjacent stretches' summaries that exist, by number."""

    def put(self, org: str, level: int, number: int, summary: bytes) -> None:
        """Store a summary."""

    def made(self, org: str) -> Made:
        """Return how far an org's summaries are made, strongly consistent."""

    def set_made(self, org: str, made: Made) -> None:
        """Remember how far they are."""


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

    def write(self, budget: Budget, was: str, batch: Batch, packed: bytes) -> bool:
        """Write a budget and put the batch that tells of it into the journal: both, or neither.

        Returns:
            False: the change before it is not ``was`` (any more), and nothing was written.

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


class Metrics(Protocol):
    """Where a service's figures of itself go."""

    def put(self, at_ms: int, figures: Mapping[str, float | Sequence[float]]) -> None:
        """Record figures of the time before ``at_ms``: a number each, or up to 100 values.

        A name ends with its unit: ``Ms``, ``Bytes``; else it is a count.
        """


class Broker(Protocol):
    """Tells the stream services what was just sealed. Best effort: the ledger is the truth."""

    def publish(self, org: str, message: bytes) -> None:
        """Publish to the org's channel.

        Raises:
            Busy: the broker is out of reach; nobody was told.
        """


class Feed(Protocol):
    """The other end of :class:`Broker`."""

    def messages(self, org: str) -> AsyncIterator[bytes | None]:
        """Yield what is published to the org's channel from now on, for ever.

        ``None`` says that messages may have been missed: once at the subscription, and again after
        each interruption. It does not raise when the broker is gone; it keeps trying.
        """
