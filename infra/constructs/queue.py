"""A queue of work for one function, with its dead letters."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

__all__ = ["WorkQueue"]

_RECEIVES = 10  # fewer than five let messages of a throttled function die
_DEAD_RETENTION = Duration.days(14)
_BATCH = 10  # the most without a window, for which messages would wait
_VISIBLE_AFTER = 6  # of the function's timeouts


class WorkQueue(Construct):
    """A standard queue, and one for messages that nobody could do anything with.

    It is fair to the orgs where who sends names them: a message's group is whose it is.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
    """

    def __init__(
        self, scope: Construct, id: str, *, variable: str, timeout: Duration, retention: Duration
    ) -> None:
        """Create both.

        ``variable`` is what those who send read the queue's address from; ``timeout`` is the
        function's, which takes its own from here; ``retention`` is how long a message is of use,
        its delay included.
        """
        super().__init__(scope, id)
        self.timeout = timeout
        self._variable = variable
        self.dead = self._queue("Dead", retention_period=_DEAD_RETENTION)
        self.queue = self._queue(
            "Queue",
            # So that Lambda can try again when the function is throttled:
            # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
            visibility_timeout=Duration.seconds(_VISIBLE_AFTER * int(timeout.to_seconds())),
            # Less than the dead ones' time, which counts on:
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
            retention_period=retention,
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=_RECEIVES, queue=self.dead),
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """What who sends reads."""
        return {self._variable: self.queue.queue_url}

    @property
    def oldest_seconds(self) -> cloudwatch.Metric:
        """The age of the oldest message that was not tried three times, its delay included."""
        return self.queue.metric_approximate_age_of_oldest_message(
            statistic=cloudwatch.Stats.MAXIMUM
        )

    @property
    def dead_letters(self) -> cloudwatch.Metric:
        """How many messages are among the dead ones."""
        return self.dead.metric_approximate_number_of_messages_visible(
            statistic=cloudwatch.Stats.MAXIMUM
        )

    def allow_sending(self, grantee: iam.IGrantable) -> None:
        """Let it send messages."""
        self._allow(grantee, "SendMessage")

    def invoke(self, function: lambda_.Function, id: str, *, at_once: int) -> None:
        """Have a function invoked with the messages: so many invocations at once, at most.

        Others do not wait for one that it names as failed.
        """
        self._allow(function, "ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        lambda_.EventSourceMapping(
            function,
            id,
            target=function,
            event_source_arn=self.queue.queue_arn,
            batch_size=_BATCH,
            max_concurrency=at_once,
            report_batch_item_failures=True,
        )

    def _allow(self, grantee: iam.IGrantable, *actions: str) -> None:
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=[f"sqs:{action}" for action in actions],
            resource_arns=[self.queue.queue_arn],
        )

    def _queue(self, id: str, **properties: Any) -> sqs.Queue:
        return sqs.Queue(
            self,
            id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,  # free of charge
            enforce_ssl=True,
            **properties,
        )
