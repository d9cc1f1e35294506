"""One org with a ledger in memory, to which a test adds what it likes."""

from dataclasses import dataclass, field
from hashlib import sha256

from fakes.events import batch
from fakes.stores import FakeClock, FakeJournal, FakeLedger
from tocsin.domain.errors import Forbidden, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.segment import SealedEvent, Segment, seal


@dataclass
class Tenant:
    """Seals batches of events as fan-out would, without anybody being told."""

    org: str = "acme"
    ledger: FakeLedger = field(default_factory=FakeLedger)
    journal: FakeJournal = field(default_factory=FakeJournal)
    clock: FakeClock = field(default_factory=FakeClock)
    batches: int = 0

    def add(self, *counts: int, **fields: object) -> list[SealedEvent]:
        """Seal batches of so many events each, in one segment, and return the events."""
        made = []
        for count in counts or (1,):
            self.batches += 1
            made.append(batch(self.org, count, self.clock.ms, self.batches, **fields))
            self.journal.batches[self.org, made[-1].id] = made[-1]
        head = self.ledger.head(self.org)
        segment, events = seal(self.org, head, made, self.clock.ms)
        assert len(segment.references) == len(made)
        self.ledger.commit(segment, head)
        return events

    def segment(self, first_seq: int) -> Segment:
        return self.ledger.by_org[self.org][first_seq]


class FakeAccess:
    """Lets in who says ``Bearer <org>``, unless the credential is among the revoked."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.asked = 0

    def authorize(self, authorization: str | None, scope: Scope | None, /) -> ApiKey:
        self.asked += 1
        if not authorization or authorization in self.revoked:
            raise Unauthenticated("no such key")
        org = authorization.removeprefix("Bearer ")
        if org.startswith("ingest-"):
            raise Forbidden("this key does not have the scope read")
        digest = sha256(authorization.encode()).digest()
        return ApiKey(org.partition("/")[0], "k1", digest, frozenset({Scope.READ}), "test", 0)
