"""Parse the ledger's stream records, call the projector, and name the records to be tried again."""

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tocsin.adapters.dynamodb.ledger import segments_in
from tocsin.bootstrap.project import wire

logger = Logger()
metrics = Metrics()
service = cache(wire)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Project the orgs of one batch of records (``ReportBatchItemFailures``)."""
    sealed = segments_in(event["Records"])
    report = service()(dict.fromkeys(org for org, _ in sealed))
    for org, reason in report.failed.items():
        logger.warning("an org must wait", org=org, reason=str(reason))
    for org, error in report.broken.items():
        logger.error("an org's projections stand still", org=org, exc_info=error)
    if report.broken:
        metrics.add_metric("BrokenOrgs", MetricUnit.Count, len(report.broken))
        metrics.flush_metrics()
    failed = [sequence_number for org, sequence_number in sealed if org in report.failed]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
