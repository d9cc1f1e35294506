"""The stream service over three events in memory, for tests that need it as a process."""

from fakes.parts import stream_parts
from fakes.tenant import FakeAccess, Tenant
from functions.stream.app import build

tenant = Tenant()
tenant.add(3)
app = build(stream_parts(tenant, FakeAccess()))
