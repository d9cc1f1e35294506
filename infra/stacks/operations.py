"""What tells people that something is wrong, and what they look at then."""

from collections.abc import Sequence

from aws_cdk import CfnOutput
from aws_cdk import aws_cloudwatch as cloudwatch
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
