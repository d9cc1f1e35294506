"""Parse the queues' messages and deliver to their endpoints; or, by schedule, wake what is due."""

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tocsin.adapters.sqs import Wake, wake
from tocsin.bootstrap.deliver import wire
from tocsin.domain.deliveries import Outcome
from tocsin.domain.errors import Malformed
from tocsin.services.notify.report import Report
from tocsin.services.notify.sweeping import Swept

logger = Logger()
metrics = Metrics()
service = cache(wire)

_telling = Lock()  # on a developer's machine several invocations share a process


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take one batch of messages (``ReportBatchItemFailures``), or ``{}``: the schedule's."""
    if "Records" not in event:
        return _sweep()
    wakes, report = _wakes(event["Records"]), Report()
    serve, is_slow = service().serve, service().is_slow
    found = defaultdict[tuple[str, bool], dict[str, None]](dict)  # an org's go together
    for woken, queue in wakes.values():
        found[woken.org, is_slow(queue)] |= dict.fromkeys(woken.endpoint_ids)

    def run(each: tuple[str, bool]) -> None:
        org, slow = each
        serve(org, list(found[each]), report, slow=slow)

    if len(found) == 1:
        run(*found)
    elif found:
        # Threads of its own: each org's are served beside the others', and those of no other batch.
        with ThreadPoolExecutor(len(found)) as pool:
            list(pool.map(run, found))
    with _telling:
        _tell(report)
    failed = [
        message
        for message, (woken, _) in wakes.items()
        if any((woken.org, id) in report.failed for id in woken.endpoint_ids)
    ]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}


def _sweep() -> dict[str, Any]:
    swept = service().sweep()
    with _telling:
        _tell_sweep(swept)
    if swept.failed:
        raise RuntimeError(f"not swept to the end: {', '.join(sorted(swept.failed))}")
    return {"swept": swept.woken}


def _tell_sweep(swept: Swept) -> None:
    for org, reason in swept.failed.items():
        logger.warning("an org must wait", org=org, reason=str(reason))
    for org, error in swept.broken.items():
        logger.error("an org's endpoints can't be looked at", org=org, exc_info=error)
    _count({"SweptEndpoints": swept.woken, "BrokenOrgs": len(swept.broken)})


def _wakes(records: list[dict[str, Any]]) -> dict[str, tuple[Wake, str]]:
    """Return what can be read, with the queues' names; the rest would never be, and is dropped."""
    wakes = {}
    for record in records:
        queue = record["eventSourceARN"].rpartition(":")[2]
        try:
            wakes[record["messageId"]] = wake(record["body"]), queue
        except Malformed as error:
            logger.error("a message is dropped", message_id=record["messageId"], reason=str(error))
    return wakes


def _tell(report: Report) -> None:
    """Log what went wrong, and count what happened."""
    for (org, id), reason in report.failed.items():
        logger.warning("an endpoint must wait", org=org, endpoint=id, reason=str(reason))
    for (org, id), error in report.broken.items():
        logger.error("an endpoint's deliveries stand still", org=org, endpoint=id, exc_info=error)
    for endpoint, last in report.paused:
        logger.error(
            "an endpoint was paused",
            org=endpoint.org,
            endpoint=endpoint.id,
            event_type=last.type,
            seq=last.seq,
            attempts=last.attempt,
            status=last.status,
            error=last.error,
            answer=last.excerpt,
        )
    counted = {
        "Delivered": report.outcomes[Outcome.DELIVERED],
        "FailedAttempts": report.outcomes.total() - report.outcomes[Outcome.DELIVERED],
        "GivenUp": report.given_up,
        "PausedEndpoints": len(report.paused),
        "BrokenOrgs": len({org for org, _ in report.broken}),
    }
    for lag_ms in report.lags_ms[:100]:
        metrics.add_metric("LagMs", MetricUnit.Milliseconds, lag_ms)
    _count(counted)


def _count(counted: Mapping[str, int]) -> None:
    """Count what happened, and send it with what else was measured."""
    for name, value in counted.items():
        if value:
            metrics.add_metric(name, MetricUnit.Count, value)
    if metrics.metric_set:
        metrics.flush_metrics()
