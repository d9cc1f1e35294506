import json
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from support.templates import WITNESS
from tocsin.adapters.embedded_metrics import EmbeddedMetrics
from tocsin.bootstrap import stream
from tocsin.settings import (
    ApiSettings,
    CheckpointSettings,
    DeliverSettings,
    FanoutSettings,
    ProjectSettings,
    StreamSettings,
)

TABLES = {
    "TOCSIN_JOURNAL_TABLE": "journal",
    "TOCSIN_LEDGER_TABLE": "ledger",
    "TOCSIN_STATE_TABLE": "state",
}
QUEUES = {
    f"TOCSIN_{name}_QUEUE_URL": "http://127.0.0.1:1/q"
    for name in ("EXPIRY", "WAKES", "SLOW_WAKES", "TAILS")
}
URL = {"TOCSIN_VALKEY_URL": "valkeys://cache.example:6379"}
USER = {"TOCSIN_VALKEY_IAM_USER": "tocsin"}
CACHE = {"TOCSIN_VALKEY_CACHE_NAME": "tocsin-cache"}


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (TABLES | QUEUES).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("settings", [FanoutSettings, StreamSettings])
@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, None),
        (URL, None),
        ({"TOCSIN_VALKEY_URL": "valkey://user:password@localhost:6379"}, None),
        (URL | USER | CACHE, None),
        (URL | USER, "set both"),
        (URL | CACHE, "set both"),
        (USER | CACHE, "like valkeys://host:6379"),
        ({"TOCSIN_VALKEY_URL": "valkey://cache:6379"} | USER | CACHE, "like valkeys://"),
        ({"TOCSIN_VALKEY_URL": "valkeys://u:p@cache:6379"} | USER | CACHE, "like valkeys://"),
    ],
)
def test_signing_in_with_iam_takes_a_user_a_cache_and_tls(
    settings: Any, environment: dict[str, str], says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if says is None:
        assert settings().valkey_url == environment.get("TOCSIN_VALKEY_URL")
    else:
        with pytest.raises(ValidationError, match=says):
            settings()


def test_streams_are_not_limited_unless_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = StreamSettings()
    assert (settings.stream_max_seconds, settings.stream_max_bytes) == (None, None)
    monkeypatch.setenv("TOCSIN_STREAM_MAX_SECONDS", "300")
    monkeypatch.setenv("TOCSIN_STREAM_MAX_BYTES", "150000000")
    settings = StreamSettings()
    assert (settings.stream_max_seconds, settings.stream_max_bytes) == (300.0, 150_000_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOCSIN_STREAM_MAX_SECONDS", "0"), ("TOCSIN_STREAM_MAX_BYTES", "1048575")],
)
def test_a_limit_under_which_no_stream_gets_on_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match="greater than"):
        StreamSettings()


def test_metrics_are_not_written_unless_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert stream.wire().metrics is None
    monkeypatch.setenv("TOCSIN_METRICS_NAMESPACE", "tocsin-dev")
    assert isinstance(stream.wire().metrics, EmbeddedMetrics)


def test_the_types_that_streams_may_show(monkeypatch: pytest.MonkeyPatch) -> None:
    assert StreamSettings().stream_types is None
    monkeypatch.setenv("TOCSIN_STREAM_TYPES", "anomaly, approval.created")
    assert StreamSettings().stream_types == frozenset({"anomaly", "approval.created"})


def test_the_origins_whose_pages_may_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert StreamSettings().allowed_origins == frozenset()
    origins = ["https://a.example", "http://localhost:3000", "http://[::1]:3000"]
    monkeypatch.setenv("TOCSIN_ALLOWED_ORIGINS", json.dumps(origins))
    assert StreamSettings().allowed_origins == frozenset(origins)


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "", "a.example", "https://a.example/", "https://A.example", "https://*.example"],
)
def test_what_no_browser_would_send_is_no_origin(
    origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_ALLOWED_ORIGINS", json.dumps([origin]))
    with pytest.raises(ValidationError, match="write it as browsers do"):
        StreamSettings()


@pytest.mark.parametrize(
    "url",
    [
        *("https://tocsin.example.com", "https://t.example:8443", "https://[2001:db8::1]"),
        *("http://127.0.0.1:8484", "http://localhost", "http://[::1]:1", "http://127.9.9.9"),
    ],
)
def test_where_people_reach_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ApiSettings().public_url is None
    monkeypatch.setenv("TOCSIN_PUBLIC_URL", url)
    assert ApiSettings().public_url == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "tocsin.example.com", "http://tocsin.example.com", "https://t.example/"),
        *("https://t.example/api", "https://user@t.example", "https://T.example", "ftp://t"),
        *("http://127.0.0.1.evil.example", "http://localhost.evil.example", "https://a b"),
        *("http://127.0.0.1@evil.example", "https://t.example\n", "javascript:alert(1)"),
    ],
)
def test_where_people_can_not_reach_it_safely(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_PUBLIC_URL", url)
    with pytest.raises(ValidationError, match="write it without a path"):
        ApiSettings()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TOCSIN_STREAM_TYPES", "anomaly,nope", "'nope'"),
        ("TOCSIN_STREAM_TYPES", "", "no event type"),
        ("TOCSIN_MAX_STREAMS", "0", "greater than"),
        ("TOCSIN_BARE_EVENTS_ROUTE", "both", "'stream' or 'list'"),
        ("TOCSIN_STALL_SECONDS", "0", "greater than"),
        ("TOCSIN_RECONNECT_SPREAD_SECONDS", "-1", "greater than"),
    ],
)
def test_a_setting_that_would_not_do_what_it_says_is_refused(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=says):
        StreamSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOCSIN_SIGN_IN_SECONDS", "59"), ("TOCSIN_KEY_REQUESTS_PER_MINUTE", "0")],
)
def test_the_api_has_no_sign_in_and_no_rate_that_is_none(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match="greater than"):
        ApiSettings()


