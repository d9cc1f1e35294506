"""What tests of services share."""

import threading
from collections.abc import Iterator

import pytest


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set at the end, for what hangs in a test."""
    event = threading.Event()
    yield event
    event.set()
