"""What a deployment would fail on half-way, asked before it: ``python -m infra.preflight``.

Every call reads; nothing is made or changed. Choices are those of ``cdk.json``, and
``name=value`` on the command line, as ``-c`` gives them to ``cdk``.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from infra import zones
from infra.config import Config

__all__ = ["Clients", "Finding", "State", "main", "preflight"]

_CDK_JSON = Path(__file__).resolve().parent.parent / "cdk.json"

# https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-customizing.html
_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
# "Concurrently running builds for ARM/Small environment":
# https://docs.aws.amazon.com/codebuild/latest/userguide/limits.html
_BUILDS = "L-5ED1D25B"
# "Concurrent executions": https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_EXECUTIONS, _FEW = "L-B99A9384", 100
# That a queue can be taken from: https://docs.aws.amazon.com/lambda/latest/api/API_ScalingConfig.html
_FEWEST = 2
# What their first use in an account needs, and CloudFormation does not wait for:
# https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/using-service-linked-roles.html
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
_ELASTICACHE = ("AWSServiceRoleForElastiCache", "elasticache.amazonaws.com")
_ECS = ("AWSServiceRoleForECS", "ecs.amazonaws.com")
# Those who may make none are told by CloudFront itself, in words like these:
_UNVERIFIED = "Your account must be verified before you can add new CloudFront resources"


class State(StrEnum):
    """What was found."""

    OK = "ok"
    UNSURE = "unsure"  # it may work; no call tells
    MISSING = "missing"  # the deployment would fail, or not do what was chosen


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and the way out if that is needed."""

    state: State
    about: str
    way_out: str = ""


class Clients(Protocol):
    """Makes clients of AWS' services, as ``boto3.client`` does."""

    def __call__(self, service: str, *, region_name: str) -> Any:
        """Return the service's client in the region."""


def preflight(config: Config, clients: Clients) -> Iterator[Finding]:
    """Yield what every check finds; one that is not allowed to ask says so."""
    for name, check in _CHECKS.items():
        try:
            yield from check(config, clients)
        except Exception as error:  # botocore's, which is not installed beside CDK
            if not type(error).__module__.startswith("botocore."):
                raise
            yield Finding(State.UNSURE, f"{name}: {error}", "allow the call, or look yourself")


def _bootstrapped(config: Config, clients: Clients) -> Iterator[Finding]:
    ssm = clients("ssm", region_name=config.region)
    try:
        version = ssm.get_parameter(Name=_BOOTSTRAP)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        way_out = f"cdk bootstrap aws://<account>/{config.region}"
        yield Finding(State.MISSING, "CDK has no bucket and roles here", way_out)
    else:
        yield Finding(State.OK, f"CDK is bootstrapped (version {version})")


def _placed(config: Config, clients: Clients) -> Iterator[Finding]:
    if not _has_network(config):
        return
    ec2 = clients("ec2", region_name=config.region)
    kind = {"Name": "zone-type", "Values": ["availability-zone"]}
    found = ec2.describe_availability_zones(Filters=[kind])["AvailabilityZones"]
    ids = {each["ZoneName"]: each["ZoneId"] for each in found if each["State"] == "available"}
    fit = sorted(id for id in ids.values() if id not in zones.UNFIT)
    way_out = f"-c zones={','.join(fit[:2])}" if len(fit) > 1 else "deploy to another region"
    for zone in config.two_zones or sorted(ids)[:2]:
        id = zone if zones.is_id(zone) else ids.get(zone, "")
        if id not in ids.values():
            yield Finding(State.MISSING, f"zone {zone} is none of this account's", way_out)
        elif id in zones.UNFIT:
            yield Finding(State.MISSING, f"zone {zone} ({id}): {zones.UNFIT[id]}", way_out)
        else:
            yield Finding(State.OK, f"zone {zone} can be used")


def _builds(config: Config, clients: Clients) -> Iterator[Finding]:
    if config.stream != "fargate" or config.image != "codebuild":
        return
    quota = _quota(config, clients, "codebuild", _BUILDS)
    about = f"CodeBuild runs {quota:g} small ARM builds at once"
    if quota >= 1:
        yield Finding(State.OK, about)
    else:
        ask = _ask_for(config, "codebuild", _BUILDS, 1)
        way_out = f"{ask}; or deploy where Docker is ARM (-c image=docker); or -c preset=try"
        yield Finding(State.MISSING, about, way_out)


