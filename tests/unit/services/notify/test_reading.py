"""What an org's endpoints read together, and what each must find out by itself."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fakes.stores import FakeLedger
from fakes.tenant import Tenant
from tocsin.domain.retention import KEEPS_ALL
from tocsin.domain.segment import Segment
from tocsin.services.notify.reading import Log

HANG_SECONDS = 60


class _Gated(FakeLedger):
    """A ledger whose first look answers what it saw, but only once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.let = threading.Event()
        self.reads = 0

    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        self.reads += 1
        found = super().segments(org, from_seq, limit)
        if not self.asked.is_set():
            self.asked.set()
            assert self.let.wait(HANG_SECONDS)
        return found


def test_endpoints_that_go_together_read_their_orgs_events_once() -> None:
    alone, together = _Gated(), _Gated()
    alone.let.set()
    one, several = Tenant(ledger=alone), Tenant(ledger=together)
    for tenant in (one, several):
        tenant.add(3)
    Log(alone, one.journal, lambda: KEEPS_ALL).after("acme", 0, b"")

    log = Log(together, several.journal, lambda: KEEPS_ALL)
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(log.after, "acme", 0, b"") for _ in range(10)]
        assert together.asked.wait(HANG_SECONDS)
        together.let.set()
        found = [each.result() for each in asked]
    assert all([event.seq for event in each] == [1, 2, 3] for each in found)
    assert together.reads == alone.reads


def test_that_another_found_nothing_says_nothing_of_what_was_sealed_since() -> None:
    tenant = Tenant(ledger=_Gated())
    ledger = tenant.ledger
    assert isinstance(ledger, _Gated)
    log = Log(ledger, tenant.journal, lambda: KEEPS_ALL)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(log.after, "acme", 0, b"")
        assert ledger.asked.wait(HANG_SECONDS)  # it has seen an empty ledger
        tenant.add(1)
        second = pool.submit(log.after, "acme", 0, b"")
        ledger.let.set()
        assert first.result() == []
        assert [event.seq for event in second.result()] == [1]
