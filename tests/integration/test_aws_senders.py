"""Mail and objects really leave, by AWS' own APIs; what these refuse is an answer."""

import gzip
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb
import httpx
import pytest

from support.databases import Database
from support.notified import called, endpoint, found, sealed, sent
from tocsin.adapters.aws_senders import S3Sender, SesSender, s3_client, ses_client
from tocsin.domain.deliveries import Outcome, Outgoing, outcome_of
from tocsin.domain.endpoints import Format

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAIL = b"To: ops@example.com\r\nSubject: =?utf-8?q?Wait?=\r\n\r\nhello\r\n"


@pytest.fixture
def on_aws(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    for name, value in database.server.env.items():
        monkeypatch.setenv(name, value)
    return database


@pytest.fixture
def bucket(on_aws: Database) -> "tuple[S3Client, str]":
    client, name = s3_client(), f"exports-{uuid4().hex[:8]}"
    client.create_bucket(Bucket=name)
    return client, name


def test_an_object_is_put_where_its_url_says_and_replaces_itself(
    bucket: "tuple[S3Client, str]",
) -> None:
    client, name = bucket
    sender, body = S3Sender(client, frozenset({name})), gzip.compress(b"{}\n", mtime=0)
    sent = Outgoing(f"s3://{name}/a/day=1/1-2.jsonl.gz", (("content-type", "text/x"),), body)
    for _ in range(2):
        assert outcome_of(sender.send(sent)) is Outcome.DELIVERED
    [stored] = client.list_objects_v2(Bucket=name)["Contents"]
    assert stored["Key"] == "a/day=1/1-2.jsonl.gz"
    found = client.get_object(Bucket=name, Key=stored["Key"])
    assert (found["Body"].read(), found["ContentType"]) == (body, "text/x")


def test_parquet_files_are_read_by_day_as_they_lie_in_the_bucket(
    bucket: "tuple[S3Client, str]", tmp_path: Path
) -> None:
    client, name = bucket
    sender, to = S3Sender(client, frozenset({name})), endpoint(Format.PARQUET, url=f"s3://{name}/a")
    for run in ((called(), found()), (sealed(13, id="x", timestamp="2026-03-21T00:00:00Z"),)):
        assert outcome_of(sender.send(sent(to, *run))) is Outcome.DELIVERED
    for stored in client.list_objects_v2(Bucket=name)["Contents"]:
        path = tmp_path / stored["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(client.get_object(Bucket=name, Key=stored["Key"])["Body"].read())
    found_by_day = duckdb.execute(
        "select endpoint, day::text, class_uid, count(*) from read_parquet(?) "
        "group by all order by all",
        [f"{tmp_path}/**/*.parquet"],
    ).fetchall()
    assert found_by_day == [
        (to.id, "2026-03-20", 2004, 1),
        (to.id, "2026-03-20", 6003, 1),
        (to.id, "2026-03-21", 6003, 1),
    ]


def test_nothing_is_put_into_a_bucket_that_the_deployment_does_not_name(
    bucket: "tuple[S3Client, str]",
) -> None:
    client, name = bucket
    answer = S3Sender(client, frozenset({"other"})).send(Outgoing(f"s3://{name}/x", (), b""))
    assert answer.error == "blocked"
    assert "Contents" not in client.list_objects_v2(Bucket=name)


def test_a_bucket_that_is_not_there_is_an_answer(on_aws: Database) -> None:
    gone = f"gone-{uuid4().hex[:8]}"
    answer = S3Sender(s3_client(), frozenset({gone})).send(Outgoing(f"s3://{gone}/x", (), b""))
    assert (answer.status, answer.excerpt.partition(":")[0]) == (404, "NoSuchBucket")
    assert outcome_of(answer) is Outcome.FAILED


def test_a_mail_is_sent_from_the_deployment_s_address(on_aws: Database) -> None:
    client = ses_client()
    client.create_email_identity(EmailIdentity="tocsin@example.com")
    to = f"ops-{uuid4().hex[:8]}@example.com"
    answer = SesSender(client, "tocsin@example.com").send(Outgoing(f"mailto:{to}", (), MAIL))
    assert outcome_of(answer) is Outcome.DELIVERED
    sent = httpx.get(f"{on_aws.server.url}/_ministack/ses/messages").json()["messages"]
    [one] = [each for some in sent.values() for each in some if each["To"] == [to]]
    assert one["Source"] == "tocsin@example.com"
    assert one["Subject"] == "Wait"
    assert one["BodyText"].strip() == "hello"


def test_a_mail_that_ses_rejects_is_an_answer(on_aws: Database) -> None:
    sender = SesSender(ses_client(), "nobody@unverified.example")
    answer = sender.send(Outgoing("mailto:ops@example.com", (), MAIL))
    assert (outcome_of(answer), answer.excerpt.partition(":")[0]) == (
        Outcome.FAILED,
        "MessageRejected",
    )


def test_a_service_that_is_not_there_is_an_answer(
    on_aws: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for answer in (
        SesSender(ses_client(), "a@example.com").send(Outgoing("mailto:b@example.com", (), MAIL)),
        S3Sender(s3_client(), frozenset({"b"})).send(Outgoing("s3://b/x", (), b"")),
    ):
        assert (answer.status, answer.error) == (0, "refused")