def _executions(config: Config, clients: Clients) -> Iterator[Finding]:
    settings = clients("lambda", region_name=config.region).get_account_settings()
    limit = settings["AccountLimit"]["ConcurrentExecutions"]
    about = f"Lambda runs {limit} functions at once"
    reserved = config.stream_concurrency or 0
    if reserved and limit - reserved < _FEW:
        way_out = _ask_for(config, "lambda", _EXECUTIONS, reserved + 1_000)
        about += f", and has to keep {_FEW} that are not reserved: no {reserved} are to be had"
        yield Finding(State.MISSING, about, way_out)
    elif limit >= _FEW:
        yield Finding(State.OK, about)
    else:
        viewers = "each viewer takes one, " if config.stream == "lambda" else ""
        most = config.deliveries_at_once + config.slow_deliveries_at_once
        about += f": {viewers}deliveries take {most} at most, and requests beyond get a 5xx"
        way_out = _ask_for(config, "lambda", _EXECUTIONS, 1_000)
        if config.deliveries_at_once > _FEWEST:
            way_out += f"; until then -c deliveries_at_once={_FEWEST}"
        yield Finding(State.UNSURE, about, way_out)


def _roles(config: Config, clients: Clients) -> Iterator[Finding]:
    needed = [_ELASTICACHE] if config.bus == "valkey" else []
    needed += [_ECS] if config.stream == "fargate" else []
    iam = clients("iam", region_name=config.region)
    for role, service in needed:
        try:
            iam.get_role(RoleName=role)
        except iam.exceptions.NoSuchEntityException:
            way_out = f"aws iam create-service-linked-role --aws-service-name {service}"
            yield Finding(State.MISSING, f"{role} is not there", way_out)
        else:
            yield Finding(State.OK, f"{role} is there")


def _verified(config: Config, clients: Clients) -> Iterator[Finding]:
    cloudfront = clients("cloudfront", region_name="us-east-1")
    if cloudfront.list_distributions(MaxItems="1")["DistributionList"]["Quantity"]:
        yield Finding(State.OK, "CloudFront serves this account")
    else:
        about = "CloudFront serves nothing of this account yet; some new accounts may not use it"
        way_out = (
            f"deploy, and if it says «{_UNVERIFIED}», ask AWS Support in a case about the account "
            "(free of charge); until then the `api` and stream stacks' own addresses work"
        )
        yield Finding(State.UNSURE, about, way_out)


def _certified(config: Config, clients: Clients) -> Iterator[Finding]:
    if config.domain is None:
        return
    acm = clients("acm", region_name="us-east-1")
    found = acm.describe_certificate(CertificateArn=config.certificate)["Certificate"]
    names = found["SubjectAlternativeNames"]
    parent = config.domain.partition(".")[2]
    if found["Status"] != "ISSUED":
        way_out = "add the DNS records that ACM shows, and wait until it is issued"
        yield Finding(State.MISSING, f"the certificate is {found['Status']}", way_out)
    elif not {config.domain, f"*.{parent}"} & set(names):
        about = f"the certificate is for {', '.join(names)}"
        yield Finding(State.MISSING, about, f"request one for {config.domain} in us-east-1")
    else:
        yield Finding(State.OK, f"the certificate is for {config.domain}")


def _mailing(config: Config, clients: Clients) -> Iterator[Finding]:
    if config.mail_from is None:
        return
    ses = clients("sesv2", region_name=config.region)
    if not any(_sends(ses, identity) for identity in _identities(config.mail_from)):
        ask = f"aws sesv2 create-email-identity --region {config.region} --email-identity"
        about = f"SES knows neither {config.mail_from} nor its domain as verified"
        yield Finding(State.MISSING, about, f"{ask} {config.mail_from}, and follow its mail")
    elif not ses.get_account()["ProductionAccessEnabled"]:
        about = "SES is in its sandbox: mail goes to verified addresses alone, 200 a day"
        yield Finding(State.UNSURE, about, "ask for production access in the console of SES")
    else:
        yield Finding(State.OK, f"SES sends from {config.mail_from}")


