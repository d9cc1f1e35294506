"""Parse the stream's records, call the fan-out, and name the records to be tried again."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tocsin.adapters.dynamodb.journal import stored_batch
from tocsin.bootstrap.fanout import wire
from tocsin.services.sealing.fanout import Report

logger = Logger()
metrics = Metrics()
service = cache(wire)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Fan out one batch of records (``ReportBatchItemFailures``)."""
    records = [
        record["dynamodb"] for record in event["Records"] if "NewImage" in record["dynamodb"]
    ]
    report = service()(stored_batch(record["NewImage"]) for record in records)
    tell(report)
    failed = [record for record in records if record["Keys"]["org"]["S"] in report.failed]
    return {"batchItemFailures": [{"itemIdentifier": each["SequenceNumber"]} for each in failed]}


def tell(report: Report) -> None:
    """Log what went wrong, and count what happened."""
    for org, reason in report.failed.items():
        logger.warning("an org must wait", org=org, reason=str(reason))
    for org, error in report.broken.items():
        logger.error("an org is not sealed: the sweeper tries again", org=org, exc_info=error)
    for name, value in report.counts.items():
        if value:
            metrics.add_metric(name, MetricUnit.Count, value)
    if metrics.metric_set:
        metrics.flush_metrics()
