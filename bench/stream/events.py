"""The ledger that every server of the bench sends from: the same in every process.

It is cut into three parts: history that is only replayed, bursts (segments of
:data:`EVENTS_PER_MESSAGE` events) and single events.
"""

from functools import cache
from typing import Any

from tocsin.domain.batch import Batch
from tocsin.domain.canonical import canonical
from tocsin.domain.ids import event_ids, new_batch_id
from tocsin.domain.segment import Head, SealedEvent, Segment, seal, verify
from tocsin.wire import govrix

__all__ = ["EVENTS_PER_MESSAGE", "HISTORY", "MARK", "ORG", "data", "made", "sealed"]

ORG = "bench"
EVENTS_PER_MESSAGE = 50
HISTORY = 400  # segments of EVENTS_PER_MESSAGE events
MARK = b"~"  # is in each event once, and nowhere else: clients count it
_STARTED_MS = 1_774_000_000_000


@cache
def made(bursts: int, singles: int) -> list[tuple[Segment, Batch]]:
    """Return the ledger: history, ``bursts`` segments of many events, ``singles`` of one."""
    all, head = [], Head.empty(ORG)
    for number in range(HISTORY + bursts + singles):
        batch_id = new_batch_id(_STARTED_MS, (number << 10).to_bytes(10))
        ids = event_ids(batch_id, EVENTS_PER_MESSAGE if number < HISTORY + bursts else 1)
        entries = tuple(canonical(_event(id, place)) for place, id in enumerate(ids))
        batch = Batch(ORG, batch_id, entries, "k1", _STARTED_MS)
        segment, _ = seal(ORG, head, [batch], _STARTED_MS)
        all.append((segment, batch))
        head = segment.head
    return all


def sealed(segment: Segment, batch: Batch) -> list[SealedEvent]:
    """Return the events of a segment, as they are published."""
    return verify(segment, batch.entries, segment.hash_before)


def data(event: SealedEvent) -> bytes:
    """Return the data that Tocsin sends in Govrix' dialect; others send these same bytes."""
    _, _, rest = govrix.encode(event).partition(b"\ndata: ")
    return rest.removesuffix(b"\n\n")


def _event(id: str, place: int) -> dict[str, Any]:
    return {
        "id": id,
        "type": "tool_call",
        "tool_name": f"search_{place}",
        "action": "allow",
        "agent_id": "agt_01hx9z2k3mq4n5p6r7s8t9u0v",
        "session_id": "ses_07pa5f8q9tw0u1v2x3y4z5a6b",
        "timestamp": "2026-03-05T14:20:00.000Z",
        "received_at": "2026-03-05T14:20:00.123Z",
        "model": "gpt-4o",
        "total_tokens": 640,
        "cost_usd": 0.00384,
        "latency_ms": 12,
        "compliance_tag": "default",
        "source": "client",
        "metadata": {"query": "where is the invoice~", "resultCount": place},
    }
