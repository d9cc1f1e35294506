"""One org that ingests into stores in memory."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from fakes.stores import (
    FakeClock,
    FakeJournal,
    FakeKeys,
    FakeLedger,
    FakeOrgs,
    FakeQuota,
    FakeReceipts,
    FakeSubjects,
)
from tocsin.domain.batch import Batch
from tocsin.domain.keys import Scope, mint
from tocsin.domain.org import Org
from tocsin.domain.privacy import Privacy
from tocsin.services.access.access import Access
from tocsin.services.intake.ingest import Ingest, IngestRequest
from tocsin.services.intake.protecting import Protecting

EVENT = {"type": "tool_call", "toolName": "t"}


@dataclass
class World:
    """The stores of a deployment, the org ``acme`` with a key, and an ingest function."""

    journal: FakeJournal = field(default_factory=FakeJournal)
    receipts: FakeReceipts = field(default_factory=FakeReceipts)
    keys: FakeKeys = field(default_factory=FakeKeys)
    orgs: FakeOrgs = field(default_factory=FakeOrgs)
    quota: FakeQuota = field(default_factory=FakeQuota)
    clock: FakeClock = field(default_factory=FakeClock)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    limit: int = 100
    suspended: frozenset[str] = frozenset()
    privacy: Privacy = field(default_factory=Privacy)
    privacy_of: Callable[[str], Privacy] | None = None

    def __post_init__(self) -> None:
        self.token, self.key = mint("acme", frozenset({Scope.INGEST}), "n", 1)
        self.subjects = FakeSubjects(self.journal)
        self.keys.put(self.key)
        self.orgs.put(Org("acme", self.limit))
        self.ingest = self.service()

    def service(self, gate: Callable[[Any], Any] = lambda port: port) -> Ingest:
        """Return another function on the same stores."""
        self.receipts.journal = self.journal
        privacy = self.privacy_of or (lambda org: self.privacy)
        return Ingest(
            access=Access(self.keys, self.orgs, self.clock),
            orgs=self.orgs,
            quota=gate(self.quota),
            receipts=gate(self.receipts),
            journal=gate(self.journal),
            clock=self.clock,
            ledger=lambda: gate(self.ledger),
            suspended=lambda org: self.suspended,
            privacy=privacy,
            protecting=Protecting(privacy, gate(self.subjects)),
        )

    def request(self, body: object, **changes: Any) -> IngestRequest:
        request = IngestRequest(
            authorization=f"Bearer {self.token}",
            content_type="application/json",
            content_encoding=None,
            idempotency_key=None,
            partial=False,
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        )
        return replace(request, **changes)

    def post(self, body: object, **changes: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.ingest(self.request(body, **changes)))
        return answer

    @property
    def stored(self) -> list[dict[str, Any]]:
        batches = [each for each in self.journal.batches.values() if isinstance(each, Batch)]
        return [json.loads(entry) for batch in batches for entry in batch.entries]

    @property
    def used(self) -> int:
        return sum(self.quota.taken.values())
