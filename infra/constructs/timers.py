"""The queue of the approvals' timers: one delayed message for each that is pending."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

__all__ = ["LONGEST_LOOK", "Timers"]

LONGEST_LOOK = Duration.seconds(30)
"""How long an invocation with its messages may take."""

_RECEIVES = 10  # half an hour of trouble; the sweep does what is due meanwhile


class Timers(Construct):
    """A standard queue, and one for messages that nobody could do anything with."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.dead = self._queue("Dead", retention_period=Duration.days(14))
        self.queue = self._queue(
            "Queue",
            # Six times the function's timeout, so that Lambda can try again when it is throttled:
            # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
            visibility_timeout=Duration.seconds(6 * int(LONGEST_LOOK.to_seconds())),
            # As long as an approval can wait. Less than the dead ones' time, which counts on:
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
            retention_period=Duration.days(7),
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=_RECEIVES, queue=self.dead),
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """What who sets timers reads."""
        return {"TOCSIN_EXPIRY_QUEUE_URL": self.queue.queue_url}

    def allow_setting(self, grantee: iam.IGrantable) -> None:
        """Let it set timers."""
        self._allow(grantee, "SendMessage")

    def allow_taking(self, grantee: iam.IGrantable) -> None:
        """Let Lambda take what is due, on behalf of a function."""
        self._allow(grantee, "ReceiveMessage", "DeleteMessage", "GetQueueAttributes")

    def _allow(self, grantee: iam.IGrantable, *actions: str) -> None:
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=[f"sqs:{action}" for action in actions],
            resource_arns=[self.queue.queue_arn],
        )

    def _queue(
        self,
        id: str,
        *,
        retention_period: Duration,
        visibility_timeout: Duration | None = None,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,  # free of charge
            enforce_ssl=True,
            retention_period=retention_period,
            visibility_timeout=visibility_timeout,
            dead_letter_queue=dead_letter_queue,
        )
