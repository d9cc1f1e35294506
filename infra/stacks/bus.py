"""How the stream service hears at once what was sealed."""

from constructs import Construct

from infra.config import Config
from infra.constructs.network import Network
from infra.constructs.valkey import Valkey
from infra.stacks._stack import TocsinStack

__all__ = ["BusStack"]


class BusStack(TocsinStack):
    """ElastiCache Serverless for Valkey."""

    def __init__(self, scope: Construct, *, config: Config, network: Network) -> None:
        super().__init__(scope, "bus", config=config, description="Valkey")
        self.valkey = Valkey(self, "Valkey", config=config, network=network)
