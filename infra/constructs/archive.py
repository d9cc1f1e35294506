"""The bucket that keeps evidence where nobody can remove it."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.config import Config

__all__ = ["Archive"]


class Archive(s3.Bucket):
    """A bucket whose Object Lock keeps each version of each object for some days.

    By default, so that whoever puts an object need not be allowed to say how long. What is put
    again is another version; those before it stay. In ``governance`` mode those may remove a
    version who are allowed to bypass it, in ``compliance`` mode nobody, not even the account's
    root.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
    """

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        """Create it. It stays when its stack goes: CloudFormation deletes empty buckets alone."""
        days = Duration.days(config.archive_days)
        modes = {
            "governance": s3.ObjectLockRetention.governance,
            "compliance": s3.ObjectLockRetention.compliance,
        }
        super().__init__(
            scope,
            id,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            versioned=True,  # which Object Lock takes
            object_lock_enabled=True,
            object_lock_default_retention=modes[config.archive](days),
            removal_policy=RemovalPolicy.RETAIN,
        )
        about = "who reads and writes it is in CloudTrail, if the account has data events on"
        acknowledge(self, {"AwsSolutions-S1": about})

    def allow_adding(self, who: iam.IGrantable) -> None:
        """Let it put objects: neither read nor delete them, nor say how long they are kept."""
        iam.Grant.add_to_principal(
            grantee=who, actions=["s3:PutObject"], resource_arns=[self.arn_for_objects("*")]
        )
