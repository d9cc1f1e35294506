"""What a deployment can choose: one object, read from CDK's context and passed down.

``cdk.json`` holds an environment's choices under ``tocsin``; ``-c name=value`` overrides one.
"""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from infra import zones

__all__ = ["CONTEXT_KEY", "PRESETS", "Config"]

CONTEXT_KEY = "tocsin"

# Of a function's variables, which have 4 KB; the rest is for names, addresses and numbers.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_VARIABLES_CHARS = 2_000

# What a preset chooses; what is chosen beside it counts more.
PRESETS: Mapping[str, Mapping[str, str]] = {
    "standard": {"stream": "fargate", "bus": "valkey"},
    # No VPC, no image; and for accounts that run ten functions at once, most are left to requests.
    "try": {"stream": "lambda", "bus": "ledger", "deliveries_at_once": "2"},
}


def _several(value: object) -> object:
    """Read ``a,b`` from the command line as a list."""
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


_Zone = Annotated[str, Field(pattern=r"^([a-z]+[0-9]+-az[0-9]+|[a-z]+(-[a-z]+)+-[0-9][a-z])$")]

# As browsers send it: no path, no capital letter, no wildcard.
_Origin = Annotated[str, Field(pattern=r"^https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?$")]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]

# https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html
_Key = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9a-z-]+$")]

# What stands behind `witness` in a line of https://c2sp.org/tlog-policy: name, verifier key, URL;
# and the types of keys that cosign: https://c2sp.org/tlog-cosignature
_WITNESS = re.compile(
    r"[!-+\--~]+ ([!-*\--~]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})"
    r" https://[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9._~/%-]*)?"
)
_COSIGNING_BYTES = {4: 32, 6: 1_312}


def _cosigns(witness: str) -> str:
    """Refuse what the function would refuse when it is deployed: nothing would be signed then."""
    if not (found := _WITNESS.fullmatch(witness)):
        raise ValueError(f"{witness!r} is not a name, a verifier key and an https URL")
    name, id, encoded = found.groups()
    try:
        typed = b64decode(encoded, validate=True)
    except binascii.Error:
        typed = b""
    if not typed or len(typed) - 1 != _COSIGNING_BYTES.get(typed[0]):
        raise ValueError(f"the key {name}+{id} is none that makes cosignatures")
    if sha256(f"{name}\n".encode() + typed).digest()[:4].hex() != id:
        raise ValueError(f"the key {name}+{id} is cut or changed: its id does not fit")
    return witness


_Witness = Annotated[str, AfterValidator(_cosigns)]

# What stands alone in a header and a policy: no name beside it, no wildcard.
_ADDRESS = r"^[A-Za-z0-9._+-]{1,64}@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$"

# What no deployment may turn on: it would let endpoints be where only Lambda's own parts are.
_NO_OPTIONS = frozenset({"loopback_receivers"})

# CloudFront takes them from this region alone: https://docs.aws.amazon.com/AmazonCloudFront/latest/
# DeveloperGuide/cnames-and-https-requirements.html
_CERTIFICATE = r"^arn:aws:acm:us-east-1:[0-9]{12}:certificate/[0-9a-f-]+$"