@pytest.mark.parametrize("settings", [ApiSettings, DeliverSettings])
def test_nobody_on_this_machine_is_sent_anything_unless_it_is_said(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings().loopback_receivers is False
    monkeypatch.setenv("TOCSIN_LOOPBACK_RECEIVERS", "true")
    assert settings().loopback_receivers is True


def test_networks_that_nothing_is_sent_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert DeliverSettings().denied_networks == frozenset()
    monkeypatch.setenv("TOCSIN_DENIED_NETWORKS", '["10.0.0.0/16", "fd00::/8"]')
    assert DeliverSettings().denied_networks == {
        ip_network("10.0.0.0/16"),
        ip_network("fd00::/8"),
    }


@pytest.mark.parametrize("networks", ['["10.0.0.1/16"]', '["vpc"]', "10.0.0.0/16"])
def test_a_network_that_is_none_is_not_passed_over(
    networks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_DENIED_NETWORKS", networks)
    with pytest.raises((ValidationError, SettingsError)):
        DeliverSettings()


@pytest.mark.parametrize("settings", [ApiSettings, DeliverSettings])
@pytest.mark.parametrize("bucket", ["", "*", "a/b", "Exports", "arn:aws:s3:::exports", "exports\n"])
def test_a_bucket_is_named_as_s3_names_it(
    settings: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_EXPORT_BUCKETS", '["acme-events", "logs.example.com"]')
    assert settings().export_buckets == {"acme-events", "logs.example.com"}
    monkeypatch.setenv("TOCSIN_EXPORT_BUCKETS", json.dumps([bucket]))
    with pytest.raises(ValidationError, match="TOCSIN_EXPORT_BUCKETS"):
        settings()


@pytest.mark.parametrize(
    "address",
    [
        *("", "tocsin", "Tocsin <tocsin@example.com>", "tocsin@localhost", "a@b@example.com"),
        *("tocsin@example.com\nBcc: eve@example.com", "tocsin@example.com\n", "tocsin@example,com"),
    ],
)
def test_mail_comes_from_one_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert DeliverSettings().mail_from is None
    monkeypatch.setenv("TOCSIN_MAIL_FROM", "tocsin+alerts@mail.example.com")
    assert DeliverSettings().mail_from == "tocsin+alerts@mail.example.com"
    monkeypatch.setenv("TOCSIN_MAIL_FROM", address)
    with pytest.raises(ValidationError, match="TOCSIN_MAIL_FROM"):
        DeliverSettings()


def test_projections_wait_no_longer_than_a_message_can(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ProjectSettings().project_seconds == 30
    for seconds in ("0", "901"):
        monkeypatch.setenv("TOCSIN_PROJECT_SECONDS", seconds)
        with pytest.raises(ValidationError, match="project_seconds"):
            ProjectSettings()


def test_witnesses_are_those_of_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SIGNING_KEY", "file:key")
    assert CheckpointSettings().witnesses is None
    for policy in (f"witness {WITNESS}", f"\nwitness {WITNESS}\nquorum Ann\n"):
        monkeypatch.setenv("TOCSIN_WITNESSES", policy)
        assert CheckpointSettings().witnesses == policy
    monkeypatch.setenv("TOCSIN_WITNESSES", " \n")
    assert CheckpointSettings().witnesses is None
    for policy in (
        WITNESS,
        f"witness {WITNESS.replace('https', 'http')}",
        f"witness {WITNESS.rpartition(' ')[0]}",
        f"witness {WITNESS}\nquorum Bob",
    ):
        monkeypatch.setenv("TOCSIN_WITNESSES", policy)
        with pytest.raises(ValidationError, match="TOCSIN_WITNESSES"):
            CheckpointSettings()
