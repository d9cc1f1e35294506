"""Parse the schedule's event, have checkpoints made, and fail if an org must be tried again."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tocsin.bootstrap.checkpoint import wire

_ENDING_MS = 15_000  # of the function's time, for the orgs that were begun

logger = Logger()
metrics = Metrics()
service = cache(wire)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sign for every org whose ledger has moved; the event says nothing."""
    report = service()(lambda: context.get_remaining_time_in_millis() > _ENDING_MS)
    for org, error in report.broken.items():
        logger.error("an org's log is not what was signed of it", org=org, exc_info=error)
    for witness, why in report.away.items():
        logger.warning("a witness has not cosigned for an org", witness=witness, reason=why)
    counts = {
        "Checkpoints": len(report.signed),
        "CheckpointedEvents": report.events,
        "BrokenOrgs": len(report.broken),
        "WitnessesAway": len(report.away),
    }
    for name, value in counts.items():
        if value:
            metrics.add_metric(name, MetricUnit.Count, value)
    if metrics.metric_set:
        metrics.flush_metrics()
    if report.failed:
        for org, reason in report.failed.items():
            logger.warning("an org must wait", org=org, reason=str(reason))
        raise RuntimeError(f"not signed: {', '.join(sorted(report.failed))}")
    return {"checkpoints": len(report.signed)}
