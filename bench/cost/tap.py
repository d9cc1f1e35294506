"""A meter of a DynamoDB client's reads and waits, besides its writes."""

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bench.cost.assumed import CALL_MS
from bench.writeunits import Meter, item_size

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["Tap", "read_units"]


class Tap(Meter):
    """Also counts read units, and how long a function waits for its calls."""

    def __init__(self, client: "DynamoDBClient", tables: "DynamoDBClient") -> None:
        """See :class:`bench.writeunits.Meter`."""
        super().__init__(client, tables)
        self.reads: Counter[str] = Counter()
        self._waits: defaultdict[int, float] = defaultdict(float)  # by thread
        self._lock = threading.RLock()

    def reset(self) -> None:
        """Forget what was counted, but not how large the items are."""
        super().reset()
        self.reads.clear()
        self._waits.clear()

    @property
    def waits_ms(self) -> float:
        """How long the main thread and the busiest other one have waited, together."""
        waits = dict(self._waits)
        return waits.pop(threading.main_thread().ident or 0, 0) + max(waits.values(), default=0)

    def stored(self, table: str, prefix: str = "") -> tuple[int, int]:
        """Return how many items are in the table, and their bytes."""
        sizes = [
            size
            for (name, key), size in self._sizes.items()
            if name == table and key.startswith(prefix)
        ]
        return len(sizes), sum(sizes)

    def _before(
        self, params: dict[str, Any], model: Any, context: dict[str, Any], **others: Any
    ) -> None:
        with self._lock:
            super()._before(params=params, model=model, context=context, **others)
            context["asked"] = params
            self._waits[threading.get_ident()] += CALL_MS[model.name]

    def _after(
        self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **others: Any
    ) -> None:
        with self._lock:
            super()._after(parsed=parsed, model=model, context=context, **others)
            self.reads.update(read_units(model.name, context["asked"], parsed))


def read_units(operation: str, asked: dict[str, Any], answered: dict[str, Any]) -> Counter[str]:
    """Return the units of a call by the kind of item: one for 4 KB, half if eventually consistent.

    A query adds up its items, other calls round each; what does not exist counts as one.
    """
    units: Counter[str] = Counter()
    if operation == "GetItem":
        units[_kind(asked["Key"])] = _units([answered.get("Item", {})], asked)
    elif operation == "Query":
        values = asked["ExpressionAttributeValues"]
        size = sum(map(item_size, answered["Items"]))
        kind = _kind({"pk": values[":pk"]} if ":pk" in values else {})
        units[kind] = _units_of(size, asked)
    elif operation == "BatchGetItem":
        for table, of in asked["RequestItems"].items():
            found = answered["Responses"].get(table, [])
            missing: list[Any] = [{}] * (len(of["Keys"]) - len(found))
            units[_kind(of["Keys"][0])] += _units([*found, *missing], of)
    return units


def _units(items: Iterable[Mapping[str, Any]], asked: Mapping[str, Any]) -> Any:
    return sum(_units_of(item_size(item), asked) for item in items)


def _units_of(size_bytes: int, asked: Mapping[str, Any]) -> Any:
    units = max(1, math.ceil(size_bytes / 4096))
    return units if asked.get("ConsistentRead") else units / 2


def _kind(key: Mapping[str, Any]) -> str:
    return str(key["pk"]["S"]).partition("#")[0] if "pk" in key else "journal"
