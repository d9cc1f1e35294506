"""An archive in an S3 bucket, whose Object Lock keeps every version of every object.

A path that is put again is another version: those before it stay until their time is over.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Literal, TypedDict, cast, override

from botocore.exceptions import ClientError

from tocsin.adapters._aws import busy, session, soon
from tocsin.ports.evidence import Archive

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Archive", "client"]

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"


def client() -> "S3Client":
    """Return a client that gives up within a few seconds, like that of DynamoDB."""
    config = soon(s3={"addressing_style": "path"})
    return cast("S3Client", session().create_client("s3", config=config))


class _Locked(TypedDict, total=False):
    ObjectLockLegalHoldStatus: Literal["ON"]


class S3Archive(Archive):
    """:class:`~tocsin.ports.evidence.Archive` in a bucket.

    The SDK sends a checksum with each object, without which a bucket with Object Lock takes none.
    A legal hold is apart from how long the bucket keeps objects, and is ended by hand.
    """

    is_apart = True

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @override
    def put(self, path: str, content: bytes, *, hold: bool = False) -> None:
        locked: _Locked = {"ObjectLockLegalHoldStatus": "ON"} if hold else {}
        with _calls("takes nothing"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=path,
                Body=content,
                ContentType=_type(path),
                ChecksumAlgorithm="SHA256",
                **locked,
            )

    @override
    def get(self, path: str) -> bytes | None:
        with _calls("gives nothing"):
            try:
                return self._client.get_object(Bucket=self._bucket, Key=path)["Body"].read()
            except ClientError as error:
                # Who may not list the bucket at all is told 403 of what is not there. Here it may,
                # by what keys begin with, so it is asked in that way whether it is.
                # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
                if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied"):
                    raise
                if self._has(path):
                    raise
                return None

    @override
    def folders(self, path: str) -> Sequence[str]:
        prefix, found = f"{path}/", list[str]()
        with _calls("lists nothing"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
                for each in page.get("CommonPrefixes", ()):
                    found.append(each["Prefix"].removeprefix(prefix).removesuffix("/"))
        return found

    def _has(self, path: str) -> bool:
        page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=path, MaxKeys=1)
        return any(each["Key"] == path for each in page.get("Contents", ()))


def _type(path: str) -> str:
    if path.endswith(".gz"):
        return "application/gzip"
    return _BYTES if "/tile/" in path else _TEXT


def _calls(how: str) -> AbstractContextManager[None]:
    return busy(f"the archive {how} ({{code}})", "the archive is out of reach")
