"""LocalStack 4.14, the last free line: the one that is given, or one started without Docker.

Not the Docker image: free of charge it accepts layers but does not apply them
(https://github.com/localstack/docs/pull/1293), and Tocsin's functions live on theirs.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from support import localstack_processes

__all__ = ["LocalStack", "localstack"]

REGION = "us-east-1"


@dataclass(frozen=True)
class LocalStack:
    """A LocalStack that answers."""

    url: str
    which: str  # for people

    @property
    def env(self) -> dict[str, str]:
        """What the AWS SDK of another process needs to find it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client that does not retry for long."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
            config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
        )


@contextmanager
def localstack() -> Iterator[LocalStack]:
    """Yield the LocalStack of ``LOCALSTACK_ENDPOINT``, which must apply layers, or start one."""
    if given := os.environ.get("LOCALSTACK_ENDPOINT"):
        yield LocalStack(given.rstrip("/"), f"the LocalStack at {given}")
        return
    with localstack_processes.started() as url:
        which = "LocalStack without Docker: functions as processes, DynamoDB by moto"
        yield LocalStack(url, which)
