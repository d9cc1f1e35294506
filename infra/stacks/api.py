"""The way in."""

from aws_cdk import CfnOutput
from constructs import Construct

from infra.config import Config
from infra.constructs.api import Api
from infra.constructs.function import Props
from infra.constructs.ingest import Ingest
from infra.constructs.layers import Layers
from infra.constructs.queues import Queues
from infra.constructs.tables import Tables
from infra.profile import Profile
from infra.stacks._stack import TocsinStack

__all__ = ["ApiStack"]

# What brings events.
INGESTED = ("/api/v1/ingest/", "/v1/traces", "/v1/logs", "/v1/metrics", "/v1/cloudevents")


class ApiStack(TocsinStack):
    """The API and its functions."""

    def __init__(
        self,
        scope: Construct,
        *,
        config: Config,
        profile: Profile,
        tables: Tables,
        queues: Queues,
    ) -> None:
        super().__init__(scope, "api", config=config, description="API and its functions")
        layers = Layers(self, "Layers", profile=profile)
        props = Props(config=config, layers=layers, tables=tables)
        self.ingest = Ingest(self, "Ingest", props=props)
        api_layers = Layers(self, "ApiLayers", lock="api", profile=profile)
        api_props = Props(config=config, layers=api_layers, tables=tables)
        self.api = Api(self, "Api", props=api_props, queues=queues)
        routes = {
            **dict.fromkeys(INGESTED, self.ingest),
            "/": self.api,
        }
        self.gateway = profile.gateway(self, "Gateway", routes=routes, config=config)
        about = "The API's own address: all but the streams, without CloudFront"
        CfnOutput(self, "ApiUrl", value=self.gateway.url, description=about)
