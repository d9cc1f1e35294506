"""An archive in an S3 bucket, whose Object Lock keeps every version of every object.

A path that is put again is another version: those before it stay until their time is over.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from typing import TYPE_CHECKING, Final, cast, override

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from tocsin import __version__
from tocsin.domain.errors import Busy
from tocsin.ports.evidence import Archive

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Archive", "client"]

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"


def client() -> "S3Client":
    """Return a client that gives up within a few seconds, like that of DynamoDB."""
    config = Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 3},
        tcp_keepalive=True,
        user_agent=f"tocsin/{__version__}",
        s3={"addressing_style": "path"},
    )
    return cast("S3Client", get_session().create_client("s3", config=config))


class S3Archive(Archive):
    """:class:`~tocsin.ports.evidence.Archive` in a bucket.

    The SDK sends a checksum with each object, without which a bucket with Object Lock takes none.
    """

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @override
    def put(self, path: str, content: bytes) -> None:
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=path,
                Body=content,
                ContentType=_BYTES if "/tile/" in path else _TEXT,
                ChecksumAlgorithm="SHA256",
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise Busy(f"the archive takes nothing ({code})") from error
        except BotoCoreError as error:
            raise Busy("the archive is out of reach") from error
