"""What tells people that something is wrong, and what they look at then."""

from collections.abc import Sequence

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.config import Config
from infra.constructs.signals import Alarms, Watched
from infra.profile import Profile
from infra.stacks._stack import TocsinStack

__all__ = ["OperationsStack"]


class OperationsStack(TocsinStack):
    """Alarms to one topic, and a dashboard."""

    def __init__(
        self, scope: Construct, *, config: Config, profile: Profile, parts: Sequence[Watched]
    ) -> None:
        super().__init__(scope, "operations", config=config, description="alarms and dashboard")
        topic = sns.Topic(self, "Alerts", enforce_ssl=True)
        _let_alarms_publish(topic)
        if config.alarm_email:
            topic.add_subscription(subscriptions.EmailSubscription(config.alarm_email))
        alarms = Alarms(self, "Alarms", topic=topic)
        for part in parts:
            part.alarm(alarms)
        about = "Every alarm is told here, and its end: subscribe what you read"
        CfnOutput(self, "AlertTopic", value=topic.topic_arn, description=about)
        if profile.dashboard:
            rows = [[cloudwatch.AlarmStatusWidget(alarms=alarms.all, width=24, height=4)]]
            cloudwatch.Dashboard(
                self,
                "Dashboard",
                dashboard_name=f"tocsin-{config.environment}",
                widgets=[*rows, *(list(part.graphs()) for part in parts)],
            )


def _let_alarms_publish(topic: sns.Topic) -> None:
    """Let this account's alarms publish.

    ``enforce_ssl`` gives the topic a policy, which takes the place of the default one, by which
    the account's own services could publish. Without this no alarm would reach anybody:
    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            sid="AlarmsPublish",
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": Stack.of(topic).account}},
        )
    )
