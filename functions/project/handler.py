"""Parse the ledger's stream records and wake what follows them; or parse tails and project.

Both name what is to be tried again.
"""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tocsin.adapters.dynamodb.ledger import segments_in
from tocsin.adapters.sqs import tail
from tocsin.bootstrap.project import wire
from tocsin.domain.errors import Malformed
from tocsin.services.sealing.project import ProjectReport

logger = Logger()
metrics = Metrics()
service = cache(wire)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take one batch of the stream's records, or of the queue's (``ReportBatchItemFailures``)."""
    records = event["Records"]
    if any(record.get("eventSource") == "aws:sqs" for record in records):
        found = _tails(records)
        report = service().follow([org for org, _ in found], context.get_remaining_time_in_millis())
    else:
        found = segments_in(records)
        report = service().wake(dict.fromkeys(org for org, _ in found))
    _tell(report)
    failed = [name for org, name in found if org in report.failed]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def _tails(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the orgs of the messages that can be read, each with its message's id.

    The rest never could be, and is dropped.
    """
    found = []
    for record in records:
        try:
            found.append((tail(record["body"]), record["messageId"]))
        except Malformed as error:
            logger.error("a message is dropped", message_id=record["messageId"], reason=str(error))
    return found


def _tell(report: ProjectReport) -> None:
    """Log what went wrong, and count the orgs for which it did."""
    for org, reason in (report.waiting | report.failed).items():
        logger.warning("an org must wait", org=org, reason=str(reason))
    for org, error in report.broken.items():
        logger.error("an org can't be followed", org=org, exc_info=error)
    if report.waiting:
        metrics.add_metric("WaitingOrgs", MetricUnit.Count, len(report.waiting))
    if report.broken:
        metrics.add_metric("BrokenOrgs", MetricUnit.Count, len(report.broken))
    if metrics.metric_set:
        metrics.flush_metrics()
