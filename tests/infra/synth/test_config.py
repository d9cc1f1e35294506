"""What can be chosen, and how a wrong choice is refused."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.config import Config
from support.templates import Templates
from tocsin.domain.limits import RETENTION_DAYS

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0f9a"


def test_the_defaults_are_fargate_and_valkey_in_an_account() -> None:
    config = Config.from_context({})
    assert (config.profile, config.stream, config.bus) == ("account", "fargate", "valkey")
    assert config.removal == "retain"


def test_the_retention_is_the_same_wherever_nothing_is_set() -> None:
    assert Config().retention_days == RETENTION_DAYS


def test_the_command_line_overrides_the_file() -> None:
    context = {"tocsin": {"environment": "prod", "retention_days": 30}, "retention_days": "7"}
    config = Config.from_context(context)
    assert (config.environment, config.retention_days) == ("prod", 7)


def test_context_of_cdk_itself_is_left_alone() -> None:
    assert Config.from_context({"@aws-cdk/core:stackRelativeExports": True}) == Config()


def test_lists_can_be_given_on_the_command_line() -> None:
    assert Config.from_context({"export_buckets": "a-1,b-2"}).export_buckets == ("a-1", "b-2")
    config = Config.from_context({"allowed_origins": "https://a.example,https://b.example"})
    assert config.allowed_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention_day", 30),  # no such setting
        ("environment", "Prod"),
        ("stream", "ec2"),
        ("retention_days", 0),
        ("log_retention_days", 8),  # CloudWatch has no such retention
        ("stream_tasks_max", 0),
        ("allowed_origins", ["*"]),
        ("allowed_origins", ["https://a.example/"]),
        ("public_url", "http://a.example"),
        ("public_url", "https://a.example/"),
        ("deliveries_at_once", 1),  # Lambda takes no less than two
        ("deliveries_at_once", 1_001),
        ("mail_from", "Tocsin <tocsin@example.com>"),
        ("mail_from", "*@example.com"),  # a policy would take it for everybody
        ("mail_from", "tocsin@example.com\nBcc: eve@example.com"),
        ("export_buckets", ["*"]),
        ("export_buckets", ["acme-events/2026"]),
        ("export_buckets", ["arn:aws:s3:::acme-events"]),
        ("archive_bucket", "*"),
        ("archive_bucket", "acme-evidence/2026"),
        ("archive_bucket", "file:here"),
        ("signing_keys", ["*"]),
        ("signing_keys", ["alias/tocsin"]),
        ("signing_keys", ["arn:aws:kms:us-east-1:123456789012:key/*"]),
        ("signing_keys", ["arn:aws:kms:us-east-1:123456789012:key/a b"]),
        ("signing_keys", ["arn:aws:kms:eu-west-1:123456789012:key/a"]),  # elsewhere
        ("signing_keys", ["arn:aws:kms:us-east-1:123456789012:key/a"] * 2),
        ("signing_keys", [f"arn:aws:kms:us-east-1:123456789012:key/{n}" for n in range(6)]),
        ("api_options", {"loopback_receivers": "true"}),
        ("api_options", {"LOOPBACK_RECEIVERS": "true"}),
    ],
)
def test_what_is_not_allowed_is_named(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Config.from_context({"tocsin": {name: value}})


def test_the_repository_is_configured() -> None:
    root = Path(__file__).resolve().parents[3]
    Config.from_context(json.loads((root / "cdk.json").read_bytes())["context"])


def test_a_preset_chooses_and_what_is_named_beside_it_counts_more() -> None:
    tried = Config.from_context({"preset": "try"})
    assert (tried.stream, tried.bus) == ("lambda", "ledger")
    assert tried.deliveries_at_once == tried.slow_deliveries_at_once == 2
    assert Config.from_context({"preset": "standard"}) == Config()
    mixed = Config.from_context({"tocsin": {"preset": "try"}, "bus": "valkey"})
    assert (mixed.stream, mixed.bus) == ("lambda", "valkey")


def test_the_preset_to_try_has_no_network_no_image_and_no_host(small: Templates) -> None:
    config = Config.from_context({"preset": "try"})
    assert (config.stream, config.bus) == ("lambda", "ledger")  # as `small` has them
    paid_for = ("AWS::EC2::", "AWS::ECS::", "AWS::ECR::", "AWS::ElastiCache::", "AWS::CodeBuild::")
    types = {resource["Type"] for _, _, resource in small.everything()}
    assert not [type for type in types if type.startswith(paid_for)]


@pytest.mark.parametrize("name", ["a-", "a--b", "a-b-", "a" * 17])
def test_an_environments_name_makes_names_that_elasticache_takes(name: str) -> None:
    """https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateServerlessCache.html"""
    with pytest.raises(ValidationError, match="environment"):
        Config(environment=name)


def test_people_reach_it_at_its_domain_unless_it_is_said() -> None:
    assert Config().address is None
    owned = Config(domain="events.example.com", certificate=CERTIFICATE)
    assert owned.address == "https://events.example.com"
    said = Config(
        domain="events.example.com", certificate=CERTIFICATE, public_url="https://t.example"
    )
    assert said.address == "https://t.example"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"domain": "events.example.com"}, "go together"),
        ({"certificate": CERTIFICATE}, "go together"),
        ({"domain": "https://events.example.com", "certificate": CERTIFICATE}, "domain"),
        (
            {
                "domain": "events.example.com",
                "certificate": CERTIFICATE.replace("us-east-1", "eu-west-1"),
            },
            "certificate",  # CloudFront would not find it
        ),
    ],
)
def test_a_domain_comes_with_a_certificate_that_cloudfront_finds(
    settings: dict[str, str], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        Config.from_context(settings)
