"""The custom resource that puts the dashboard's files into the bucket: it always answers."""

import io
import runpy
import sys
import time
import zipfile
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol, cast

import pytest

from infra import assets

PAGE = "pages/0123456789abcdef/index.html"
FILES = {
    PAGE: b"<!doctype html>",
    "assets/main-3KJ2H4AB.js": b"1",
    "assets/main-AAAABBBB.css": b"2",
    "assets/icon-0123abcd.svg": b"3",
}


class ClientError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


class NoSuchBucket(ClientError):
    pass


@dataclass
class Cloud:
    """S3, a clock, and CloudFormation's answer, in memory."""

    refusals: list[str]  # of the archive, before it is given
    gone: bool = False
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    waited: list[float] = field(default_factory=list)
    answers: list[tuple[str, str, str | None]] = field(default_factory=list)

    name = "files"
    exceptions = SimpleNamespace(ClientError=ClientError, NoSuchBucket=NoSuchBucket)

    def client(self, service: str) -> "Cloud":
        return self

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        assert (Bucket, Key) == ("archives", "archive.zip")
        if self.refusals:
            raise ClientError(self.refusals.pop(0))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in FILES.items():
                archive.writestr(name, content)
        return {"Body": io.BytesIO(packed.getvalue())}

    def resource(self, service: str) -> Any:
        meta = SimpleNamespace(client=self)
        objects = SimpleNamespace(delete=self.delete)
        bucket = SimpleNamespace(
            name=self.name, meta=meta, objects=objects, put_object=self.put_object
        )
        return SimpleNamespace(Bucket=lambda name: {self.name: bucket}[name])

    def put_object(self, *, Key: str, **settings: Any) -> None:
        self.objects[Key] = settings

    def delete(self) -> None:
        if self.gone:
            raise NoSuchBucket("NoSuchBucket")
        self.objects.clear()

    def send(
        self,
        event: object,
        context: object,
        status: str,
        data: object,
        physical_id: str,
        reason: str | None = None,
    ) -> None:
        self.answers.append((status, physical_id, reason))


class Publish(Protocol):
    def __call__(self, request: str, cloud: Cloud) -> Cloud: ...


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Publish:
    def run(request: str, cloud: Cloud) -> Cloud:
        modules = cast("dict[str, Any]", sys.modules)
        boto3 = SimpleNamespace(client=cloud.client, resource=cloud.resource)
        monkeypatch.setitem(modules, "boto3", boto3)
        answers = SimpleNamespace(SUCCESS="SUCCESS", FAILED="FAILED", send=cloud.send)
        monkeypatch.setitem(modules, "cfnresponse", answers)
        monkeypatch.setattr(time, "sleep", cloud.waited.append)
        module = runpy.run_path(str(assets.ROOT / "infra" / "dashboard" / "publish.py"))
        properties = {"Bucket": "files", "Archives": "archives", "Archive": "archive.zip"}
        module["handler"]({"RequestType": request, "ResourceProperties": properties}, None)
        return cloud

    return run


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_every_file_is_put_with_its_type(publish: Publish, request_type: str) -> None:
    cloud = publish(request_type, Cloud([]))
    assert {name: each["Body"] for name, each in cloud.objects.items()} == FILES
    types = [each["ContentType"] for each in cloud.objects.values()]
    assert types == ["text/html", "text/javascript", "text/css", "image/svg+xml"]
    assert cloud.answers == [("SUCCESS", "files", None)]


def test_assets_are_kept_for_a_year_and_the_page_is_asked_for(publish: Publish) -> None:
    cloud = publish("Create", Cloud([]))
    kept = {name: each["CacheControl"] for name, each in cloud.objects.items()}
    assert kept.pop(PAGE) == "no-cache"
    assert set(kept.values()) == {"public, max-age=31536000, immutable"}


def test_what_an_open_page_may_still_ask_for_stays(publish: Publish) -> None:
    cloud = publish("Update", Cloud([], objects={"assets/main-OLDOLDOL.js": {}}))
    assert cloud.objects.keys() == {"assets/main-OLDOLDOL.js", *FILES}


def test_a_role_that_is_not_known_yet_is_waited_for(publish: Publish) -> None:
    cloud = publish("Update", Cloud(3 * ["AccessDenied"]))
    assert cloud.waited == [5, 10, 20]
    assert cloud.objects.keys() == FILES.keys()


@pytest.mark.parametrize("refusals", [9 * ["AccessDenied"], ["InternalError"]])
def test_an_archive_that_is_not_to_be_had_fails_the_deployment(
    publish: Publish, refusals: list[str]
) -> None:
    cloud = publish("Update", Cloud(list(refusals)))
    assert cloud.answers == [("FAILED", "files", refusals[0])]
    assert not cloud.objects


def test_the_end_of_the_stack_empties_the_bucket(publish: Publish) -> None:
    cloud = publish("Delete", Cloud([], objects={PAGE: {}, "assets/main-OLDOLDOL.js": {}}))
    assert not cloud.objects
    assert cloud.answers == [("SUCCESS", "files", None)]


def test_a_bucket_that_is_gone_holds_nothing_up(publish: Publish) -> None:
    assert publish("Delete", Cloud([], gone=True)).answers == [("SUCCESS", "files", None)]