def _identities(address: str) -> Iterator[str]:
    """Yield what an address may be verified by: itself, or a domain that it is in.

    https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
    """
    yield address
    domain = address.partition("@")[2]
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]


def _sends(ses: Any, identity: str) -> bool:
    try:
        return bool(ses.get_email_identity(EmailIdentity=identity)["VerifiedForSendingStatus"])
    except ses.exceptions.NotFoundException:
        return False


def _buckets(config: Config, clients: Clients) -> Iterator[Finding]:
    archives = (config.archive_bucket,) if config.archive_bucket else ()
    wanted = (*config.export_buckets, *archives)
    if not wanted:
        return
    s3 = clients("s3", region_name=config.region)
    own = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for bucket in wanted:
        if bucket in own:
            yield Finding(State.OK, f"bucket {bucket} is there")
        else:
            about = f"bucket {bucket} is none of this account's: nothing would be put there"
            yield Finding(State.MISSING, about, f"aws s3 mb s3://{bucket}, or take another name")
    for bucket in own.intersection(archives):
        if not _keeps(s3, bucket):
            about = f"bucket {bucket} keeps nothing that is removed or put again"
            yield Finding(
                State.UNSURE, about, "docs/deploy.md, Signed checkpoints: how to make one that does"
            )


def _archived(config: Config, clients: Clients) -> Iterator[Finding]:
    """Whether an archive that is deployed would be withdrawn from a stack that imports it.

    CloudFormation refuses that: an export that is in use can't go.
    """
    if config.archive != "none":
        return
    cloudformation = clients("cloudformation", region_name=config.region)
    name = f"tocsin-{config.environment}-data"
    try:
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # there is no such stack
            raise
        return
    if any(each["OutputKey"] == "ArchiveBucket" for each in stack.get("Outputs", ())):
        about = f"{name} has an archive, which can't go while the pipeline puts evidence into it"
        yield Finding(
            State.UNSURE,
            about,
            f"first cdk deploy --exclusively tocsin-{config.environment}-pipeline with the same "
            "settings; the bucket stays in any case (docs/deploy.md, Signed checkpoints)",
        )


def _keeps(s3: Any, bucket: str) -> bool:
    """Whether what is put into a bucket is locked without being asked for."""
    try:
        found = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ObjectLockConfigurationNotFoundError":
            raise
        return False
    return "DefaultRetention" in found.get("Rule", {})


_CHECKS: Mapping[str, Callable[[Config, Clients], Iterator[Finding]]] = {
    "CDK": _bootstrapped,
    "zones": _placed,
    "CodeBuild": _builds,
    "Lambda": _executions,
    "service-linked roles": _roles,
    "CloudFront": _verified,
    "certificate": _certified,
    "SES": _mailing,
    "S3": _buckets,
    "archive": _archived,
}


def _has_network(config: Config) -> bool:
    return config.stream == "fargate" or config.bus == "valkey"


def _quota(config: Config, clients: Clients, service: str, code: str) -> float:
    quotas = clients("service-quotas", region_name=config.region)
    return float(quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])


def _ask_for(config: Config, service: str, code: str, value: int) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --region {config.region} "
        f"--service-code {service} --quota-code {code} --desired-value {value}"
    )


def main(arguments: Sequence[str] | None = None, clients: Clients | None = None) -> int:
    """Print what was found; return 1 if a deployment would fail, 2 if that can't be asked."""
    arguments = sys.argv[1:] if arguments is None else arguments
    context = json.loads(_CDK_JSON.read_bytes())["context"]
    context |= dict(each.partition("=")[::2] for each in arguments)
    try:
        config = Config.from_context(context)
    except ValidationError as error:
        print(f"cdk.json or name=value: {error}", file=sys.stderr)
        return 2
    if clients is None:
        clients = import_module("boto3").client
    findings = list(preflight(config, clients))
    for each in findings:
        print(f"{each.state:8} {each.about}")
        if each.way_out:
            print(f"{'':8} → {each.way_out}")
    return 1 if any(each.state is State.MISSING for each in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
