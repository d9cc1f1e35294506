"""What the stream service reads and may do, whatever hosts it."""

import json
from collections.abc import Mapping
from typing import Protocol

from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_iam as iam

from infra.config import Config
from infra.constructs.signals import Watched
from infra.constructs.tables import Tables
from infra.constructs.valkey import SUBSCRIBER, Valkey

__all__ = ["READ_TIMEOUT_SECONDS", "StreamHost", "allow_stream", "stream_environment"]

READ_TIMEOUT_SECONDS = 120  # of silence; the rarest keepalive comes every 30


class StreamHost(Watched, Protocol):
    """What the edge and the operators know about the service's host."""

    def origin(self) -> cloudfront.IOrigin:
        """Return the host as CloudFront reaches it."""


def stream_environment(
    *, config: Config, tables: Tables, valkey: Valkey | None
) -> Mapping[str, str]:
    """Return what ``tocsin.settings.StreamSettings`` reads."""
    return {
        **tables.environment,
        "TOCSIN_RETENTION_DAYS": str(config.retention_days),
        "TOCSIN_ALLOWED_ORIGINS": json.dumps(config.allowed_origins),
        **(valkey.environment(SUBSCRIBER) if valkey else {}),
        **{f"TOCSIN_{name.upper()}": value for name, value in config.stream_options.items()},
    }


def allow_stream(who: iam.IGrantable, *, tables: Tables, valkey: Valkey | None) -> None:
    """Let it check keys, read the ledger and the journal, and subscribe.

    It changes nothing but who is signed in, and which tickets are still good.
    """
    tables.allow(who, journal=["BatchGetItem"], ledger=["Query", "BatchGetItem"], state=["GetItem"])
    tables.allow_passes(who)
    if valkey is not None:
        valkey.allow(who, SUBSCRIBER)
