"""The stream service over three events in memory, for tests that need it as a process."""

from fakes.tenant import FakeAccess, Tenant
from functions.stream.app import build
from tocsin.services.watch import StreamParts

tenant = Tenant()
tenant.add(3)
app = build(
    StreamParts(
        ledger=tenant.ledger,
        journal=tenant.journal,
        access=FakeAccess(),
        clock=tenant.clock,
    )
)
