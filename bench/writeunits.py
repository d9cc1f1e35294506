"""What writes cost on DynamoDB: the sizes of items, the units, and a meter for a client.

The rules are those of the Developer Guide: "DynamoDB item sizes and formats" (a name's UTF-8 bytes
plus the value's; one byte per two significant digits of a number plus one; binary as it is) and
"DynamoDB read and write operations" (a unit per started KB of the larger of the item before and
after, twice that in a transaction).
"""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Meter", "item_size", "write_units"]

_UNIT_BYTES = 1024
_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})
_READS = frozenset({"GetItem", "BatchGetItem", "Query"})


def item_size(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Return how many bytes an item (as boto3 has it) counts for in a write."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def write_units(size_bytes: int) -> int:
    """Return the units of a write outside a transaction."""
    return max(1, -(-size_bytes // _UNIT_BYTES))


def _value_size(value: Mapping[str, Any]) -> int:
    kind: str
    content: Any
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "B":
            return len(content)
        case "N":
            digits = str(content).lstrip("-").replace(".", "").strip("0")
            return (len(digits) + 1) // 2 + 1 + str(content).startswith("-")
        case "BOOL" | "NULL":
            return 1
        case "SS" | "NS" | "BS":
            return sum(_value_size({kind[0]: each}) for each in content)
        case "L":
            return 3 + sum(1 + _value_size(each) for each in content)
        case "M":
            return 3 + len(content) + item_size(content)
    raise ValueError(f"no such type: {kind}")


class Meter:
    """Counts the write units of a client's calls, by the kind of item.

    The kind is the partition key's text before ``#``, or the table's name where there is none.
    ``units`` are computed from the items; ``reported`` is what the server said they cost; ``calls``
    counts all of the client's, reads too.
    """

    def __init__(self, client: "DynamoDBClient", tables: "DynamoDBClient") -> None:
        """Listen to ``client``; ``tables`` is another client, for looking at items."""
        self.units: Counter[str] = Counter()
        self.reported = 0.0
        self.calls = 0
        self._tables = tables
        self._sizes: dict[tuple[str, str], int] = {}  # table, key → the item's bytes
        client.meta.events.register("before-parameter-build.dynamodb", self._before)
        client.meta.events.register("after-call.dynamodb", self._after)

    def reset(self) -> None:
        """Forget what was counted, but not how large the items are."""
        self.units.clear()
        self.reported = 0.0
        self.calls = 0

    def _before(
        self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any
    ) -> None:
        self.calls += 1
        if model.name in _WRITES:
            params["ReturnConsumedCapacity"] = "TOTAL"
            if model.name == "UpdateItem":
                params["ReturnValues"] = "ALL_NEW"  # a superset of what the adapters ask for
            context["written"] = params
        elif model.name not in _READS:
            raise RuntimeError(f"{model.name} is not metered")

    def _after(self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        if model.name not in _WRITES:
            return
        if "Error" in parsed:
            raise RuntimeError(f"{model.name}: {parsed['Error']}")
        request, consumed = context["written"], parsed["ConsumedCapacity"]
        if model.name == "PutItem":
            self._count(request["TableName"], request["Item"])
        elif model.name == "UpdateItem":
            self._count(request["TableName"], parsed["Attributes"])
        elif model.name == "DeleteItem":
            self._count(request["TableName"], request["Key"])
        else:
            for action in request["TransactItems"]:
                ((_, write),) = action.items()
                self._count(write["TableName"], self._item_after(write), factor=2)
        self.reported += sum(
            each["CapacityUnits"]
            for each in (consumed if isinstance(consumed, list) else [consumed])
        )

    def _item_after(self, write: Mapping[str, Any]) -> dict[str, Any]:
        if "Item" in write:
            item: dict[str, Any] = write["Item"]
            return item
        answer = self._tables.get_item(
            TableName=write["TableName"], Key=write["Key"], ConsistentRead=True
        )
        return dict(answer.get("Item", write["Key"]))  # what is deleted counts as it was

    def _count(self, table: str, item: Mapping[str, Any], factor: int = 1) -> None:
        partition, sort = ("pk", "sk") if "pk" in item else ("org", "batch")
        ((_, owner),), ((_, place),) = item[partition].items(), item[sort].items()
        key = (table, f"{owner} {place}")
        size = item_size(item)
        larger = max(size, self._sizes.get(key, 0))
        self._sizes[key] = size
        kind = owner.partition("#")[0] if partition == "pk" else table
        self.units[kind] += factor * write_units(larger)
