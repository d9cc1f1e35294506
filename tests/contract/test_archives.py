"""Archives of evidence: a folder, and a bucket with Object Lock."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from support.databases import Database
from tocsin.adapters.folder import FolderArchive
from tocsin.adapters.s3_archive import S3Archive
from tocsin.domain.errors import Busy
from tocsin.ports.evidence import Archive

type Kept = Callable[[str], bytes]
ORIGIN = "tocsin/0123456789abcdef/acme"


@pytest.fixture(params=["s3", "folder"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Archive, Kept]]:
    if request.param == "folder":
        yield (
            FolderArchive(tmp_path / "evidence"),
            lambda path: (tmp_path / "evidence" / path).read_bytes(),
        )
        return
    database: Database = request.getfixturevalue("database")
    client, bucket = database.server.s3(), f"evidence-{uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    yield (
        S3Archive(client, bucket),
        lambda path: client.get_object(Bucket=bucket, Key=path)["Body"].read(),
    )


def test_what_is_put_is_kept(kept: tuple[Archive, Kept]) -> None:
    archive, read = kept
    files = {
        f"{ORIGIN}/checkpoint": b"a note\n",
        f"{ORIGIN}/checkpoints/0000000000000003": "— ü\n".encode(),
        f"{ORIGIN}/tile/0/x001/x234/067": bytes(8_192),
        f"{ORIGIN}/tile/0/000.p/3": b"x" * 96,
        f"{ORIGIN}/tile/0/000": b"y" * 8_192,
    }
    for path, content in files.items():
        archive.put(path, content)
        archive.put(path, content)
    assert {path: read(path) for path in files} == files
    archive.put(f"{ORIGIN}/checkpoint", b"a later note\n")
    assert read(f"{ORIGIN}/checkpoint") == b"a later note\n"


def test_what_is_under_a_legal_hold_is_kept_whoever_removes_it(database: Database) -> None:
    client, bucket = database.server.s3(), f"evidence-{uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    path = f"{ORIGIN}/entries/0000000000000001-0000000000000002.jsonl.gz"
    S3Archive(client, bucket).put(path, b"lines", hold=True)
    S3Archive(client, bucket).put(f"{ORIGIN}/checkpoint", b"a note")
    assert client.get_object_legal_hold(Bucket=bucket, Key=path)["LegalHold"]["Status"] == "ON"
    found = client.get_object(Bucket=bucket, Key=path)
    assert found["ContentType"] == "application/gzip"
    [version] = client.list_object_versions(Bucket=bucket, Prefix=path)["Versions"]
    with pytest.raises(ClientError):
        client.delete_object(Bucket=bucket, Key=path, VersionId=version["VersionId"])


def test_what_is_kept_is_found_again(kept: tuple[Archive, Kept]) -> None:
    archive, _ = kept
    assert [*archive.folders("tocsin"), *archive.folders("a/b")] == []
    assert archive.get(f"{ORIGIN}/checkpoint") is None
    keys = [f"{number:016x}" for number in range(3)]
    for key in keys:
        archive.put(f"tocsin/{key}/acme/checkpoint", b"1")
    archive.put("tocsin/file", b"no folder")
    archive.put("tocsin-2/0/acme/checkpoint", b"elsewhere")
    archive.put(f"{ORIGIN}/checkpoints/0000000000000003", b"one of several")
    assert [*archive.folders("tocsin")] == [*keys, "0123456789abcdef"]
    assert archive.get(f"{ORIGIN}/checkpoint") is None  # though others begin as it does
    for content in (b"a note\n", b"a later note\n"):
        archive.put(f"{ORIGIN}/checkpoint", content)
        assert archive.get(f"{ORIGIN}/checkpoint") == content


def test_several_may_put_the_same_at_once(kept: tuple[Archive, Kept]) -> None:
    archive, read = kept
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: archive.put(f"{ORIGIN}/checkpoint", b"n" * 5_000), range(32)))
    assert read(f"{ORIGIN}/checkpoint") == b"n" * 5_000


def test_a_bucket_that_is_not_there_is_asked_again_later(database: Database) -> None:
    with pytest.raises(Busy, match="NoSuchBucket"):
        S3Archive(database.server.s3(), f"no-{uuid4().hex[:8]}").put("a/checkpoint", b"n")
    gone = S3Archive(database.server.s3(), f"no-{uuid4().hex[:8]}")
    for ask in (gone.get, gone.folders):
        with pytest.raises(Busy, match="NoSuchBucket"):
            ask("tocsin")


def test_a_folder_that_can_t_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Busy):
        FolderArchive(tmp_path / "file").put("a/b", b"c")
    archive = FolderArchive(tmp_path / "folder")
    (tmp_path / "folder" / "taken").mkdir(parents=True)
    with pytest.raises(Busy):
        archive.put("taken", b"c")
    assert [each.name for each in (tmp_path / "folder").iterdir()] == ["taken"]


@pytest.mark.parametrize("there", [False, True])
def test_who_is_told_403_of_what_is_not_there_asks_whether_it_is(
    database: Database, there: bool
) -> None:
    """As S3 answers who may not list the whole bucket."""
    client, bucket = database.server.s3(), f"evidence-{uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    archive = S3Archive(client, bucket)
    archive.put(f"{ORIGIN}/checkpoint{'' if there else 's/1'}", b"n")

    def refuse(**_: object) -> tuple[Any, dict[str, Any]]:
        http = AWSResponse("", 403, HTTPHeaders(), None)
        return http, {
            "Error": {"Code": "AccessDenied"},
            "ResponseMetadata": {"HTTPStatusCode": 403},
        }

    hooks: Any = client.meta.events
    hooks.register("before-call.s3.GetObject", refuse)
    if there:
        with pytest.raises(Busy, match="AccessDenied"):
            archive.get(f"{ORIGIN}/checkpoint")
    else:
        assert archive.get(f"{ORIGIN}/checkpoint") is None
