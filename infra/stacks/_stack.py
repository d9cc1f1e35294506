"""What all stacks share."""

from typing import Any

from aws_cdk import Environment, Stack, Tags
from constructs import Construct

from infra.config import Config

__all__ = ["TocsinStack"]


class TocsinStack(Stack):
    """A stack named ``tocsin-<environment>-<part>``, tagged so that its costs can be told apart."""

    def __init__(self, scope: Construct, part: str, *, config: Config, description: str) -> None:
        """Create an empty stack in the configured region, in whichever account deploys it."""
        name = f"tocsin-{config.environment}-{part}"
        super().__init__(
            scope,
            name,
            description=f"Tocsin: {description}",
            env=Environment(region=config.region),
            termination_protection=part == "data" and config.removal == "retain",
        )
        Tags.of(self).add("project", "tocsin")
        Tags.of(self).add("environment", config.environment)

    def keep(self, *values: Any) -> None:
        """Export these, even if no other stack imports them in this configuration.

        An export can't be removed while a deployed stack still imports it, so a setting that
        changes who imports what must not change what is exported.
        """
        for value in values:
            self.export_value(value)
