"""Hand API Gateway's event to the application, and its answer back."""

import asyncio
import logging
import threading
from functools import cache
from typing import Any

import anyio._backends._asyncio  # noqa: F401 (else the first request loads it, on part of a core)
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mangum import Mangum

from functions.api.app import build
from functions.api.event import ProxyEvent
from tocsin.bootstrap.api import ApiParts, wire

logger = Logger()
metrics = Metrics()
_threads = threading.local()
logging.getLogger("mangum.http").setLevel(logging.ERROR)  # it would log every request


def adapter(parts: ApiParts) -> Mangum:
    """Return what answers API Gateway's events, on an event loop of the thread's own."""
    return Mangum(build(parts), lifespan="off", custom_handlers=[ProxyEvent])


@cache
def service() -> Mangum:
    """Wire the function, once."""
    return adapter(wire())


def _loop() -> None:
    """Give this thread an event loop: on Lambda it is the only one that calls."""
    if not hasattr(_threads, "loop"):
        _threads.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_threads.loop)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serve one API Gateway proxy event (payload format 1.0)."""
    _loop()
    answer = service()(event, context)  # type: ignore[arg-type]
    if answer["statusCode"] >= 400:
        metrics.add_metric(f"Refused{answer['statusCode']}", MetricUnit.Count, 1)
        metrics.flush_metrics()
    return answer
