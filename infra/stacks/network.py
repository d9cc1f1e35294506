"""Where the stream service and Valkey are."""

from constructs import Construct

from infra.config import Config
from infra.constructs.network import Network
from infra.stacks._stack import TocsinStack

__all__ = ["NetworkStack"]


class NetworkStack(TocsinStack):
    """The VPC."""

    def __init__(self, scope: Construct, *, config: Config) -> None:
        super().__init__(scope, "network", config=config, description="VPC")
        self.network = Network(self, "Network", config=config)
        self.keep(self.network.vpc.vpc_id)
        for subnet in (*self.network.vpc.public_subnets, *self.network.vpc.isolated_subnets):
            self.keep(subnet.subnet_id)
