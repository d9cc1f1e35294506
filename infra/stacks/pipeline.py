"""From the journal to the ledger, and to what is derived from it."""

from collections.abc import Sequence

from constructs import Construct

from infra.config import Config
from infra.constructs.archive import Archive
from infra.constructs.checkpoint import Checkpoint
from infra.constructs.deliver import Deliver
from infra.constructs.detect import Detect
from infra.constructs.expire import Expire
from infra.constructs.fanout import Fanout
from infra.constructs.function import Props
from infra.constructs.layers import Layers
from infra.constructs.project import Project
from infra.constructs.queues import Queues
from infra.constructs.signing_key import SigningKey
from infra.constructs.sweeper import Sweeper
from infra.constructs.tables import Tables
from infra.constructs.valkey import Valkey
from infra.profile import Profile
from infra.stacks._stack import TocsinStack

__all__ = ["PipelineStack"]


class PipelineStack(TocsinStack):
    """Fan-out, project, detect, sweeper, and what signs, delivers and lets approvals expire."""

    def __init__(
        self,
        scope: Construct,
        *,
        config: Config,
        profile: Profile,
        tables: Tables,
        queues: Queues,
        key: SigningKey,
        archive: Archive | None,
        valkey: Valkey | None,
        networks: Sequence[str],
    ) -> None:
        """``networks`` are those of the environment itself, to which nothing is delivered."""
        about = "fan-out, project, detect, deliver, checkpoint, sweeper, expire"
        super().__init__(scope, "pipeline", config=config, description=about)
        layers = Layers(self, "Layers", profile=profile)
        props = Props(config=config, layers=layers, tables=tables, valkey=valkey)
        self.fanout = Fanout(self, "Fanout", props=props)
        self.project = Project(self, "Project", props=props, queues=queues)
        self.detect = Detect(self, "Detect", props=props)
        self.sweeper = Sweeper(self, "Sweeper", props=props)
        self.expire = Expire(self, "Expire", props=props, timers=queues.timers)
        deliver_layers = Layers(self, "DeliverLayers", lock="deliver", profile=profile)
        deliver_props = Props(config=config, layers=deliver_layers, tables=tables)
        self.checkpoint = Checkpoint(
            self,
            "Checkpoint",
            props=deliver_props,  # it verifies signatures, too, and asks witnesses
            key=key,
            archive=archive,
        )
        self.deliver = Deliver(
            self, "Deliver", props=deliver_props, queues=queues, denied_networks=networks
        )
