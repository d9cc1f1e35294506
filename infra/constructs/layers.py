"""The Lambda layers: the shared package, and third-party packages from a lock."""

from typing import Literal

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import assets
from infra.profile import Profile

__all__ = ["RUNTIME", "Layers"]

RUNTIME = lambda_.Runtime.PYTHON_3_13


class Layers(Construct):
    """A stack's own layers. A layer shared between stacks could not be updated: every change
    replaces it, and an export that is in use can't change.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        lock: Literal["functions", "api", "deliver", "stream"] = "functions",
        profile: Profile,
    ) -> None:
        """Package ``tocsin`` and what ``requirements/<lock>.txt`` names."""
        super().__init__(scope, id)
        self.architecture = profile.architecture
        self.all = [
            lambda_.LayerVersion(
                self,
                name,
                code=lambda_.Code.from_asset(str(folder)),
                compatible_runtimes=[RUNTIME],
                compatible_architectures=[profile.architecture],
            )
            for name, folder in (
                ("Shared", assets.shared()),
                ("Dependencies", assets.dependencies(lock, profile.wheels)),
            )
        ]
