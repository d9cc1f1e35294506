"""DynamoDB clients that send nothing: boto3's with the sending left out, and one without boto3."""

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Recorder", "hold"]


def hold(client: "DynamoDBClient", answers: Mapping[str, Any]) -> "DynamoDBClient":
    """Make a client do all but send: it gets ``answers`` (by operation, as DynamoDB's JSON).

    All of botocore but the connection takes part: parameters, endpoint, signature, parsing.
    """
    contents = {operation: json.dumps(answer).encode() for operation, answer in answers.items()}

    def answer(request: AWSPreparedRequest, **_: object) -> Any:
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        raw: Any = _Raw(contents[operation])
        return AWSResponse(request.url, 200, HTTPHeaders(), raw)

    client.meta.events.register("before-send.dynamodb", answer)
    return client


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


class Recorder:
    """Stands in for an adapter's client: an empty store, without botocore.

    ``items`` are those that were put.
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        nothing = SimpleNamespace(register_first=lambda *_, **__: None)
        self.meta = SimpleNamespace(events=nothing)  # nobody listens to what is not sent

    def put_item(self, **parameters: Any) -> dict[str, Any]:
        """Add an item to ``items``."""
        self.items.append(parameters["Item"])
        return {}

    def query(self, **_: Any) -> dict[str, Any]:
        """Find nothing."""
        return {"Items": []}

    def batch_get_item(self, **_: Any) -> dict[str, Any]:
        """Find nothing."""
        return {"Responses": {}}

    def transact_write_items(self, **_: Any) -> dict[str, Any]:
        """Accept the writes, and forget them."""
        return {}
