"""What tests of several kinds share."""

import gc
import os
import signal
import ssl
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from support.browser import browser as browser
from support.databases import Database
from support.ministack import dynamodb_server

_ID_CHARACTERS = 100

# What a function finds in its environment; handlers read it when they are imported.
os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "tocsin-test"

# A slow machine is no fault of what is tested.
settings.register_profile("tocsin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tocsin")

# httpx reads all the world's authorities for each client, even for one request without TLS: 20 ms,
# thousands of times. Whoever asks for the same file gets what was read before.
_create_context, _read_before = ssl.create_default_context, dict[str, ssl.SSLContext]()


def _context(*purpose: ssl.Purpose, cafile: str | None = None, **others: Any) -> ssl.SSLContext:
    if purpose or others or cafile is None or "SSLKEYLOGFILE" in os.environ:
        return _create_context(*purpose, cafile=cafile, **others)
    if cafile not in _read_before:
        _read_before[cafile] = _create_context(cafile=cafile)
    return _read_before[cafile]


pytest.MonkeyPatch().setattr(ssl, "create_default_context", _context)

# In the background of a script SIGINT is ignored, under nohup SIGHUP, and what tests start would
# ignore it, too: the default is what they are to begin with.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        interrupts = number == signal.SIGINT
        signal.signal(number, signal.default_int_handler if interrupts else signal.SIG_DFL)


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    """A real DynamoDB API over HTTP."""
    with dynamodb_server() as server:
        yield Database(server)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Ten thousand tests are no garbage: looking at them again and again takes a quarter of it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_make_parametrize_id(config: pytest.Config, val: object) -> str | None:
    """Name a test by the beginning of a long parameter, not by megabytes of it."""
    if isinstance(val, str | bytes) and len(val) > _ID_CHARACTERS:
        return repr(val[:_ID_CHARACTERS])
    return None
