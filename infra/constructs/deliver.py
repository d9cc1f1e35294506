"""The deliver function."""

import json
from collections.abc import Sequence

from aws_cdk import ArnFormat, Aws, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.constructs.function import Function, Props
from infra.constructs.queues import Queues
from infra.constructs.signals import Alarms, graph

__all__ = ["Deliver"]

_PERIOD = Duration.minutes(1)
_OLD_SECONDS = 30 * 60  # a message may be delayed for 15 minutes, and come again after six


class Deliver(Function):
    """``functions/deliver``: sends endpoints what their orgs' ledgers have beyond their cursors.

    It is on two queues, and finds every minute what those have lost. It is in no VPC: there it
    would need a NAT gateway to reach anybody, and could reach what nobody else can.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        props: Props,
        queues: Queues,
        denied_networks: Sequence[str],
    ) -> None:
        tables, config = props.tables, props.config
        wakes, slow_wakes = queues.wakes, queues.slow_wakes
        super().__init__(
            scope,
            id,
            name="deliver",
            props=props,
            environment={
                **tables.environment,
                **wakes.environment,
                **slow_wakes.environment,
                "TOCSIN_RETENTION_DAYS": str(config.retention_days),
                "TOCSIN_DENIED_NETWORKS": json.dumps(denied_networks),
                "TOCSIN_EXPORT_BUCKETS": json.dumps(config.export_buckets),
                **({"TOCSIN_PUBLIC_URL": config.address} if config.address else {}),
                **({"TOCSIN_MAIL_FROM": config.mail_from} if config.mail_from else {}),
            },
            timeout=wakes.timeout,
            invokes_itself=True,  # an endpoint that has more, or failed, is woken again
        )
        self._wakes, self._slow_wakes = wakes, slow_wakes
        tables.allow(
            self,
            journal=["Query", "BatchGetItem", "PutItem"],
            ledger=["Query", "BatchGetItem"],
            state=["GetItem", "BatchGetItem", "Query"],  # the second for persons' keys
        )
        kept = ["approval#*", "delivery#*", "endpoint#*", "given-up#*"]
        tables.allow_writing(self, kept, ["PutItem"])
        tables.allow_writing(self, ["endpoint#*", "notified"], ["UpdateItem"])
        tables.allow_writing(self, ["approval-pending#*", "endpoint#*"], ["DeleteItem"])
        for queue in (wakes, slow_wakes):
            queue.allow_sending(self)
        wakes.invoke(self, "Wakes", at_once=config.deliveries_at_once)
        slow_wakes.invoke(self, "SlowWakes", at_once=config.slow_deliveries_at_once)
        self.run_every(_PERIOD)
        if config.mail_from:
            self._allow_mail(config.mail_from)
        if config.export_buckets:
            self._allow_exports(config.export_buckets)

    def _allow_mail(self, sender: str) -> None:
        """Let it send mail from one address.

        Which identity stands for that, the address or its domain, is not known here, and those of
        the receivers count as well, if the account has any: all are, where SES has it in its
        sandbox. A message that is whole is sent by ``SendEmail``, but allowed by ``SendRawEmail``.
        https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
        https://github.com/cloudposse/terraform-aws-ses/issues/40
        https://github.com/anymail/django-anymail/issues/384
        """
        resources = [
            Stack.of(self).format_arn(
                service="ses",
                resource=resource,
                resource_name="*",
                arn_format=ArnFormat.SLASH_RESOURCE_NAME,
            )
            for resource in _SES_RESOURCES
        ]
        self.add_to_role_policy(
            iam.PolicyStatement(
                actions=["ses:SendEmail", "ses:SendRawEmail"],
                resources=resources,
                conditions={"StringEquals": {"ses:FromAddress": sender}},
            )
        )
        region = Stack.of(self).region
        prefix = f"arn:<AWS::Partition>:ses:{region}:<AWS::AccountId>"
        why = "from one address; whose identities count, the receivers decide"
        acknowledge(
            self.own_role,
            {f"AwsSolutions-IAM5[Resource::{prefix}:{each}/*]": why for each in _SES_RESOURCES},
        )

    def _allow_exports(self, buckets: Sequence[str]) -> None:
        """Let it add objects to these buckets, while they are this account's.

        A bucket that is deleted leaves its name to whoever takes it.
        https://aws.amazon.com/about-aws/whats-new/2020/12/new-iam-condition-keys-amazon-s3-limit-requests-buckets-owned-specific-aws-accounts-specific-tls-versions/
        """
        resources = [f"arn:{Aws.PARTITION}:s3:::{bucket}/*" for bucket in buckets]
        self.add_to_role_policy(
            iam.PolicyStatement(
                actions=["s3:PutObject"],
                resources=resources,
                conditions={"StringEquals": {"s3:ResourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        acknowledge(
            self.own_role,
            {
                f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::{bucket}/*]": "what is put "
                "there has names of its own"
                for bucket in buckets
            },
        )

    def alarm(self, alarms: Alarms) -> None:
        """See :class:`~infra.constructs.signals.Watched`."""
        wakes, slow = self._wakes, self._slow_wakes
        alarms.above("PausedEndpoints", self.emitted("PausedEndpoints"), 0, _PAUSED)
        alarms.above("GivenUp", self.emitted("GivenUp"), 0, _GIVEN_UP)
        alarms.above("DeliverBrokenOrgs", self.emitted("BrokenOrgs"), 0, _BROKEN)
        alarms.above("DeliverErrors", self.metric_errors(), 0, _ERRORS, periods=3)
        alarms.above("DeliverThrottled", self.metric_throttles(), 0, _THROTTLED, periods=2)
        alarms.above("WakesOld", wakes.oldest_seconds, _OLD_SECONDS, _OLD, periods=2)
        alarms.above("WakesDead", wakes.dead_letters, 0, _DEAD)
        alarms.above("SlowWakesOld", slow.oldest_seconds, _OLD_SECONDS, _SLOW_OLD, periods=2)
        alarms.above("SlowWakesDead", slow.dead_letters, 0, _SLOW_DEAD)

    def graphs(self) -> Sequence[cloudwatch.IWidget]:
        """See :class:`~infra.constructs.signals.Watched`."""
        queues = [self._wakes.queue, self._slow_wakes.queue]
        delayed = [each.metric_approximate_number_of_messages_delayed() for each in queues]
        visible = [each.metric_approximate_number_of_messages_visible() for each in queues]
        found = [self.emitted(name) for name in ("PausedEndpoints", "GivenUp", "BrokenOrgs")]
        p50, p99 = (self.metric_duration(statistic=name) for name in ("p50", "p99"))
        return [
            graph("Deliver: runs", self.metric_invocations(), right=[self.metric_errors(), *found]),
            graph("Deliver: milliseconds", p50, p99),
            graph("Wakes, and slow ones", *delayed, right=visible),
        ]


_SES_RESOURCES = ("identity", "configuration-set")
_PAUSED = (
    "An endpoint was paused: for five days it took nothing, or it answered 410. The deliver "
    "function's log names org, endpoint, seq and the answer; resume it: `tocsin webhooks resume`."
)
_GIVEN_UP = (
    "An event was tried ten times, and its endpoint is not sent it any more. `tocsin webhooks "
    "given-up` lists which; `tocsin webhooks replay` sends them once more."
)
_BROKEN = "An org's endpoints are sent nothing: the deliver function's log says whose, and why."
_ERRORS = (
    "The deliver function fails: endpoints are told late, or not at all. See its log; what is not "
    "sent is not lost, and goes out when it runs again."
)
_THROTTLED = (
    "Deliveries find no free function: raise the account's concurrent executions, or lower "
    "`deliveries_at_once` if ingestion is throttled, too."
)
_OLD = (
    "Endpoints are told late: nobody takes the messages that wake them. See the deliver function "
    "and its event source mappings; if it is just busy, raise `deliveries_at_once`."
)
_DEAD = (
    "A message that wakes an endpoint failed ten times: the deliver function's log says why. The "
    "minute's schedule has woken it since; then purge them."
)
_SLOW_OLD = (
    "Endpoints that answer slowly are told late: there are more than are sent to at once. "
    "`tocsin webhooks list` says which are slow; pause them, or raise `deliveries_at_once`."
)
_SLOW_DEAD = (
    "A message that wakes a slow endpoint failed ten times: the deliver function's log says why. "
    "The minute's schedule has woken it since; then purge them."
)
