"""The stream service. Each host is a stack of its own: the new one comes before the old goes."""

from constructs import Construct

from infra.config import Config
from infra.constructs.function import Props
from infra.constructs.layers import Layers
from infra.constructs.network import Network
from infra.constructs.stream_function import StreamFunction
from infra.constructs.stream_service import StreamService
from infra.constructs.tables import Tables
from infra.constructs.valkey import Valkey
from infra.profile import Profile
from infra.stacks._stack import TocsinStack

__all__ = ["FargateStack", "LambdaStack"]


class FargateStack(TocsinStack):
    """The stream service on Fargate."""

    def __init__(
        self,
        scope: Construct,
        *,
        config: Config,
        network: Network,
        tables: Tables,
        valkey: Valkey | None,
    ) -> None:
        super().__init__(scope, "stream-fargate", config=config, description="SSE on Fargate")
        self.host = StreamService(
            self, "Stream", config=config, network=network, tables=tables, valkey=valkey
        )


class LambdaStack(TocsinStack):
    """The stream service on Lambda."""

    def __init__(
        self,
        scope: Construct,
        *,
        config: Config,
        profile: Profile,
        tables: Tables,
        valkey: Valkey | None,
    ) -> None:
        super().__init__(scope, "stream-lambda", config=config, description="SSE on Lambda")
        layers = Layers(self, "Layers", lock="stream", profile=profile)
        props = Props(config=config, layers=layers, tables=tables, valkey=valkey)
        self.host = StreamFunction(self, "Stream", props=props)
