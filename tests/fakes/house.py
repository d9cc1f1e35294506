"""API keys in memory, as admins and keys change them."""

import json
from typing import Any

from fakes.stores import FakeClock, FakeJournal, FakeKeyRing, FakeKeys, FakeOrgs
from tocsin.domain.errors import Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.services.access.access import Access
from tocsin.services.keys.delegating import Delegate, Delegating
from tocsin.services.keys.ending import Ending
from tocsin.services.keys.issuing import Issuing
from tocsin.services.keys.writing import Writing

__all__ = ["INGEST", "House"]

INGEST = frozenset({Scope.INGEST})


class House:
    """Keys in memory, and an admin's."""

    def __init__(self) -> None:
        self.clock, self.journal, self.keys = FakeClock(), FakeJournal(), FakeKeys()
        self.ring = FakeKeyRing(self.keys, self.journal)
        writing = Writing(self.keys, self.ring, self.clock)
        self.issuing = Issuing(writing)
        self.delegating = Delegating(self.issuing, writing)
        self.ending = Ending(writing)
        self.admin = self.key(Scope.ADMIN)

    def key(self, *scopes: Scope, **more: Any) -> ApiKey:
        key = mint("acme", frozenset(scopes or INGEST), "n", self.clock.ms, **more)[1]
        self.keys.put(key)
        return key

    def delegate(self, key: ApiKey, scopes: frozenset[Scope] = INGEST, **more: Any) -> ApiKey:
        return self.delegating.delegate(key, Delegate(scopes=scopes, **more)).key

    def works(self, key: ApiKey) -> bool:
        try:
            Access(self.keys, FakeOrgs(), self.clock).authorize_key(key.org, key.id, None)
        except Unauthenticated:
            return False
        return True

    @property
    def told(self) -> list[dict[str, Any]]:
        batches: list[Any] = list(self.journal.batches.values())
        return [json.loads(entry) for batch in batches for entry in batch.entries]

    def types(self) -> list[str]:
        return [event["type"] for event in self.told]
