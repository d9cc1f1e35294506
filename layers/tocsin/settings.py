"""What each deployable reads from its environment; only ``bootstrap`` reads these."""

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tocsin.domain.limits import (
    KEY_REQUESTS_PER_MINUTE,
    MAX_STREAMS,
    PROJECT_SECONDS,
    RETENTION_DAYS,
    SIGN_IN_SECONDS,
)
from tocsin.wire.filters import is_event_type

__all__ = [
    "ON_THIS_MACHINE",
    "AdminSettings",
    "ApiSettings",
    "CheckpointSettings",
    "DeliverSettings",
    "DetectSettings",
    "ExpireSettings",
    "FanoutSettings",
    "IngestSettings",
    "ProjectSettings",
    "StoreSettings",
    "StreamSettings",
    "ValkeySettings",
]


ON_THIS_MACHINE = "file:"
"""What the path of a signing key or of an archive begins with."""

# As browsers send it (RFC 6454, section 6.2): lower case, a port only if it is not the scheme's.
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?", re.ASCII)
# What is sent in the clear must stay on this machine.
_CONFIDENTIAL = re.compile(r"https:|http://(localhost|127(\.[0-9]+){3}|\[::1\])(:|$)", re.ASCII)
# What a header can name as the sender, and nothing that could end the header.
_MAILBOX = re.compile(
    r"[A-Za-z0-9._+-]{1,64}@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.ASCII
)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TOCSIN_", frozen=True)


class StoreSettings(_Settings):
    """The three tables, which everything needs.

    The AWS SDK's own variables (``AWS_REGION``, ``AWS_ENDPOINT_URL`` …) say where they are.
    """

    journal_table: str
    ledger_table: str
    state_table: str


class IngestSettings(StoreSettings):
    """The ingest function; ``retention_days`` is how long the journal keeps a batch."""

    retention_days: int = RETENTION_DAYS


class AdminSettings(StoreSettings):
    """The command line's commands on the tables, run with AWS credentials."""

    retention_days: int = RETENTION_DAYS


class ProjectSettings(AdminSettings):
    """The project function.

    ``wakes_queue_url`` is the SQS queue that has endpoints looked at; ``tails_queue_url`` the one
    that has an org projected, ``project_seconds`` after something was sealed: what is sealed until
    then costs no further writes.
    """

    wakes_queue_url: str
    tails_queue_url: str
    project_seconds: int = Field(default=PROJECT_SECONDS, ge=1, le=900)


class DetectSettings(StoreSettings):
    """The detect function."""

    retention_days: int = RETENTION_DAYS


class ExpireSettings(StoreSettings):
    """The expire function; ``expiry_queue_url`` is the SQS queue of the approvals' timers."""

    expiry_queue_url: str
    retention_days: int = RETENTION_DAYS


class CheckpointSettings(StoreSettings):
    """The checkpoint function.

    ``signing_key`` is the id or ARN of a key in KMS (Ed25519, ML-DSA-44); or here ``file:`` and the
    path of one, which is made where there is none. Of several, with spaces between, each signs.
    ``archive`` is the S3 bucket, or ``file:`` and the folder, into which checkpoints and leaves are
    put; None: nowhere. ``witnesses`` is a policy (https://c2sp.org/tlog-policy), with its lines
    alone that name them if need be: those that have a URL are asked to cosign. ``retention_days``
    is how long the journal keeps a batch, for what a legal hold keeps beyond.
    """

    retention_days: int = RETENTION_DAYS
    signing_key: str = Field(pattern=r"\S")
    archive: str | None = None
    witnesses: str | None = None

    @field_validator("witnesses")
    @classmethod
    def _appointed(cls, policy: str | None) -> str | None:
        if not (policy and policy.strip()):
            return None
        from tocsin.wire.log.faults import BadFormat
        from tocsin.wire.log.witnesses import appointed

        try:
            appointed(policy)
        except BadFormat as error:
            raise ValueError(f"TOCSIN_WITNESSES: {error}") from error
        return policy


class _PublicUrl(_Settings):
    """What those who make links have in common.

    ``public_url`` is where people reach Tocsin: signed links begin with it, and without it there
    are none.
    """

    public_url: str | None = None

    @field_validator("public_url")
    @classmethod
    def _public(cls, url: str | None) -> str | None:
        if url is not None and not (_ORIGIN.fullmatch(url) and _CONFIDENTIAL.match(url)):
            raise ValueError(
                f"TOCSIN_PUBLIC_URL is {url!r}: write it without a path, like "
                "https://tocsin.example.com; http is for this machine's own addresses"
            )
        return url


class _Receivers(_Settings):
    """What those who take and those who use an endpoint's URL have in common.

    ``export_buckets`` (a JSON list) are the S3 buckets that exports may be put into. Mail comes
    from ``mail_from``; without it there is none. With ``loopback_receivers`` an endpoint may be on
    this machine, and be sent to in the clear.
    """

    export_buckets: frozenset[str] = frozenset()
    loopback_receivers: bool = False
    mail_from: str | None = None

    @field_validator("export_buckets")
    @classmethod
    def _buckets(cls, buckets: frozenset[str]) -> frozenset[str]:
        for bucket in buckets:
            if not _BUCKET.fullmatch(bucket):
                raise ValueError(f"TOCSIN_EXPORT_BUCKETS names {bucket!r}, which is no bucket")
        return buckets

    @field_validator("mail_from")
    @classmethod
    def _mailbox(cls, address: str | None) -> str | None:
        if address is not None and not _MAILBOX.fullmatch(address):
            raise ValueError(
                f"TOCSIN_MAIL_FROM is {address!r}: write the address alone, like tocsin@example.com"
            )
        return address


