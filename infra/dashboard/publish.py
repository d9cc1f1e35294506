"""A custom resource: puts the dashboard's files into its bucket, and empties the bucket at its end.

Runs in Lambda as inline code, which is given ``cfnresponse``.
"""

import io
import mimetypes
import time
import zipfile
from contextlib import suppress
from typing import Any

import boto3  # type: ignore[import-not-found]
import cfnresponse  # type: ignore[import-not-found]

TYPES = mimetypes.MimeTypes()  # Python's own: those of the machine are not asked


def handler(event: dict[str, Any], context: Any) -> None:
    """Answer CloudFormation when the files are there, or at the end of the stack gone."""
    properties = event["ResourceProperties"]
    bucket = boto3.resource("s3").Bucket(properties["Bucket"])
    try:
        if event["RequestType"] == "Delete":
            empty(bucket)
        else:
            publish(archive(properties["Archives"], properties["Archive"]), bucket)
        cfnresponse.send(event, context, cfnresponse.SUCCESS, {}, bucket.name)
    except Exception as error:  # else CloudFormation would wait for an hour
        cfnresponse.send(event, context, cfnresponse.FAILED, {}, bucket.name, reason=str(error))


def archive(bucket: str, key: str) -> bytes:
    """Return what was uploaded; a role that was changed just now may need a while to be known.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
    """
    client = boto3.client("s3")
    for seconds in (5, 10, 20, 40):
        try:
            return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
        time.sleep(seconds)
    return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())


def publish(packed: bytes, bucket: Any) -> None:
    """Put each file of the archive; what is there under other names stays."""
    with zipfile.ZipFile(io.BytesIO(packed)) as files:
        for name in files.namelist():
            bucket.put_object(
                Key=name,
                Body=files.read(name),
                ContentType=TYPES.guess_type(name)[0] or "application/octet-stream",
                CacheControl="public, max-age=31536000, immutable"
                if name.startswith("assets/")
                else "no-cache",
            )


def empty(bucket: Any) -> None:
    """Delete every file; a bucket that is gone is empty."""
    with suppress(bucket.meta.client.exceptions.NoSuchBucket):
        bucket.objects.delete()
