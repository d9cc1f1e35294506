"""What tests of several kinds share."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.browser import browser as browser
from support.databases import Database
from support.ministack import dynamodb_server

# What a function finds in its environment; handlers read it when they are imported.
os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "tocsin-test"

# A slow machine is no fault of what is tested.
settings.register_profile("tocsin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tocsin")

# In the background of a script SIGINT is ignored, and what tests start would ignore it, too. A
# handler is not inherited: children begin with the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    """A real DynamoDB API over HTTP."""
    with dynamodb_server() as server:
        yield Database(server)
