"""Hand API Gateway's event to the application, and its answer back."""

import asyncio
import logging
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mangum import Mangum

from functions.api.app import build
from tocsin.bootstrap.api import wire

logger = Logger()
metrics = Metrics()
logging.getLogger("mangum").setLevel(logging.WARNING)  # it logs every request


@cache
def service() -> Mangum:
    """Return the application over what the settings name."""
    asyncio.set_event_loop(asyncio.new_event_loop())  # which Mangum takes
    return Mangum(build(wire()), lifespan="off")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serve one API Gateway proxy event (payload format 1.0)."""
    answer = service()(event, context)  # type: ignore[arg-type]
    if answer["statusCode"] >= 400:
        metrics.add_metric(f"Refused{answer['statusCode']}", MetricUnit.Count, 1)
        metrics.flush_metrics()
    return answer
