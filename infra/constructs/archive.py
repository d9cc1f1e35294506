"""The bucket that keeps evidence where nobody can remove it."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.config import Config

__all__ = ["HELD", "LAST", "Archive", "adding"]

_LOGS = "tocsin/*"  # what the paths of all logs begin with
LAST = f"{_LOGS}/checkpoint"
"""The paths of what was signed last, of any log: a wildcard takes slashes, too."""

HELD = f"{_LOGS}/entries/*"
"""The paths of what a legal hold keeps."""

_ON = {"s3:object-lock-legal-hold": "ON"}  # to put under one, and not to end one


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
        """Let it put objects, and see which logs there are and what was signed of them last.

        It may not delete any, nor say how long they are kept, nor end a legal hold.
        """
        for statement in adding(self.bucket_arn):
            who.grant_principal.add_to_principal_policy(statement)


def adding(
    bucket_arn: str, conditions: Mapping[str, Mapping[str, str]] | None = None
) -> Sequence[iam.PolicyStatement]:
    """Return what lets a function add evidence to a bucket.

    What is under a legal hold is put so:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
    Who may not list is told of an object that is not there that it is forbidden:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    about = {key: {**value} for key, value in (conditions or {}).items()}
    listing = {**about, "StringLike": {"s3:prefix": _LOGS}}
    return [
        iam.PolicyStatement(
            actions=["s3:PutObject"], resources=[f"{bucket_arn}/*"], conditions=about
        ),
        iam.PolicyStatement(
            actions=["s3:PutObjectLegalHold"],
            resources=[f"{bucket_arn}/{HELD}"],
            conditions=about | {"StringEquals": about.get("StringEquals", {}) | _ON},
        ),
        iam.PolicyStatement(
            actions=["s3:GetObject"],
            resources=[f"{bucket_arn}/{LAST}"],
            conditions=about,
        ),
        iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket_arn], conditions=listing),
    ]
