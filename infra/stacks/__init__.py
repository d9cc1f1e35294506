"""The stacks. Each only composes constructs; this module composes the stacks."""

from constructs import Construct

from infra.config import Config
from infra.constructs.network import Network
from infra.constructs.signals import Watched
from infra.constructs.stream import StreamHost
from infra.constructs.tables import Tables
from infra.constructs.valkey import Valkey
from infra.profile import Profile
from infra.stacks.api import ApiStack
from infra.stacks.bus import BusStack
from infra.stacks.dashboard import DashboardStack
from infra.stacks.data import DataStack
from infra.stacks.edge import EdgeStack
from infra.stacks.network import NetworkStack
from infra.stacks.operations import OperationsStack
from infra.stacks.pipeline import PipelineStack
from infra.stacks.stream import FargateStack, LambdaStack

__all__ = ["build"]


def build(scope: Construct, config: Config) -> None:
    """Create the stacks of one environment.

    A setting adds and removes whole stacks; one that is no longer named here has to be deleted
    by hand, when the others have been deployed without it.
    """
    profile = Profile.of(config)
    data = DataStack(scope, config=config, profile=profile)
    tables = data.tables
    queues = data.queues
    api = ApiStack(scope, config=config, profile=profile, tables=tables, queues=queues)
    watched: list[Watched] = [api.gateway, api.ingest, api.api]

    network = valkey = None
    if profile.network_stream_and_edge:
        if config.stream == "fargate" or config.bus == "valkey":
            network = NetworkStack(scope, config=config).network
        if config.bus == "valkey" and network:
            valkey = BusStack(scope, config=config, network=network).valkey
            watched.append(valkey)

    pipeline = PipelineStack(
        scope,
        config=config,
        profile=profile,
        tables=tables,
        queues=queues,
        key=data.signing_key,
        archive=data.archive,
        valkey=valkey,
        networks=[network.cidr] if network else [],
    )
    watched += [pipeline.fanout, pipeline.project, pipeline.detect, pipeline.deliver]
    watched += [pipeline.sweeper, pipeline.expire, pipeline.checkpoint]

    dashboard = DashboardStack(scope, config=config, profile=profile).dashboard
    if profile.network_stream_and_edge:
        stream = _stream(scope, config, profile, tables, network, valkey)
        EdgeStack(scope, config=config, gateway=api.gateway, stream=stream, dashboard=dashboard)
        watched.append(stream)

    OperationsStack(scope, config=config, profile=profile, parts=watched)


def _stream(
    scope: Construct,
    config: Config,
    profile: Profile,
    tables: Tables,
    network: Network | None,
    valkey: Valkey | None,
) -> StreamHost:
    if config.stream == "fargate" and network:
        return FargateStack(
            scope, config=config, network=network, tables=tables, valkey=valkey
        ).host
    return LambdaStack(scope, config=config, profile=profile, tables=tables, valkey=valkey).host
