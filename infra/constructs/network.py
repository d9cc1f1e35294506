"""A VPC without anything that is paid for by the hour."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from infra.acknowledge import acknowledge

__all__ = ["Network"]


class Network(Construct):
    """Two zones, public and isolated subnets, DynamoDB through a gateway endpoint (no charge).

    Tasks with a public address need no NAT gateway; functions in isolated subnets reach DynamoDB
    and Valkey, and nothing else.
    """

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.isolated = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
        self.public = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
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
        self.vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        acknowledge(
            self.vpc,
            {
                "AwsSolutions-VPC7": "flow logs would cost more than the VPC: every flow ends at "
                "CloudFront, DynamoDB or Valkey, which have metrics and logs of their own"
            },
        )
