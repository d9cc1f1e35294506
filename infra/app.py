"""The CDK application: ``python -m infra.app``, which ``cdk`` starts (see ``cdk.json``)."""

import subprocess
import sys

from aws_cdk import App
from pydantic import ValidationError

from infra.config import Config
from infra.stacks import build


def _docker_builds_for_arm() -> bool:
    """Whether this machine has a Docker that builds the stream's image without emulation."""
    command = ["docker", "version", "--format", "{{.Server.Arch}}"]
    try:
        found = subprocess.run(command, capture_output=True, timeout=10, text=True)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0 and found.stdout.strip() == "arm64"


def main() -> None:
    """Write the templates for the choices in CDK's context."""
    app = App()
    context = dict(app.node.get_all_context())
    context.setdefault("image", "docker" if _docker_builds_for_arm() else "codebuild")
    try:
        config = Config.from_context(context)
    except ValidationError as error:
        sys.exit(f"cdk.json or -c: {error}")
    build(app, config)
    app.synth()


if __name__ == "__main__":
    main()
