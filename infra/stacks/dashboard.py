"""The page that people look at."""

from constructs import Construct

from infra.config import Config
from infra.constructs.dashboard import Dashboard
from infra.profile import Profile
from infra.stacks._stack import TocsinStack

__all__ = ["DashboardStack"]


class DashboardStack(TocsinStack):
    """The dashboard's files, which the edge serves."""

    def __init__(self, scope: Construct, *, config: Config, profile: Profile) -> None:
        super().__init__(scope, "dashboard", config=config, description="the dashboard's files")
        self.dashboard = Dashboard(self, "Dashboard", config=config, profile=profile)
