"""The stream service's image: built by Docker here, or by CodeBuild at deploy time."""

from pathlib import Path

from aws_cdk import CustomResource, Duration, RemovalPolicy
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from infra import assets
from infra.acknowledge import acknowledge
from infra.config import Config
from infra.constructs.layers import RUNTIME
from infra.constructs.logs import Logs

__all__ = ["stream_image"]

_HANDLER = Path(__file__).resolve().parent.parent / "image" / "build.py"
_KEPT = 10  # images, to roll back to
_BUILD = {
    "version": "0.2",
    "phases": {
        "build": {
            "commands": [
                "aws ecr get-login-password "
                '| docker login --username AWS --password-stdin "${REPOSITORY%%/*}"',
                'docker build --tag "$REPOSITORY:$TAG" .',
                'docker push "$REPOSITORY:$TAG"',
            ]
        }
    },
}


def stream_image(scope: Construct, id: str, *, config: Config) -> ecs.ContainerImage:
    """Return the image of this source tree, for ARM."""
    context = str(assets.image())
    if config.image == "docker":
        platform = ecr_assets.Platform.LINUX_ARM64
        return ecs.ContainerImage.from_asset(context, platform=platform)
    return BuiltImage(scope, id, context=context, config=config).image


class BuiltImage(Construct):
    """CodeBuild builds the context, once for each content, and the registry keeps the last ten."""

    def __init__(self, scope: Construct, id: str, *, context: str, config: Config) -> None:
        """Create registry, project and the resource that waits for the build."""
        super().__init__(scope, id)
        source = s3_assets.Asset(self, "Context", path=context)
        repository = ecr.Repository(
            self,
            "Repository",
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=_KEPT)],
            removal_policy=RemovalPolicy.DESTROY,
            empty_on_delete=True,
        )
        project = self._project(source, repository, config)
        builder = self._builder(project, repository, config)
        built = CustomResource(
            self,
            "Built",
            service_token=builder.function_arn,
            resource_type="Custom::StreamImage",
            properties={"Tag": source.asset_hash},
            service_timeout=Duration.minutes(15),
        )
        built.node.add_dependency(project)
        # The tag comes from the resource, so that the service waits for it.
        self.image = ecs.ContainerImage.from_ecr_repository(repository, built.ref)

    def _project(
        self, source: s3_assets.Asset, repository: ecr.Repository, config: Config
    ) -> codebuild.Project:
        role = iam.Role(
            self, "ProjectRole", assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com")
        )
        logs = Logs(self, "ProjectLogs", config=config)
        logs.grant_write(role)
        repository.grant_pull_push(role)
        archive = source.bucket.arn_for_objects(source.s3_object_key)
        actions = ["s3:GetObject", "s3:GetObjectVersion"]
        role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[archive]))
        # https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
        bucket = ["s3:GetBucketAcl", "s3:GetBucketLocation"]
        role.add_to_policy(
            iam.PolicyStatement(actions=bucket, resources=[source.bucket.bucket_arn])
        )
        project = codebuild.Project(
            self,
            "Project",
            description="Builds the image of Tocsin's stream service",
            role=role.without_policy_updates(),  # it may do nothing else
            source=codebuild.Source.s3(bucket=source.bucket, path=source.s3_object_key),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0,
                compute_type=codebuild.ComputeType.SMALL,
                privileged=True,
            ),
            build_spec=codebuild.BuildSpec.from_object(_BUILD),
            environment_variables={
                "REPOSITORY": codebuild.BuildEnvironmentVariable(value=repository.repository_uri),
                # An attestation is an image of its own to the registry, and would be counted as
                # one of those to keep: https://docs.docker.com/build/building/variables/
                "BUILDX_NO_DEFAULT_ATTESTATIONS": codebuild.BuildEnvironmentVariable(value="1"),
            },
            logging=codebuild.LoggingOptions(
                cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=logs)
            ),
            timeout=Duration.minutes(14),
        )
        project.node.add_dependency(role)
        artifacts = "it has no artifacts; its source is this repository"
        acknowledge(project, {"AwsSolutions-CB4": artifacts})
        acknowledge(
            role, {"AwsSolutions-IAM5[Resource::*]": "a token for the registry has no ARN to name"}
        )
        return project

    def _builder(
        self, project: codebuild.Project, repository: ecr.Repository, config: Config
    ) -> lambda_.Function:
        role = iam.Role(
            self, "BuilderRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
        )
        logs = Logs(self, "BuilderLogs", config=config)
        logs.grant_write(role)
        builder = lambda_.Function(
            self,
            "Builder",
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_inline(_HANDLER.read_text()),
            handler="index.handler",
            environment={
                "PROJECT": project.project_name,
                "REPOSITORY": repository.repository_name,
            },
            timeout=Duration.minutes(15),
            role=role,
            log_group=logs,
        )
        repository.grant(builder, "ecr:DescribeImages")
        actions = ["codebuild:StartBuild", "codebuild:BatchGetBuilds"]
        builder.add_to_role_policy(
            iam.PolicyStatement(actions=actions, resources=[project.project_arn])
        )
        acknowledge(builder, {"AwsSolutions-L1": "the runtime that everything else runs on"})
        return builder
