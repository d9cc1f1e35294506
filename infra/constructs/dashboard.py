"""The dashboard's files, where CloudFront finds them."""

from pathlib import Path

from aws_cdk import ArnFormat, CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from infra import assets
from infra.acknowledge import acknowledge
from infra.config import Config
from infra.constructs.layers import RUNTIME
from infra.constructs.logs import Logs
from infra.profile import Profile

__all__ = ["Dashboard"]

_HANDLER = Path(__file__).resolve().parent.parent / "dashboard" / "publish.py"


class Dashboard(Construct):
    """A private bucket, and a function that puts each build's files beside those of before.

    Nothing that is served changes by it: an asset's name has the hash of its content, and each
    ``index.html`` is in a folder of its own, which the edge names.
    """

    def __init__(self, scope: Construct, id: str, *, config: Config, profile: Profile) -> None:
        super().__init__(scope, id)
        built = assets.dashboard()
        self.page = built.page  # the folder of this build's index.html
        self.headers = built.headers  # which every file is served with
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.DESTROY,  # what is in it is built from the sources
        )
        acknowledge(
            self.bucket,
            {"AwsSolutions-S1": "CloudFront alone reads it, what it serves to everybody alike"},
        )
        self._let_cloudfront_read()
        archive = s3_assets.Asset(self, "Archive", path=str(built.files))
        publisher = self._publisher(archive, config, profile)
        if profile.custom_resources:
            # Under another id it would be another, and the end of this one would empty the bucket.
            CustomResource(
                self,
                "Files",
                service_token=publisher.function_arn,
                resource_type="Custom::DashboardFiles",
                properties={
                    "Bucket": self.bucket.bucket_name,
                    "Archives": archive.s3_bucket_name,
                    "Archive": archive.s3_object_key,
                },
                service_timeout=Duration.minutes(4),
            )

    def _let_cloudfront_read(self) -> None:
        """Let this account's distributions read.

        The one distribution can't be named: its stack needs the bucket, so it comes later.
        """
        anyone = Stack.of(self).format_arn(
            service="cloudfront",
            region="",
            resource="distribution",
            resource_name="*",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="CloudFrontReads",
                principals=[iam.ServicePrincipal("cloudfront.amazonaws.com")],
                actions=["s3:GetObject"],
                resources=[self.bucket.arn_for_objects("*")],
                conditions={"ArnLike": {"aws:SourceArn": anyone}},
            )
        )

    def _publisher(
        self, archive: s3_assets.Asset, config: Config, profile: Profile
    ) -> lambda_.Function:
        role = iam.Role(
            self, "PublisherRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
        )
        logs = Logs(self, "PublisherLogs", config=config)
        logs.grant_write(role)
        raw = self.bucket.node.default_child
        assert isinstance(raw, s3.CfnBucket)  # noqa: S101 (for the type)
        id = Stack.of(self).get_logical_id(raw)
        files, packed = self.bucket.arn_for_objects("*"), archive.s3_object_key
        for actions, resource in (
            (["s3:GetObject"], archive.bucket.arn_for_objects(packed)),
            (["s3:PutObject", "s3:DeleteObject"], files),
            (["s3:ListBucket"], self.bucket.bucket_arn),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
        publisher = lambda_.Function(
            self,
            "Publisher",
            description="Puts the dashboard's files into their bucket",
            runtime=RUNTIME,
            architecture=profile.architecture,
            code=lambda_.Code.from_inline(_HANDLER.read_text()),
            handler="index.handler",
            timeout=Duration.minutes(3),
            role=role,
            log_group=logs,
        )
        acknowledge(publisher, {"AwsSolutions-L1": "the runtime that everything else runs on"})
        acknowledge(role, {f"AwsSolutions-IAM5[Resource::<{id}.Arn>/*]": "the files of one bucket"})
        return publisher
