"""A small CDK application to test LocalStack itself: a table, its stream, a function, a layer."""

import platform
from pathlib import Path

from aws_cdk import App, CfnOutput, CfnResource, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_lambda_event_sources import DynamoEventSource

HERE = Path(__file__).parent


def build(app: App) -> None:
    """Add the stack, and with the context ``unknown`` one that LocalStack can't deploy."""
    stack = Stack(app, "Throwaway")
    table = dynamodb.Table(
        stack,
        "Table",
        partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.AWS_MANAGED,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        time_to_live_attribute="expires_at",
        stream=dynamodb.StreamViewType.NEW_IMAGE,
        removal_policy=RemovalPolicy.DESTROY,
    )
    arm = platform.machine() in ("arm64", "aarch64")
    function = lambda_.Function(
        stack,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_13,
        architecture=lambda_.Architecture.ARM_64 if arm else lambda_.Architecture.X86_64,
        handler="main.handler",
        code=lambda_.Code.from_asset(str(HERE / "function")),
        layers=[
            lambda_.LayerVersion(stack, "Layer", code=lambda_.Code.from_asset(str(HERE / "layer")))
        ],
    )
    function.add_event_source(
        DynamoEventSource(
            table,
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            filters=[
                lambda_.FilterCriteria.filter({"eventName": lambda_.FilterRule.is_equal("INSERT")})
            ],
            report_batch_item_failures=True,
        )
    )
    if app.node.try_get_context("unknown"):
        CfnResource(Stack(app, "Unknown"), "Pool", type="AWS::Cognito::UserPool")
    CfnOutput(stack, "TableName", value=table.table_name)
    CfnOutput(stack, "FunctionName", value=function.function_name)


if __name__ == "__main__":
    app = App()
    build(app)
    app.synth()
