"""Small Lambda functions for tests, made of source text."""

import io
import json
import platform
import zipfile
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from support.localstack import LocalStack

__all__ = ["Functions", "Result", "archive"]

_ROLE = "arn:aws:iam::000000000000:role/any"


def archive(files: Mapping[str, str]) -> bytes:
    """Return a zip archive of these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return content.getvalue()


@dataclass(frozen=True)
class Result:
    """What an invocation gave."""

    payload: Any
    error: str | None  # "Unhandled"
    log: str  # its last 4 KB


@dataclass
class Functions:
    """Makes functions and mappings, and removes them."""

    localstack: LocalStack
    _names: list[str] = field(default_factory=list)
    _mappings: list[str] = field(default_factory=list)

    @property
    def client(self) -> Any:
        """The Lambda client."""
        return self.localstack.client("lambda")

    def layer(self, files: Mapping[str, str]) -> str:
        """Publish a layer; return the ARN of its version."""
        published = self.client.publish_layer_version(
            LayerName=f"layer-{uuid4().hex[:8]}", Content={"ZipFile": archive(files)}
        )
        return str(published["LayerVersionArn"])

    def create(
        self,
        source: str,
        *,
        layers: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        timeout_seconds: int = 10,
        runtime: str = "python3.13",
        wait: bool = True,
    ) -> str:
        """Create a function, active unless not waited for; ``source`` has its ``handler``."""
        name = f"function-{uuid4().hex[:8]}"
        self.client.create_function(
            FunctionName=name,
            Runtime=runtime,
            Handler="main.handler",
            Role=_ROLE,
            Code={"ZipFile": archive({"main.py": source})},
            Layers=list(layers),
            Environment={"Variables": dict(env or {})},
            Timeout=timeout_seconds,
            Architectures=["arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"],
        )
        if wait:
            waiter = self.client.get_waiter("function_active_v2")
            waiter.wait(FunctionName=name, WaiterConfig={"Delay": 1})
            self._names.append(name)  # LocalStack can't delete one that failed
        return name

    def configuration(self, name: str) -> Any:
        """Return the function's configuration."""
        return self.client.get_function_configuration(FunctionName=name)

    def invoke(self, name: str, event: Any) -> Result:
        """Invoke, and wait for the answer."""
        answer = self.client.invoke(
            FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail"
        )
        return Result(
            json.load(answer["Payload"]),
            answer.get("FunctionError"),
            b64decode(answer.get("LogResult", "")).decode(),
        )

    def map(self, name: str, source_arn: str, **settings: Any) -> None:
        """Feed a stream to a function, from its beginning."""
        mapping = self.client.create_event_source_mapping(
            FunctionName=name,
            EventSourceArn=source_arn,
            StartingPosition="TRIM_HORIZON",
            **settings,
        )
        self._mappings.append(mapping["UUID"])

    def logged(self, name: str) -> list[str]:
        """Return the lines in the function's log group."""
        logs = self.localstack.client("logs")
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"].rstrip("\n") for event in found["events"]]

    def remove(self) -> None:
        """Remove what was made."""
        for mapping in self._mappings:
            self.client.delete_event_source_mapping(UUID=mapping)
        for name in self._names:
            self.client.delete_function(FunctionName=name)
