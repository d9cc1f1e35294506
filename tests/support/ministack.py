"""A real DynamoDB, SQS and KMS API over HTTP: MiniStack, from its own environment."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import httpx
from botocore.config import Config

from support.waiting import HANG_SECONDS, until
from tocsin.local.addresses import LOOPBACK, reserve

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_PROGRAM = Path(__file__).parents[2] / ".venv-ministack" / "bin" / "ministack"


@dataclass(frozen=True)
class Server:
    """Where it listens, and its process."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def env(self) -> dict[str, str]:
        """What the AWS SDK of another process needs to find it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def client(self) -> "DynamoDBClient":
        """A client that does not retry for long."""
        return boto3.client(
            "dynamodb",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
            config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
        )

    def sqs(self) -> "SQSClient":
        """A client of the queues."""
        return boto3.client(
            "sqs",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
        )

    def s3(self) -> "S3Client":
        """A client of the buckets."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
            config=Config(s3={"addressing_style": "path"}),
        )

    def kms(self) -> "KMSClient":
        """A client of the keys."""
        return boto3.client(
            "kms",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
        )


@contextmanager
def dynamodb_server() -> Iterator[Server]:
    """Start it, wait until it answers, and end it."""
    if not _PROGRAM.exists():
        raise RuntimeError(f"{_PROGRAM} is missing: run `make .venv-ministack/.ready`")
    held = reserve(0)
    port = held.getsockname()[1]
    process = subprocess.Popen(  # noqa: S603 (our own installation)
        [str(_PROGRAM)],
        env={
            **os.environ,
            "GATEWAY_PORT": str(port),
            "BIND_HOST": LOOPBACK,
            "SERVICES": "dynamodb,dynamodbstreams,kms,s3,ses,sqs",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": "",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://{LOOPBACK}:{port}"
        _until_ready(url, process)
        yield Server(url, process)
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)
        held.close()


def _until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    def ready() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"MiniStack ended with {process.returncode}")
        with suppress(httpx.HTTPError):
            return httpx.get(f"{url}/_ministack/health", timeout=30).is_success
        return False

    until(ready, "MiniStack answers")
