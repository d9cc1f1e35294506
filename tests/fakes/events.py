"""Batches to test with."""

from tocsin.domain.batch import Batch
from tocsin.domain.ids import new_batch_id
from tocsin.domain.keys import ApiKey
from tocsin.services.intake.stamp import entries_of

KEY = ApiKey("acme", "k1", b"", frozenset(), "test", 0)


def batch(
    org: str = "acme",
    count: int = 1,
    at_ms: int = 1_774_000_000_000,
    salt: int = 0,
    **fields: object,
) -> Batch:
    """Return a batch as ingestion makes it, of ``count`` tool calls."""
    batch_id = new_batch_id(at_ms, (salt << 10).to_bytes(10))
    events = [
        {
            "type": "tool_call",
            "tool_name": f"tool-{n}",
            "agent_id": "a1",
            "total_tokens": 2,
            **fields,
        }
        for n in range(count)
    ]
    entries = entries_of(events, batch_id, KEY.id, at_ms, plain=True)
    return Batch(org, batch_id, entries, KEY.id, at_ms)
