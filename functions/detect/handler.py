"""Parse the ledger's stream records and call detection; or, by schedule, look at what is due."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tocsin.adapters.dynamodb.ledger import segments_in
from tocsin.bootstrap.detect import wire
from tocsin.services.detect.detecting import Report

logger = Logger()
metrics = Metrics()
service = cache(wire)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take one batch of records (``ReportBatchItemFailures``), or ``{}``: the schedule's."""
    if "Records" not in event:
        return _sweep()
    sealed = segments_in(event["Records"])
    report = service()(dict.fromkeys(org for org, _ in sealed))
    _tell(report)
    failed = [sequence_number for org, sequence_number in sealed if org in report.failed]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def _sweep() -> dict[str, Any]:
    report = service().sweep()
    _tell(report)
    if report.failed:
        raise RuntimeError(f"not swept to the end: {', '.join(sorted(report.failed))}")
    return {"found": report.found}


def _tell(report: Report) -> None:
    """Log what went wrong, and count what happened."""
    for org, reason in report.failed.items():
        logger.warning("an org must wait", org=org, reason=str(reason))
    for org, error in report.broken.items():
        logger.error("an org is not watched", org=org, exc_info=error)
    for org, seq, error in report.skipped:
        logger.error("an event is not looked at", org=org, seq=seq, exc_info=error)
    for name, value in (
        ("Anomalies", report.found),
        ("BrokenOrgs", len(report.broken)),
        ("SkippedEvents", len(report.skipped)),
    ):
        if value:
            metrics.add_metric(name, MetricUnit.Count, value)
    if metrics.metric_set:
        metrics.flush_metrics()
