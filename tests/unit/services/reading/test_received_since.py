"""Reading backwards, on a ledger in memory."""

from itertools import islice

import pytest

from fakes.tenant import Tenant
from tocsin.domain.errors import IntegrityError
from tocsin.domain.retention import KEEPS_ALL, Retention
from tocsin.services.reading.past import Past
from tocsin.services.reading.selection import received_since


def seqs(tenant: Tenant, since_ms: int = 0, retention: Retention = KEEPS_ALL) -> list[int]:
    past = Past(tenant.ledger, tenant.journal, tenant.org, retention)
    return [event.seq for event in received_since(past, since_ms)]


def test_the_newest_comes_first() -> None:
    tenant = Tenant()
    tenant.add(3, 400)
    tenant.add(200)
    assert seqs(tenant) == list(range(603, 0, -1))
    assert seqs(Tenant()) == []


def test_what_was_received_before_is_left_out_to_the_millisecond() -> None:
    tenant = Tenant()
    start = tenant.clock.ms
    for after_ms in (0, 1, 2, 200_000):
        tenant.clock.ms = start + after_ms
        tenant.add(2)
    assert [seqs(tenant, start + after_ms)[-1] for after_ms in (0, 1, 2, 3)] == [1, 3, 5, 7]
    assert seqs(tenant, start + 300_000) == []


def test_a_few_events_are_found_without_reading_the_rest() -> None:
    tenant = Tenant()
    first, *_ = tenant.add(1)
    tenant.add(1_000)
    tenant.journal.batches.pop((tenant.org, first.parse()["id"][4:-2] + "00"))
    found = received_since(Past(tenant.ledger, tenant.journal, tenant.org), 0)
    assert [event.seq for event in islice(found, 3)] == [1_001, 1_000, 999]


def test_the_events_end_where_they_are_not_kept_any_more() -> None:
    tenant = Tenant()
    old = tenant.add(5, 5)
    for event in old:
        tenant.journal.batches.pop((tenant.org, event.parse()["id"][4:-2] + "00"), None)
    retention = Retention(tenant.clock.ms + 1, 0)
    tenant.clock.ms += 1_000
    tenant.add(3)
    assert seqs(tenant, retention=retention) == [13, 12, 11]
    with pytest.raises(IntegrityError):
        seqs(tenant)
