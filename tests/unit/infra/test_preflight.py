"""The preflight says what a deployment would fail on, and only reads."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.config import Config
from infra.preflight import Finding, State, main, preflight

ZONES = ["use1-az6", "use1-az1", "use1-az2", "use1-az4", "use1-az3", "use1-az5"]  # a … f
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0f9a"


class Account:
    """An account's answers, by service and method; botocore checks both against its models."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {
            ("ssm", "get_parameter"): {"Parameter": {"Value": "30"}},
            ("ec2", "describe_availability_zones"): {
                "AvailabilityZones": [
                    {"ZoneName": f"us-east-1{letter}", "ZoneId": id, "State": "available"}
                    for letter, id in zip("abcdef", ZONES, strict=True)
                ]
            },
            ("service-quotas", "get_service_quota"): {"Quota": {"Value": 1.0}},
            ("lambda", "get_account_settings"): {"AccountLimit": {"ConcurrentExecutions": 1000}},
            ("iam", "get_role"): {"Role": _role()},
            ("cloudfront", "list_distributions"): _distributions(1),
            ("acm", "describe_certificate"): _certificate("ISSUED", "events.example.com"),
            ("sesv2", "get_email_identity"): {"VerifiedForSendingStatus": True},
            ("sesv2", "get_account"): {"ProductionAccessEnabled": True},
            ("s3", "list_buckets"): {
                "Buckets": [{"Name": "acme-events"}, {"Name": "acme-evidence"}]
            },
            ("s3", "get_object_lock_configuration"): _locked(Mode="COMPLIANCE", Years=7),
            ("cloudformation", "describe_stacks"): "ValidationError",  # nothing is deployed
        }
        self.asked: list[str] = []

    def __call__(self, service: str, *, region_name: str) -> Any:
        make: Any = boto3.client  # its stubs know two services
        nobody = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "-")
        return _Client(self, service, make(service, region_name=region_name, **nobody))


class _Client:
    """A service's client, of which each call is answered as the account says."""

    def __init__(self, account: Account, service: str, client: Any) -> None:
        self.exceptions = client.exceptions
        self._account, self._service, self._client = account, service, client

    def __getattr__(self, method: str) -> Any:
        def call(**request: Any) -> Any:
            answer = self._account.answers[self._service, method]
            if callable(answer):
                answer = answer(**request)
            self._account.asked.append(method)
            with Stubber(self._client) as stubber:
                if isinstance(answer, str):
                    stubber.add_client_error(method, answer)
                else:
                    stubber.add_response(method, answer)
                return getattr(self._client, method)(**request)

        return call


@pytest.fixture
def account() -> Account:
    return Account()


def _role() -> dict[str, Any]:
    named = dict.fromkeys(("Path", "RoleName", "Arn"), "/" * 20)
    return {**named, "RoleId": "R" * 16, "CreateDate": "2026-11-26T00:00:00Z"}


def _locked(**retention: Any) -> dict[str, Any]:
    rule = {"Rule": {"DefaultRetention": retention}} if retention else {}
    return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", **rule}}


def _distributions(quantity: int) -> dict[str, Any]:
    paging = {"Marker": "", "MaxItems": 1, "IsTruncated": False}
    return {"DistributionList": {**paging, "Quantity": quantity}}


def _certificate(status: str, *names: str) -> dict[str, Any]:
    return {"Certificate": {"Status": status, "SubjectAlternativeNames": [*names]}}


def _troubles(account: Account, **settings: Any) -> list[Finding]:
    found = preflight(Config(**settings), account)
    return [each for each in found if each.state is not State.OK]


