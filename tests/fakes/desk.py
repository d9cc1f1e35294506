"""A desk where agents ask and people decide, on stores in memory."""

import json
from dataclasses import dataclass, field
from typing import Any

from fakes.stores import (
    FakeApprovals,
    FakeClock,
    FakeJournal,
    FakeKeys,
    FakeOrgs,
    FakeTimers,
)
from tocsin.domain.approvals import Approval, Call
from tocsin.domain.batch import Batch
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.services.access.access import Access
from tocsin.services.approvals.asking import Ask, Asking
from tocsin.services.approvals.deciding import Deciding
from tocsin.services.approvals.expiring import Expiring
from tocsin.services.approvals.linking import Linking
from tocsin.services.approvals.reading import Reading
from tocsin.services.approvals.steps import Steps


def key(*scopes: Scope, org: str = "acme", person: str = "") -> ApiKey:
    return mint(org, frozenset(scopes), "n", 1, person=person)[1]


@dataclass
class Desk:
    """Approvals in memory, an agent's key, and a person's."""

    clock: FakeClock = field(default_factory=FakeClock)
    journal: FakeJournal = field(default_factory=FakeJournal)
    timers: FakeTimers = field(default_factory=FakeTimers)
    agent: ApiKey = field(default_factory=lambda: key(Scope.INGEST))
    maria: ApiKey = field(default_factory=lambda: key(Scope.APPROVE, person="maria@example.com"))

    def __post_init__(self) -> None:
        self.store = FakeApprovals(self.journal)
        self.steps = Steps(self.store, self.clock)
        self.asking = Asking(self.steps, self.timers)
        self.deciding = Deciding(self.steps)
        self.orgs, self.keys = FakeOrgs(), FakeKeys()
        self.keys.put(self.maria)
        self.linking = self.linking_on(self.steps)
        self.expiring = Expiring(self.steps, self.timers)
        self.reading = Reading(self.store, self.clock)

    def linking_on(self, steps: Steps, url: str | None = "https://tocsin.example.com") -> Linking:
        access = Access(self.keys, self.orgs, self.clock)
        return Linking(steps, Deciding(steps), access, self.orgs, url)

    def ask(
        self, by: ApiKey | None = None, *, ask: dict[str, Any] | None = None, **call: Any
    ) -> Approval:
        who = by or self.agent
        given = {"tool": "exec", "agent": "claude", "command": "rm -rf build"} | call
        return self.asking(
            who, Ask(call=Call(owner=who.holder, **given), **({"message": "may I?"} | (ask or {})))
        )

    @property
    def told(self) -> list[dict[str, Any]]:
        batches = [each for each in self.journal.batches.values() if isinstance(each, Batch)]
        events = [json.loads(entry) for batch in batches for entry in batch.entries]
        assert all(event["source"] == "tocsin" for event in events)
        return events

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.told]
