"""Parse the queue's messages and look at their approvals; or, by schedule, sweep every org."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tocsin.adapters.sqs import Woken, woken
from tocsin.bootstrap.expire import wire
from tocsin.domain.errors import Malformed
from tocsin.services.approvals.waking import Report

logger = Logger()
metrics = Metrics()
service = cache(wire)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take one batch of messages (``ReportBatchItemFailures``), or ``{}``: the schedule's."""
    if "Records" not in event:
        return _sweep()
    report = service().look(_messages(event["Records"]))
    _tell(report)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in report.again]}


def _sweep() -> dict[str, Any]:
    report = service().sweep()
    if report.swept:
        logger.warning("did what was due though no timer said so", approvals=report.swept)
    _tell(report)
    if report.failed:
        raise RuntimeError(f"not swept to the end: {', '.join(sorted(report.failed))}")
    return {"swept": report.swept}


def _messages(records: list[dict[str, Any]]) -> dict[str, Woken]:
    """Return what can be read; the rest would never be, and is dropped."""
    messages = {}
    for record in records:
        try:
            messages[record["messageId"]] = woken(record["body"])
        except Malformed as error:
            logger.error("a message is dropped", message_id=record["messageId"], reason=str(error))
    return messages


def _tell(report: Report) -> None:
    """Log what went wrong, and count what happened."""
    for org, reason in report.failed.items():
        logger.warning("an org must wait", org=org, reason=str(reason))
    for org, error in report.broken.items():
        logger.error("an org's approval can't be looked at", org=org, exc_info=error)
    for late_ms in report.late_ms:
        metrics.add_metric("LateMs", MetricUnit.Milliseconds, late_ms)
    for name, value in (("SweptApprovals", report.swept), ("BrokenOrgs", len(report.broken))):
        if value:
            metrics.add_metric(name, MetricUnit.Count, value)
    if metrics.metric_set:
        metrics.flush_metrics()