class Config(BaseModel):
    """The choices, with their defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Part of Valkey's names: no hyphen at their end, nor two in a row.
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateServerlessCache.html
    environment: str = Field("dev", max_length=16, pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
    region: str = "us-east-1"
    zones: Annotated[tuple[_Zone, ...], BeforeValidator(_several)] = ()  # two; by id, or by name
    profile: Literal["account", "localstack"] = "account"
    removal: Literal["retain", "destroy"] = "retain"  # of the tables, when their stack is deleted

    preset: Literal["standard", "try"] = "standard"
    stream: Literal["fargate", "lambda"] = "fargate"
    bus: Literal["valkey", "ledger"] = "valkey"
    image: Literal["docker", "codebuild"] = "codebuild"  # unless this machine's Docker is ARM

    retention_days: int = Field(90, ge=1, le=3650)  # of the journal, and so of a stream's backlog
    log_retention_days: Literal[1, 7, 30, 90, 365] = 30
    allowed_origins: Annotated[tuple[_Origin, ...], BeforeValidator(_several)] = ()  # CORS

    domain: str | None = Field(None, pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$")
    certificate: str | None = Field(None, pattern=_CERTIFICATE)  # for it
    # Where people reach it, for signed links. Only a domain is known before CloudFront is there.
    public_url: str | None = Field(None, pattern=r"^https://[a-z0-9.-]+$", max_length=261)

    requests_per_second: int = Field(1_000, ge=1)  # to the API, for all orgs together
    request_burst: int = Field(2_000, ge=1)
    batch_window_seconds: int = Field(1, ge=0, le=10)  # how long the fan-out waits for more records
    stream_tasks_min: int = Field(1, ge=1)
    stream_tasks_max: int = Field(4, ge=1)
    connections_per_task: int = Field(5_000, ge=1)  # beyond this another task is started
    stream_concurrency: int | None = Field(None, ge=1)  # reserved, where Lambda is the host
    stream_options: dict[str, str] = {}  # more of its settings: {"max_streams_per_org": "100"}

    api_options: dict[str, str] = {}  # the API's settings: {"key_requests_per_minute": "9000"}
    tracing: bool = False  # X-Ray; costs as much as a third of everything else
    alarm_email: str | None = None

    deliveries_at_once: int = Field(20, ge=2, le=1_000)  # an org takes three at most
    mail_from: str | None = Field(None, pattern=_ADDRESS, max_length=254)  # verified in SES
    export_buckets: Annotated[tuple[_Bucket, ...], BeforeValidator(_several)] = ()

    # Keys of KMS (Ed25519, ML-DSA-44) that sign checkpoints, each of them, in place of the
    # environment's own.
    signing_keys: Annotated[tuple[_Key, ...], BeforeValidator(_several)] = Field((), max_length=5)
    # Where checkpoints and leaves are kept: in a bucket that is made, by Object Lock's modes; or in
    # one that is there.
    archive: Literal["none", "governance", "compliance"] = "none"
    archive_days: int = Field(365, ge=1, le=36_500)  # for which each object is locked
    archive_bucket: _Bucket | None = None
    # Who is asked to cosign checkpoints: "<name> <verifier key> <url>".
    witnesses: Annotated[tuple[_Witness, ...], BeforeValidator(_several)] = Field((), max_length=32)

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
    def address(self) -> str | None:
        """Where people reach it; None: nobody has said, and there is no domain."""
        return self.public_url or (f"https://{self.domain}" if self.domain else None)

    @property
    def slow_deliveries_at_once(self) -> int:
        """The same to endpoints that are slow, beside the others."""
        return max(2, self.deliveries_at_once // 2)

    @property
    def streams_per_task(self) -> int:
        """How many streams a task takes at most; above the target, for while other tasks start."""
        return int(self.stream_options.get("max_streams", 2 * self.connections_per_task))

    @property
    def two_zones(self) -> tuple[str, ...]:
        """Where the network is: two zones, by id or name; none stands for a region's first two."""
        return self.zones or zones.DEFAULT.get(self.region, ())

    @model_validator(mode="before")
    @classmethod
    def _presets(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {**PRESETS.get(str(given.get("preset")), {}), **given}

    @model_validator(mode="after")
    def _places(self) -> Self:
        if self.zones and len(set(self.zones)) != 2:
            raise ValueError("zones are two, such as use1-az2,use1-az4")
        for zone in self.zones:
            if zone in zones.UNFIT:
                raise ValueError(f"zones: {zone} can't be used: {zones.UNFIT[zone]}")
            if not zones.is_id(zone) and zone[:-1] != self.region:
                raise ValueError(f"zones: {zone} is not in {self.region}")
        if (self.domain is None) is not (self.certificate is None):
            raise ValueError("domain and certificate go together")
        return self

    @model_validator(mode="after")
    def _signing(self) -> Self:
        if self.archive_bucket and self.archive != "none":
            raise ValueError("archive makes a bucket, and archive_bucket names one: choose one")
        if len(set(self.signing_keys)) < len(self.signing_keys):
            raise ValueError("signing_keys names a key twice")
        for key in self.signing_keys:
            if key.split(":")[3] != self.region:
                raise ValueError(f"signing_keys: {key} is not in {self.region}")
        return self

    @model_validator(mode="after")
    def _cosigning(self) -> Self:
        fields = [each.split() for each in self.witnesses]
        names, keys = (
            {name for name, _, _ in fields},
            {key.split("+", 2)[2] for _, key, _ in fields},
        )
        if min(len(names), len(keys)) < len(fields):
            raise ValueError("witnesses has a name or a key twice")
        if "none" in names:
            raise ValueError("witnesses: `none` is nobody's name in a policy")
        if (chars := sum(map(len, self.witnesses))) > _VARIABLES_CHARS:
            raise ValueError(
                f"witnesses take {chars} characters, more than {_VARIABLES_CHARS}: a function's "
                "variables have 4 KB"
            )
        return self

    @model_validator(mode="after")
    def _variables(self) -> Self:
        lists = (self.allowed_origins, self.export_buckets)
        given = (*lists, self.api_options, self.stream_options)
        chars = sum(len(json.dumps(each)) for each in given)
        if chars > _VARIABLES_CHARS:
            raise ValueError(
                "allowed_origins, export_buckets, api_options and stream_options take "
                f"{chars} characters, more than {_VARIABLES_CHARS}: a function's variables have "
                "4 KB"
            )
        return self

    @model_validator(mode="after")
    def _options(self) -> Self:
        for option in _NO_OPTIONS & {name.lower() for name in self.api_options}:
            raise ValueError(f"api_options: {option} is for one's own machine")
        return self

    @model_validator(mode="after")
    def _tasks(self) -> Self:
        if self.stream_tasks_max < self.stream_tasks_min:
            raise ValueError("stream_tasks_max is less than stream_tasks_min")
        return self
