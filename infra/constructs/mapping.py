"""A function on a table's stream."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from infra.constructs.function import Function
from infra.constructs.signals import Alarms

__all__ = ["SEGMENTS", "age_of", "alarm_consumer", "consume"]

SEGMENTS = {"dynamodb": {"Keys": {"pk": {"S": lambda_.FilterRule.begins_with("segment#")}}}}
"""The filter of the ledger's segments: not the markers and time marks, which share the table."""


def consume(
    function: Function,
    table: dynamodb.Table,
    *,
    filter: Mapping[str, Any],
    batch_size: int,
    window_seconds: int,
) -> None:
    """Invoke the function with items inserted into the table, until it succeeds."""
    stream = table.table_stream_arn
    if stream is None:
        raise ValueError(f"{table.node.path} has no stream")
    actions = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
    function.add_to_role_policy(iam.PolicyStatement(actions=actions, resources=[stream]))
    function.add_to_role_policy(
        iam.PolicyStatement(actions=["dynamodb:ListStreams"], resources=["*"])
    )
    inserted = {"eventName": lambda_.FilterRule.is_equal("INSERT"), **filter}
    mapping = lambda_.EventSourceMapping(
        function,
        table.node.id,
        target=function,
        event_source_arn=stream,
        starting_position=lambda_.StartingPosition.TRIM_HORIZON,
        filters=[lambda_.FilterCriteria.filter(inserted)],
        batch_size=batch_size,
        max_batching_window=Duration.seconds(window_seconds),
        parallelization_factor=1,
        bisect_batch_on_error=True,
        report_batch_item_failures=True,
    )
    # No record is given up, since no org may be skipped: the stream keeps them for a day, and the
    # sweeper finds the rest. (-1 is the default, which CDK does not let us write.)
    raw = mapping.node.default_child
    assert isinstance(raw, lambda_.CfnEventSourceMapping)  # noqa: S101 (for the type)
    raw.maximum_retry_attempts = -1
    raw.maximum_record_age_in_seconds = -1


def alarm_consumer(
    function: Function,
    alarms: Alarms,
    name: str,
    *,
    errors: str,
    behind: str,
    behind_seconds: int,
) -> None:
    """Alarm when a function on a stream fails, and when it is ``behind_seconds`` behind.

    ``errors`` and ``behind`` say what the two alarms mean."""
    alarms.above(f"{name}Errors", function.metric_errors(), 0, errors, periods=2)
    age = age_of(function)
    alarms.above(f"{name}Behind", age, 1_000 * behind_seconds, behind, periods=5)


def age_of(function: Function) -> cloudwatch.Metric:
    """Return the age of the last record that it was given, in milliseconds."""
    return function.metric(
        "IteratorAge", statistic=cloudwatch.Stats.MAXIMUM, period=Duration.minutes(1)
    )
