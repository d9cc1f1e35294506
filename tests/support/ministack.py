"""A real DynamoDB, SQS and KMS API over HTTP: MiniStack, from its own environment."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
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

_REGION, _KEY = "us-east-1", "test"
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
            "AWS_REGION": _REGION,
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _KEY,
        }

    def client(self) -> "DynamoDBClient":
        """A client that does not retry for long."""
        config = Config(retries={"mode": "standard", "total_max_attempts": 3})
        return _session().client("dynamodb", endpoint_url=self.url, config=config)

    def sqs(self) -> "SQSClient":
        """A client of the queues."""
        return _session().client("sqs", endpoint_url=self.url)

    def s3(self) -> "S3Client":
        """A client of the buckets."""
        config = Config(s3={"addressing_style": "path"})
        return _session().client("s3", endpoint_url=self.url, config=config)

    def kms(self) -> "KMSClient":
        """A client of the keys."""
        return _session().client("kms", endpoint_url=self.url)


@cache
def _session() -> boto3.Session:
    """Whoever makes clients with the key that MiniStack takes."""
    return boto3.Session(region_name=_REGION, aws_access_key_id=_KEY, aws_secret_access_key=_KEY)


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
