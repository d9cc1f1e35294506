"""A VPC without anything that is paid for by the hour."""

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.config import Config
from infra.zones import is_id

__all__ = ["Network"]

_CIDR = "10.0.0.0/16"  # another would replace the VPC of a deployed environment


class Network(Construct):
    """Two zones, public and isolated subnets, DynamoDB through a gateway endpoint (no charge).

    Tasks with a public address need no NAT gateway; functions in isolated subnets reach DynamoDB
    and Valkey, and nothing else.
    """

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        self.isolated = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        self.public = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
        self.cidr = _CIDR
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(_CIDR),
            max_azs=2,
            nat_gateways=0,
            restrict_default_security_group=False,  # a custom resource, for what nothing uses
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=24,
                    map_public_ip_on_launch=False,  # the service asks for its addresses itself
                ),
                ec2.SubnetConfiguration(
                    name="Isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24
                ),
            ],
        )
        for subnets in (self.vpc.public_subnets, self.vpc.isolated_subnets):
            _place(subnets, config.two_zones)
        self.vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        acknowledge(
            self.vpc,
            {
                "AwsSolutions-VPC7": "flow logs would cost more than the VPC: every flow ends at "
                "CloudFront, DynamoDB or Valkey, which have metrics and logs of their own"
            },
        )


def _place(subnets: Sequence[ec2.ISubnet], zones: Sequence[str]) -> None:
    """Put each subnet into its zone; without any, into the region's first two.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-subnet.html
    """
    for subnet, zone in zip(subnets, zones, strict=False):
        raw = subnet.node.default_child
        assert isinstance(raw, ec2.CfnSubnet)  # noqa: S101 (for the type)
        raw.availability_zone = None if is_id(zone) else zone
        raw.availability_zone_id = zone if is_id(zone) else None
