"""The one place where LocalStack gets something other than an account does."""

import platform
from dataclasses import dataclass

from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_

from infra.config import Config
from infra.constructs.gateway import Gateway, HttpGateway, RestGateway

__all__ = ["Profile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What depends on where the stacks are deployed.

    The free LocalStack has no HTTP API, VPC endpoint, ElastiCache, load balancer, ECS, CloudFront,
    CloudWatch dashboard and custom resource, no key of Ed25519 in its KMS
    (https://github.com/localstack/localstack/issues/13886), and runs functions on its own machine.
    """

    gateway: type[Gateway]
    architecture: lambda_.Architecture
    wheels: str  # uv's name for the platform
    network_stream_and_edge: bool
    dashboard: bool  # CloudWatch's
    custom_resources: bool
    signing_key: kms.KeySpec

    @classmethod
    def of(cls, config: Config) -> "Profile":
        """Return the profile that the configuration names."""
        if config.profile == "account":
            return cls(
                gateway=HttpGateway,
                architecture=lambda_.Architecture.ARM_64,
                wheels="aarch64-manylinux_2_28",  # Lambda's Amazon Linux 2023 has glibc 2.34
                network_stream_and_edge=True,
                dashboard=True,
                custom_resources=True,
                signing_key=kms.KeySpec.ECC_NIST_EDWARDS25519,
            )
        arm = platform.machine() in ("arm64", "aarch64")
        return cls(
            gateway=RestGateway,
            architecture=lambda_.Architecture.ARM_64 if arm else lambda_.Architecture.X86_64,
            wheels="aarch64-manylinux_2_28" if arm else "x86_64-manylinux_2_28",
            network_stream_and_edge=False,
            dashboard=False,
            custom_resources=False,
            signing_key=kms.KeySpec.ECC_NIST_P256,  # by which nothing is signed: see its test
        )
