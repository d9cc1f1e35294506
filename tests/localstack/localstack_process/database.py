"""DynamoDB on moto's in-memory backend, corrected: no Java, nothing to download."""

from base64 import b64decode
from collections.abc import Callable
from threading import RLock
from typing import Any

from localstack.aws.api import RequestContext, ServiceRequest, ServiceResponse
from localstack.aws.api.dynamodb import DynamodbApi
from localstack.aws.forwarder import ForwardingFallbackDispatcher
from localstack.services.moto import call_moto
from localstack.services.plugins import Service
from localstack.utils.patch import patch
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType

__all__ = ["one_at_a_time", "service"]

_lock = RLock()


def service() -> Service:
    """Return the provider: everything falls through to moto, one request at a time."""
    return Service.for_provider(
        DynamodbApi(),
        dispatch_table_factory=lambda api: ForwardingFallbackDispatcher(api, one_at_a_time),
    )


def one_at_a_time(
    context: RequestContext, request: ServiceRequest | None = None
) -> ServiceResponse:
    """Let moto serve a request of DynamoDB or its streams.

    moto checks a condition and then writes, and a failed transaction restores the tables that it
    copied: without a lock two writers both win, and a third one's write is undone.
    """
    with _lock:
        return call_moto(context)


@patch(DynamoType.size)  # type: ignore[no-untyped-call,untyped-decorator]
def size(moto_size: Callable[[DynamoType], int], self: DynamoType) -> int:
    """Count bytes: moto counts the characters of their base64, and so ends items at 300 KB."""
    return len(b64decode(self.value)) if self.is_binary() else moto_size(self)


@patch(DynamoDBBackend.transact_write_items)  # type: ignore[no-untyped-call,untyped-decorator]
def transact_write_items(
    moto_write: Callable[[DynamoDBBackend, list[Any]], None],
    self: DynamoDBBackend,
    transact_items: list[Any],
) -> None:
    """Keep the stream when a transaction fails: moto replaces it with the table, by a copy.

    Who reads the stream has the one before, and would never see another record.
    """
    before = dict(self.tables)
    try:
        moto_write(self, transact_items)
    except Exception:
        for name, table in before.items():
            restored = self.tables[name]
            if restored is not table and table.stream_shard and restored.stream_shard:
                table.stream_shard.items = restored.stream_shard.items
                table.stream_shard.table = restored
                restored.stream_shard = table.stream_shard
        raise
