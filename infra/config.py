"""What a deployment can choose: one object, read from CDK's context and passed down.

``cdk.json`` holds an environment's choices under ``tocsin``; ``-c name=value`` overrides one.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = ["CONTEXT_KEY", "Config"]

CONTEXT_KEY = "tocsin"


def _several(value: object) -> object:
    """Read ``a,b`` from the command line as a list."""
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


# As browsers send it: no path, no capital letter, no wildcard.
_Origin = Annotated[str, Field(pattern=r"^https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?$")]


class Config(BaseModel):
    """The choices, with their defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str = Field("dev", pattern=r"^[a-z][a-z0-9-]{0,15}$")
    region: str = "us-east-1"
    profile: Literal["account", "localstack"] = "account"
    removal: Literal["retain", "destroy"] = "retain"  # of the tables, when their stack is deleted

    stream: Literal["fargate", "lambda"] = "fargate"
    bus: Literal["valkey", "ledger"] = "valkey"
    image: Literal["docker", "codebuild"] = "codebuild"  # unless this machine's Docker is ARM

    retention_days: int = Field(90, ge=1, le=3650)  # of the journal, and so of a stream's backlog
    log_retention_days: Literal[1, 7, 30, 90, 365] = 30
    allowed_origins: Annotated[tuple[_Origin, ...], BeforeValidator(_several)] = ()  # CORS

    requests_per_second: int = Field(1_000, ge=1)  # to the API, for all orgs together
    request_burst: int = Field(2_000, ge=1)
    batch_window_seconds: int = Field(1, ge=0, le=10)  # how long the fan-out waits for more records
    stream_tasks_min: int = Field(1, ge=1)
    stream_tasks_max: int = Field(4, ge=1)
    connections_per_task: int = Field(5_000, ge=1)  # beyond this another task is started
    stream_concurrency: int | None = Field(None, ge=1)  # reserved, where Lambda is the host
    stream_options: dict[str, str] = {}  # more of its settings: {"max_streams_per_org": "100"}

    tracing: bool = False  # X-Ray; costs as much as a third of everything else
    alarm_email: str | None = None

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Self:
        """Read the choices from CDK's context.

        Raises:
            ValidationError: a name is unknown or a value is not allowed; it says which.
        """
        chosen = context.get(CONTEXT_KEY) or {}
        if isinstance(chosen, str):
            chosen = json.loads(chosen)
        given = {name: context[name] for name in cls.model_fields if name in context}
        return cls.model_validate({**chosen, **given})

    @property
    def streams_per_task(self) -> int:
        """How many streams a task takes at most; above the target, for while other tasks start."""
        return int(self.stream_options.get("max_streams", 2 * self.connections_per_task))

    @model_validator(mode="after")
    def _tasks(self) -> Self:
        if self.stream_tasks_max < self.stream_tasks_min:
            raise ValueError("stream_tasks_max is less than stream_tasks_min")
        return self
