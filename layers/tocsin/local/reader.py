"""Read the stream of one table from where the last reader stopped, across its restarts."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from botocore.exceptions import ClientError

from tocsin.local.invocations import Record
from tocsin.local.records import lambda_record

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

__all__ = ["Checkpoint", "StreamReader"]

# This position can't be read from any more: the reader starts anew where it can.
_LOST = ("TrimmedDataAccessException", "ExpiredIteratorException", "ResourceNotFoundException")


class Checkpoint:
    """A file with the stream and the last sequence number that need not be delivered again."""

    def __init__(self, path: Path) -> None:
        """Take the file's path; the file need not exist."""
        self._path = path
        self._saved: tuple[str, str] | None = None

    def load(self, stream_arn: str) -> str | None:
        """Return the sequence number to go on after, or None for the oldest record there is."""
        try:
            saved = orjson.loads(self._path.read_bytes())
            return saved["sequence_number"] if saved["stream_arn"] == stream_arn else None
        except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
            return None  # what it said is delivered again, which the functions expect

    def save(self, stream_arn: str, sequence_number: str | None) -> None:
        """Replace the file, which is whole at any moment; None changes nothing."""
        if sequence_number is None or self._saved == (stream_arn, sequence_number):
            return
        temporary = self._path.with_suffix(".new")
        saved = {"stream_arn": stream_arn, "sequence_number": sequence_number}
        temporary.write_bytes(orjson.dumps(saved))
        os.replace(temporary, self._path)
        self._saved = (stream_arn, sequence_number)


class StreamReader:
    """The records after a checkpoint, in order. The emulator's streams have one shard."""

    def __init__(
        self,
        tables: "DynamoDBClient",
        streams: "DynamoDBStreamsClient",
        table: str,
        checkpoint: Checkpoint,
    ) -> None:
        self._tables = tables
        self._streams = streams
        self._table = table
        self._checkpoint = checkpoint
        self._iterator: str | None = None
        self._last_read: str | None = None
        self.stream_arn = ""
        self.shard_id = ""

    def read(self) -> Sequence[Record]:
        """Return the next records, 1,000 at most; empty when there are none.

        Raises:
            ClientError: also while the table is not there yet.
            BotoCoreError: DynamoDB is not reachable.
        """
        if self._iterator is None:
            self._iterator = self._start()
        try:
            page = self._streams.get_records(ShardIterator=self._iterator, Limit=1_000)
        except ClientError as error:
            if error.response["Error"]["Code"] in _LOST:
                self._iterator = None  # the next call finds the place again
                return ()
            raise
        self._iterator = page.get("NextShardIterator")
        records = [lambda_record(record, self.stream_arn) for record in page["Records"]]
        if records:
            self._last_read = records[-1].sequence_number
        return records

    def _start(self) -> str:
        """Return an iterator after what was read, or after the checkpoint, or at the beginning."""
        arn = self._tables.describe_table(TableName=self._table)["Table"]["LatestStreamArn"]
        if arn != self.stream_arn:
            self._last_read = self._checkpoint.load(arn)
        shards = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        self.stream_arn, self.shard_id = arn, shards[0]["ShardId"]
        if self._last_read is not None:
            try:
                return self._streams.get_shard_iterator(
                    StreamArn=arn,
                    ShardId=self.shard_id,
                    ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                    SequenceNumber=self._last_read,
                )["ShardIterator"]
            except ClientError as error:
                if error.response["Error"]["Code"] not in _LOST:
                    raise
                print(f"{self._last_read} is gone from the stream: starting at its beginning")
        return self._streams.get_shard_iterator(
            StreamArn=arn, ShardId=self.shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
