"""What the parts are told of each other."""

from pathlib import Path

import pytest

from tocsin.domain.limits import PROJECT_SECONDS
from tocsin.local.functions import FUNCTIONS, QUEUES
from tocsin.local.layout import NAMES, Layout
from tocsin.local.parts import environment, parts
from tocsin.settings import (
    ApiSettings,
    ExpireSettings,
    FanoutSettings,
    IngestSettings,
    ProjectSettings,
    StreamSettings,
)

LAYOUT = Layout(
    Path("/home"), {"dynamodb": 4_000, "gateway": 4_001}, Path("/home/s"), key="the-key"
)
CHECKOUT = Path("/checkout")


def test_every_part_is_described_once() -> None:
    assert [part.name for part in parts(LAYOUT, CHECKOUT)] == list(NAMES)


def test_requests_end_before_what_serves_them_and_the_tables_are_saved_last() -> None:
    stage = {part.name: part.stage for part in parts(LAYOUT, CHECKOUT)}

    assert stage["gateway"] < stage["ingest"] < stage["poller"] < stage["fanout"]
    assert stage["valkey"] < stage["dynamodb"] == max(stage.values())


def test_no_part_ever_sees_the_users_aws_account() -> None:
    inherited = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "s", "AWS_ENDPOINT_URL_SQS": "u"}
    for part in parts(LAYOUT, CHECKOUT):
        env = environment(LAYOUT, part, CHECKOUT, inherited | {"TOCSIN_RETENTION_DAYS": "1"})
        assert not inherited.keys() & env.keys()
        assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4000"
        assert env["AWS_CONFIG_FILE"] == "/dev/null"
        assert env["TOCSIN_RETENTION_DAYS"] == "1"


def test_links_lead_to_the_gateway_unless_the_user_says_where() -> None:
    part = next(each for each in parts(LAYOUT, CHECKOUT) if each.name == "api")
    assert environment(LAYOUT, part, CHECKOUT, {})["TOCSIN_PUBLIC_URL"] == "http://127.0.0.1:4001"
    said = {"TOCSIN_PUBLIC_URL": "https://tunnel.example"}
    assert environment(LAYOUT, part, CHECKOUT, said)["TOCSIN_PUBLIC_URL"] == said.popitem()[1]


def test_the_environment_is_what_each_function_reads() -> None:
    fields = {name.removeprefix("TOCSIN_").lower() for name in LAYOUT.env}
    for settings in (
        *(ApiSettings, IngestSettings, FanoutSettings, ProjectSettings, ExpireSettings),
        StreamSettings,
    ):
        required = {name for name, f in settings.model_fields.items() if f.is_required()}
        assert required <= fields


def test_only_who_takes_or_uses_receivers_may_have_them_on_this_machine() -> None:
    allowed = {
        part.name
        for part in parts(LAYOUT, CHECKOUT)
        if "TOCSIN_LOOPBACK_RECEIVERS" in environment(LAYOUT, part, CHECKOUT, {})
    }
    assert allowed == {"api", "deliver"} & FUNCTIONS.keys()


def test_projections_wait_for_less_here(monkeypatch: pytest.MonkeyPatch) -> None:
    part = next(each for each in parts(LAYOUT, CHECKOUT) if each.name == "project")
    for name, value in environment(LAYOUT, part, CHECKOUT, {}).items():
        monkeypatch.setenv(name, value)
    assert ProjectSettings().project_seconds < PROJECT_SECONDS


def test_every_queue_has_an_address_of_its_own() -> None:
    assert len({LAYOUT.queue(queue) for queue in QUEUES}) == len(QUEUES) == len(LAYOUT.queues)


def test_a_part_reads_back_where_the_others_are() -> None:
    assert Layout.from_env(LAYOUT.env) == LAYOUT


def test_a_host_may_end_its_longest_invocation_before_it_is_killed() -> None:
    described = {part.name: part for part in parts(LAYOUT, CHECKOUT)}
    for function in FUNCTIONS.values():
        assert described[function.process].stop_seconds > function.timeout_seconds