class DeliverSettings(StoreSettings, _PublicUrl, _Receivers):
    """The deliver function, which is on both queues and sends to both.

    Endpoints that are slow are woken through ``slow_wakes_queue_url``. Nothing is sent to an
    address in ``denied_networks`` (a JSON list of CIDRs), whatever else may be.
    """

    wakes_queue_url: str
    slow_wakes_queue_url: str
    retention_days: int = RETENTION_DAYS
    denied_networks: frozenset[IPv4Network | IPv6Network] = frozenset()


class ValkeySettings(StoreSettings):
    """The tables, and where Valkey is.

    That is ``valkey://host:6379``, ``valkeys://`` with TLS, or ``unix:///path``.

    With ``valkey_iam_user`` and ``valkey_cache_name`` it is an ElastiCache Serverless cache to sign
    in to with IAM, which takes TLS. The region is the AWS SDK's.
    """

    valkey_url: str | None = None
    valkey_iam_user: str | None = None
    valkey_cache_name: str | None = None

    @model_validator(mode="after")
    def _iam_is_whole(self) -> Self:
        if (self.valkey_iam_user is None) != (self.valkey_cache_name is None):
            raise ValueError("set both TOCSIN_VALKEY_IAM_USER and TOCSIN_VALKEY_CACHE_NAME")
        if self.valkey_iam_user is not None:
            url = urlsplit(self.valkey_url or "")
            if url.scheme != "valkeys" or "@" in url.netloc:
                raise ValueError(
                    "TOCSIN_VALKEY_IAM_USER needs a TOCSIN_VALKEY_URL like valkeys://host:6379"
                )
        return self


class FanoutSettings(ValkeySettings):
    """The fan-out function and the sweeper. Without ``valkey_url`` nothing is published."""

    retention_days: int = RETENTION_DAYS


class _Browsers(_Settings):
    """What services that browsers call have in common."""

    allowed_origins: frozenset[str] = frozenset()

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, origins: frozenset[str]) -> frozenset[str]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"TOCSIN_ALLOWED_ORIGINS names {origin!r}, which is no origin: write it as "
                    "browsers do, like https://dashboard.example.com"
                )
        return origins


class ApiSettings(StoreSettings, _Browsers, _PublicUrl, _Receivers):
    """The API function.

    ``expiry_queue_url`` is the SQS queue that says when approvals are due. ``allowed_origins`` (a
    JSON list) are the web pages of other origins that may call from a browser, also with a
    sign-in's cookie, which lasts ``sign_in_seconds``. A key may make ``key_requests_per_minute``.
    """

    expiry_queue_url: str
    retention_days: int = RETENTION_DAYS
    sign_in_seconds: int = Field(default=SIGN_IN_SECONDS, ge=60)
    key_requests_per_minute: int = Field(default=KEY_REQUESTS_PER_MINUTE, ge=1)


class StreamSettings(ValkeySettings, _Browsers):
    """The stream service. Without ``valkey_url`` it looks at the ledger's head instead.

    Where a response must not last or grow for ever, ``stream_max_seconds`` and ``stream_max_bytes``
    end each stream before that, between two messages; its client resumes where it ended.

    An org has ``max_streams_per_org`` at most, half of ``max_streams`` unless it is set, so that
    nobody takes every seat. A key has ``max_streams_per_key``, or as many as its org.

    ``stream_types`` are the event types that streams may show at most, comma-separated. With
    ``token_in_query`` a key is also taken as ``?token=``. ``bare_events_route`` says what a plain
    ``GET /api/v1/events`` is. Without ``heartbeat_seconds`` each dialect keeps to its document. A
    client that takes nothing for ``stall_seconds`` is given up. Clients whose streams are cut come
    back within ``reconnect_spread_seconds`` of each other.

    With ``metrics_namespace`` the service tells CloudWatch of itself: one line of the embedded
    metric format a minute on standard output.

    ``allowed_origins`` (a JSON list) are the web pages of other origins that may call from a
    browser, also with a sign-in's cookie.
    """

    stream_types: Annotated[frozenset[str] | None, NoDecode] = None
    max_streams: int = Field(default=MAX_STREAMS, ge=1)
    max_streams_per_org: int | None = Field(default=None, ge=1)
    max_streams_per_key: int | None = Field(default=None, ge=1)
    token_in_query: bool = True
    bare_events_route: Literal["stream", "list"] = "stream"
    heartbeat_seconds: float | None = Field(default=None, gt=0)
    stall_seconds: float = Field(default=60.0, gt=0)
    reconnect_spread_seconds: float = Field(default=10.0, ge=0)
    metrics_namespace: str | None = None
    look_seconds: float = 5.0
    ring_events: int = 4_096
    retention_days: int = RETENTION_DAYS
    stream_max_seconds: float | None = Field(default=None, gt=0)
    stream_max_bytes: int | None = Field(default=None, ge=1_048_576)  # any message is smaller

    @property
    def streams_per_org(self) -> int:
        """How many streams an org may have in a process."""
        return self.max_streams_per_org or max(1, self.max_streams // 2)

    @field_validator("stream_types", mode="before")
    @classmethod
    def _known_types(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        types = frozenset(type.strip() for type in value.split(","))
        if unknown := sorted(type for type in types if not is_event_type(type)):
            raise ValueError(f"TOCSIN_STREAM_TYPES names {unknown[0]!r}, which is no event type")
        return types
