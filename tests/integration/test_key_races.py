"""Several who change the same key at once, on real tables: all is told as it was done."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from support.databases import Database
from tocsin.adapters.clock import SystemClock
from tocsin.domain.batch import Batch
from tocsin.domain.errors import TocsinError
from tocsin.domain.keys import Scope, mint
from tocsin.services.keys.delegating import Delegate, Delegating
from tocsin.services.keys.issuing import Issuing
from tocsin.services.keys.writing import Writing

INGEST = frozenset({Scope.INGEST})


def test_rotating_revoking_and_delegating_at_once(database: Database) -> None:
    on, _ = database.stores()
    writing = Writing(on.keys, on.key_ring, SystemClock())
    issuing = Issuing(writing)
    delegating = Delegating(issuing, writing)
    admin = mint("acme", frozenset({Scope.ADMIN}), "ada", 1)[1]
    key = mint("acme", INGEST, "k", 2, agent="a")[1]
    on.keys.put(key)

    def act(n: int) -> str:
        try:
            if n % 3 == 0:
                issuing.rotate(admin, key.id, n * 1_000)
                return "rotated"
            if n % 3 == 1:
                delegating.delegate(key, Delegate(scopes=INGEST))
                return "delegated"
            issuing.revoke(admin, key.id)
            return "revoked"
        except TocsinError as error:
            return type(error).__name__

    with ThreadPoolExecutor(8) as pool:
        done = Counter(pool.map(act, range(24)))
    issuing.revoke(admin, key.id)
    told = Counter[str]()
    for stored in on.journal.between("acme", "", "z", 100):
        batch = stored.unpack()
        assert isinstance(batch, Batch)
        told.update(json.loads(entry)["type"] for entry in batch.entries)
    keys = on.keys.all("acme")
    stored_key = on.keys.get("acme", key.id)
    assert stored_key and stored_key.revoked_at_ms is not None
    assert told["tocsin.key_revoked"] == told["agent.revoked"] == 1
    rotated = sum(not each.chain for each in keys) - 1
    assert told["tocsin.key_rotated"] == told["agent.rotated"] == rotated == done["rotated"]
    delegated = sum(bool(each.chain) for each in keys)
    assert told["delegation.created"] == delegated == done["delegated"]
