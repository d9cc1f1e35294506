"""Hooks over stores in memory: policies that come with Tocsin, and time that tests move."""

import json
from collections.abc import Callable
from typing import Any

from fakes.desk import Desk
from fakes.stores import (
    FakeAgentStates,
    FakeBudgets,
    FakeKeyRing,
    FakeKeys,
    FakeOrgs,
    FakePlaces,
    FakePolicies,
    FakeQuota,
    FakeSessionStates,
)
from tocsin.domain.batch import Batch
from tocsin.domain.keys import ApiKey
from tocsin.domain.org import Org
from tocsin.domain.privacy import Privacy
from tocsin.services.agents.known import Known
from tocsin.services.approvals.deciding import Resolve
from tocsin.services.budgets.holding import Holding
from tocsin.services.hooks.answering import Answered, Answering
from tocsin.services.hooks.patience import Patience
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.recording import Recording
from tocsin.services.intake.screening import Screening
from tocsin.services.policies.calling import Calling
from tocsin.services.policies.keeping import Keeping
from tocsin.services.sessions.suspended import Suspended
from tocsin.wire.hooks import Asked
from tocsin.wire.intake.hooks.products import PRODUCTS

PRE: dict[str, Any] = {
    "hook_event_name": "PreToolUse",
    "session_id": "s",
    "tool_name": "Bash",
    "tool_input": {"command": "rm -rf build"},
    "tool_use_id": "t1",
    "cwd": "/p",
}
PERMISSION = {name: value for name, value in PRE.items() if name != "tool_use_id"} | {
    "hook_event_name": "PermissionRequest"
}


class Hooked:
    """A desk where products' hooks ask. ``meanwhile`` is what happens at each look of who waits."""

    def __init__(self, limit: int = 100) -> None:
        self.desk = Desk()
        self.orgs = FakeOrgs()
        self.orgs.put(Org("acme", limit))
        self.orgs.put(Org("other", limit))
        self.policies = FakePolicies(self.desk.journal)
        self.sessions = FakeSessionStates(self.desk.journal)
        self.budgets = FakeBudgets(self.desk.journal)
        self.agents = FakeAgentStates(FakeKeyRing(FakeKeys(), self.desk.journal))
        self.keeping = Keeping(self.policies, self.desk.clock)
        self.places = FakePlaces()
        self.seconds = 0.0
        self.privacy = Privacy()
        self.meanwhile: Callable[[], None] = lambda: None
        clock = self.desk.clock
        allowance = Allowance(self.orgs.get, FakeQuota(), clock)
        screening = Screening(clock, lambda org: self.privacy)
        recording = Recording(self.desk.journal, allowance, screening, clock)
        self.calling = Calling(
            self.keeping,
            self.desk.steps,
            self.desk.asking,
            recording,
            clock,
            Suspended(self.sessions, clock),
            Holding(self.budgets, clock),
            Known(self.agents, clock),
        )
        self.answering = Answering(
            self.calling,
            Patience(
                self.desk.store,
                self.places,
                clock,
                pause=self._pause,
                seconds=lambda: self.seconds,
            ),
            recording,
            "https://tocsin.example.com",
        )

    def _pause(self, seconds: float) -> None:
        self.seconds += seconds
        self.desk.clock.ms += int(seconds * 1_000)
        self.meanwhile()

    def post(
        self,
        payload: dict[str, Any] | bytes,
        product: str = "claude-code",
        key: ApiKey | None = None,
        **options: Any,
    ) -> Answered:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        key = key or self.desk.agent
        return self.answering(key, PRODUCTS[product], body, Asked(**options))

    @property
    def pending(self) -> list[str]:
        return list(self.desk.store.pending("acme", 100))

    @property
    def asked(self) -> int:
        """How often a person was asked."""
        return len([event for event in self._all if event["type"] == "approval.created"])

    def resolve(self, *, approved: bool, id: str = "") -> None:
        self.desk.deciding.resolve(
            self.desk.maria, id or self.pending[-1], Resolve(approved=approved)
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for event in self._all if event["source"] == "client"]

    @property
    def _all(self) -> list[dict[str, Any]]:
        batches = [each for each in self.desk.journal.batches.values() if isinstance(each, Batch)]
        return [json.loads(entry) for batch in batches for entry in batch.entries]
