"""A load balancer that only CloudFront reaches."""

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.constructs.network import Network
from infra.constructs.stream import READ_TIMEOUT_SECONDS

__all__ = ["internal_balancer"]


def internal_balancer(
    scope: Construct, id: str, *, network: Network
) -> elb.ApplicationLoadBalancer:
    """Return a load balancer without a public address, to be the target of a VPC origin."""
    group = ec2.SecurityGroup(
        scope, "Balancer", vpc=network.vpc, description="The load balancer of the stream service"
    )
    group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(80))
    balancer = elb.ApplicationLoadBalancer(
        scope,
        id,
        vpc=network.vpc,
        vpc_subnets=network.isolated,
        internet_facing=False,
        security_group=group,
        idle_timeout=Duration.seconds(READ_TIMEOUT_SECONDS),
        drop_invalid_header_fields=True,
    )
    acknowledge(
        group,
        {
            "AwsSolutions-EC23": "it has no address outside the VPC; CloudFront's VPC origin comes "
            "from CloudFront's addresses, which a rule for the VPC's would turn away"
        },
    )
    acknowledge(
        balancer, {"AwsSolutions-ELB2": "its log would hold query strings, and with them keys"}
    )
    return balancer
