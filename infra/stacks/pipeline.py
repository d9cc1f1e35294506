"""From the journal to the ledger, and to what is derived from it."""

from constructs import Construct

from infra.config import Config
from infra.constructs.fanout import Fanout
from infra.constructs.function import Props
from infra.constructs.layers import Layers
from infra.constructs.project import Project
from infra.constructs.sweeper import Sweeper
from infra.constructs.tables import Tables
from infra.constructs.valkey import Valkey
from infra.profile import Profile
from infra.stacks._stack import TocsinStack

__all__ = ["PipelineStack"]


class PipelineStack(TocsinStack):
    """Fan-out, project and sweeper."""

    def __init__(
        self,
        scope: Construct,
        *,
        config: Config,
        profile: Profile,
        tables: Tables,
        valkey: Valkey | None,
    ) -> None:
        super().__init__(scope, "pipeline", config=config, description="fan-out, project, sweeper")
        layers = Layers(self, "Layers", profile=profile)
        props = Props(config=config, layers=layers, tables=tables, valkey=valkey)
        self.fanout = Fanout(self, "Fanout", props=props)
        self.project = Project(self, "Project", props=props)
        self.sweeper = Sweeper(self, "Sweeper", props=props)
