"""Parse the schedule's event, call the sweep, and fail if an org was not swept to the end."""

from collections import Counter
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tocsin.bootstrap.sweeper import wire
from tocsin.domain.limits import SETTLED_MS

logger = Logger()
metrics = Metrics()
service = cache(wire)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sweep batches ``min_age_seconds`` old (ten minutes unless the event says otherwise)."""
    age = event.get("min_age_seconds")
    reports = service()(SETTLED_MS if age is None else int(age) * 1000)
    counts = sum((Counter(report.counts) for report in reports), Counter())
    if found := counts["SealedEvents"]:
        logger.warning("sealed what the stream did not deliver", events=found)
    for name, value in counts.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    if metrics.metric_set:
        metrics.flush_metrics()
    for report in reports:
        for org, error in report.broken.items():
            logger.error("an org can't be swept", org=org, exc_info=error)
    failed = sorted({org for report in reports for org in report.failed})
    if failed:
        raise RuntimeError(f"not swept to the end: {', '.join(failed)}")
    return {"sealed_events": found}