def test_an_account_that_has_everything_is_told_so(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    domain = f"domain=events.example.com certificate={CERTIFICATE}".split()
    assert main([*domain, "image=codebuild"], account) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert all(line.startswith("ok") for line in lines)


def test_nothing_but_reading_is_asked_for(account: Account) -> None:
    domain = {"domain": "events.example.com", "certificate": CERTIFICATE}
    told = {"mail_from": "tocsin@example.com", "export_buckets": ("acme-events",)}
    signed = {"archive_bucket": "acme-evidence"}
    assert {each.state for each in preflight(Config(**domain, **told, **signed), account)} == {
        State.OK
    }
    assert account.asked
    assert {method.partition("_")[0] for method in account.asked} <= {"get", "describe", "list"}


# (what the account answers, settings, state, a word of what is said, a word of the way out)
CASES: dict[str, tuple[dict[tuple[str, str], Any], dict[str, Any], State, str, str]] = {
    "an archive that is deployed is chosen no more": (
        {
            ("cloudformation", "describe_stacks"): {
                "Stacks": [
                    {
                        "StackName": "tocsin-dev-data",
                        "CreationTime": "2026-11-26T00:00:00Z",
                        "StackStatus": "CREATE_COMPLETE",
                        "Outputs": [{"OutputKey": "ArchiveBucket", "OutputValue": "b"}],
                    }
                ]
            }
        },
        {},
        State.UNSURE,
        "tocsin-dev-data has an archive",
        "cdk deploy --exclusively tocsin-dev-pipeline",
    ),
    "an archive is nobody's": (
        {},
        {"archive_bucket": "gone-evidence"},
        State.MISSING,
        "gone-evidence is none",
        "aws s3 mb",
    ),
    "an archive has no Object Lock": (
        {("s3", "get_object_lock_configuration"): "ObjectLockConfigurationNotFoundError"},
        {"archive_bucket": "acme-evidence"},
        State.UNSURE,
        "keeps nothing",
        "Signed checkpoints",
    ),
    "an archive locks nothing by itself": (
        {("s3", "get_object_lock_configuration"): _locked()},
        {"archive_bucket": "acme-evidence"},
        State.UNSURE,
        "keeps nothing",
        "Signed checkpoints",
    ),
    "nobody may ask what an archive keeps": (
        {("s3", "get_object_lock_configuration"): "AccessDenied"},
        {"archive_bucket": "acme-evidence"},
        State.UNSURE,
        "S3: An error",
        "look yourself",
    ),
    "cdk was never here": (
        {("ssm", "get_parameter"): "ParameterNotFound"},
        {},
        State.MISSING,
        "CDK",
        "cdk bootstrap",
    ),
    "a new account may build nothing": (
        {("service-quotas", "get_service_quota"): {"Quota": {"Value": 0.0}}},
        {},
        State.MISSING,
        "CodeBuild runs 0",
        "request-service-quota-increase",
    ),
    "a new account runs ten functions": (
        {("lambda", "get_account_settings"): {"AccountLimit": {"ConcurrentExecutions": 10}}},
        {"preset": "try"},
        State.UNSURE,
        "each viewer takes one, deliveries take 4 at most",
        "L-B99A9384",
    ),
    "a new account is left to requests": (
        {("lambda", "get_account_settings"): {"AccountLimit": {"ConcurrentExecutions": 10}}},
        {},
        State.UNSURE,
        "deliveries take 30 at most",
        "deliveries_at_once=2",
    ),
    "mail would come from an address that nobody verified": (
        {("sesv2", "get_email_identity"): "NotFoundException"},
        {"mail_from": "tocsin@example.com"},
        State.MISSING,
        "neither tocsin@example.com nor its domain",
        "create-email-identity --region us-east-1 --email-identity tocsin@example.com",
    ),
    "an address waits for its mail to be answered": (
        {("sesv2", "get_email_identity"): {"VerifiedForSendingStatus": False}},
        {"mail_from": "tocsin@example.com"},
        State.MISSING,
        "neither tocsin@example.com nor its domain",
        "follow its mail",
    ),
    "mail reaches verified addresses alone": (
        {("sesv2", "get_account"): {"ProductionAccessEnabled": False}},
        {"mail_from": "tocsin@example.com"},
        State.UNSURE,
        "sandbox",
        "production access",
    ),
    "a bucket is somebody else's, or nobody's": (
        {},
        {"export_buckets": ("acme-events", "acme-audit")},
        State.MISSING,
        "acme-audit is none of this account's",
        "aws s3 mb s3://acme-audit",
    ),
    "more is reserved than there is": (
        {("lambda", "get_account_settings"): {"AccountLimit": {"ConcurrentExecutions": 1000}}},
        {"preset": "try", "stream_concurrency": 950},
        State.MISSING,
        "no 950",
        "--desired-value 1950",
    ),
    "nobody used ECS": (
        {("iam", "get_role"): "NoSuchEntity"},
        {"bus": "ledger"},
        State.MISSING,
        "AWSServiceRoleForECS",
        "create-service-linked-role --aws-service-name ecs.amazonaws.com",
    ),
    "nobody used ElastiCache": (
        {("iam", "get_role"): "NoSuchEntity"},
        {"stream": "lambda"},
        State.MISSING,
        "AWSServiceRoleForElastiCache",
        "create-service-linked-role --aws-service-name elasticache.amazonaws.com",
    ),
    "CloudFront knows nothing of it": (
        {("cloudfront", "list_distributions"): _distributions(0)},
        {},
        State.UNSURE,
        "CloudFront",
        "AWS Support",
    ),
    "a certificate waits for its records": (
        {("acm", "describe_certificate"): _certificate("PENDING_VALIDATION", "a.example.com")},
        {"domain": "a.example.com", "certificate": CERTIFICATE},
        State.MISSING,
        "PENDING_VALIDATION",
        "DNS",
    ),
    "a certificate is for others": (
        {("acm", "describe_certificate"): _certificate("ISSUED", "example.com", "*.b.example.com")},
        {"domain": "a.example.com", "certificate": CERTIFICATE},
        State.MISSING,
        "example.com, *.b.example.com",
        "request one",
    ),
    "the caller may not look": (
        {("lambda", "get_account_settings"): "AccessDeniedException"},
        {},
        State.UNSURE,
        "AccessDenied",
        "allow",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_is_named_with_the_way_out(account: Account, case: str) -> None:
    answers, settings, state, about, way_out = CASES[case]
    account.answers |= answers
    [found] = _troubles(account, **settings)
    assert found.state is state
    assert about in found.about
    assert way_out in found.way_out


@pytest.mark.parametrize("verified", ["tocsin@mail.example.com", "mail.example.com", "example.com"])
def test_an_address_is_verified_by_any_domain_that_it_is_in(
    account: Account, verified: str
) -> None:
    account.answers["sesv2", "get_email_identity"] = lambda EmailIdentity: (
        {"VerifiedForSendingStatus": True} if EmailIdentity == verified else "NotFoundException"
    )
    assert _troubles(account, mail_from="tocsin@mail.example.com") == []


def test_a_wildcard_certificate_will_do(account: Account) -> None:
    account.answers["acm", "describe_certificate"] = _certificate("ISSUED", "*.example.com")
    assert _troubles(account, domain="a.example.com", certificate=CERTIFICATE) == []


@pytest.mark.parametrize(
    ("zones", "about"),
    [
        (("us-east-1a", "us-east-1e"), "use1-az3"),  # a name, which may stand for an unfit one
        (("use1-az4", "use1-az9"), "use1-az9 is none"),
        (("us-east-1a", "us-east-1g"), "us-east-1g is none"),
    ],
)
def test_zones_are_looked_up_where_a_name_says_nothing(
    account: Account, zones: tuple[str, str], about: str
) -> None:
    [found] = _troubles(account, zones=zones)
    assert (found.state, found.way_out) == (State.MISSING, "-c zones=use1-az1,use1-az2")
    assert about in found.about


def test_to_try_it_needs_no_zone_role_or_build(account: Account) -> None:
    for service in ("ec2", "iam", "service-quotas"):
        for key in [key for key in account.answers if key[0] == service]:
            account.answers[key] = "AccessDenied"
    assert _troubles(account, preset="try") == []


def test_a_failing_account_ends_in_exit_code_1(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.answers["ssm", "get_parameter"] = "ParameterNotFound"
    assert main(["preset=try"], account) == 1
    assert "missing  CDK" in capsys.readouterr().out


def test_a_wrong_choice_is_named(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zones=use1-az3,use1-az2"], account) == 2
    assert "use1-az3 can't be used" in capsys.readouterr().err


def test_a_fault_of_our_own_is_not_hidden(account: Account) -> None:
    def broken(service: str, *, region_name: str) -> Iterator[Any]:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        list(preflight(Config(), broken))
