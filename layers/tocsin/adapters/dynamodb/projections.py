"""Projections in the state table: ``<kind>#<org>`` · id, as in ``session#acme`` · ``s1``.

The order of lists is ``seen-<kind>#<org>`` · place. Of a generation other than the first, ``#`` and
its number follow the org. The cursors are ``projected`` · org, which also says what is served.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import batch_get, calls, condition_failed, query, whole
from tocsin.adapters.dynamodb._state import StateTable, item_key, number
from tocsin.domain.projection import CALLS, INDEXES, KINDS, Change, Item, Projected, place_of
from tocsin.ports.projections import Projections

__all__ = ["PARTITIONS", "DynamoProjections", "standing_at"]

PARTITIONS = (*KINDS, *(f"seen-{kind}" for kind in INDEXES))
"""The kinds of partitions that hold items and the order of lists."""

_NEEDED = {"through_seq", "first_seq", "first_timestamp", "last_seq", "last_timestamp"}
_KEYS_PER_GET = 100
_NEVER_OR = "attribute_not_exists(through_seq) OR ({})"
_CALLS = 24  # items of ten minutes' calls, if there is a run each half a minute
_END = "~"  # beyond what places, and the ids of a day, go on with


class DynamoProjections(StateTable, Projections):
    """:class:`~tocsin.ports.projections.Projections` on the state table."""

    @override
    def cursor(self, org: str, generation: int | None = None) -> Projected:
        with whole(org, "the projections' cursor"):
            item = self._get("projected", _of(org, generation or 0)) or {}
            if generation is None and (generation := _number(item, "generation")):
                item = self._get("projected", _of(org, generation)) or {}
            return Projected(
                _number(item, "through_seq"),
                _number(item, "until_seq"),
                item["ledger_hash"]["B"] if "ledger_hash" in item else b"",
                generation or 0,
                _number(item, "counted_after"),
                {kind: _number(item, f"count_{kind}") for kind in INDEXES},
                _number(item, "claimed_at"),
                # What an older version projected, or claimed, it took for a call each.
                _number(item, "linked_after" if "linked_after" in item else "until_seq"),
            )

    @override
    def claim(self, org: str, cursor: Projected, run: Projected) -> bool:
        claimed = self._update(
            "projected",
            _of(org, run.generation),
            "SET through_seq = :through, until_seq = :until, claimed_at = :at,"
            " counted_after = if_not_exists(counted_after, :through),"
            " linked_after = if_not_exists(linked_after, :through)",
            {
                ":through": number(run.through_seq),
                ":until": number(run.until_seq),
                ":was": number(cursor.until_seq),
                ":at": number(run.claimed_at_ms),
            },
            "attribute_not_exists(through_seq) OR (through_seq = :through AND until_seq = :was)",
        )
        return claimed is not None

    @override
    def apply(self, org: str, run: Projected, change: Change) -> None:
        added = {name: value for name, value in change.counters.items() if value}
        adding = " ADD " + ", ".join(f"{name} :{name}" for name in added) if added else ""
        self._update(
            _of(f"{change.kind}#{org}", run.generation),
            change.id,
            "SET through_seq = :until, last_seq = :last_seq, last_timestamp = :last_time, "
            "first_seq = if_not_exists(first_seq, :first_seq), "
            "first_timestamp = if_not_exists(first_timestamp, :first_time)"
            + "".join(f", {name} = :{name}" for name in change.texts)
            + adding,
            {
                ":through": number(run.through_seq),
                ":until": number(run.until_seq),
                ":first_seq": number(change.first_seq),
                ":last_seq": number(change.last_seq),
                ":first_time": {"S": change.first_timestamp},
                ":last_time": {"S": change.last_timestamp},
                **{f":{name}": number(value) for name, value in added.items()},
                **{f":{name}": {"S": value} for name, value in change.texts.items()},
            },
            "attribute_not_exists(through_seq) OR through_seq <= :through",
        )
        if change.place:
            self._move(_of(f"seen-{change.kind}#{org}", run.generation), run, change)

    def _move(self, pk: str, run: Projected, change: Change) -> None:
        """Put an item where it is in its list, and no longer where it was.

        What a later run has put there again is left alone.
        """
        self._update(
            pk,
            change.place,
            "SET listed = :id, through_seq = :until",
            {":id": {"S": change.id}, ":until": number(run.until_seq)},
            "attribute_not_exists(pk) OR through_seq <= :until",
        )
        if change.left:
            try:
                with calls():
                    self._client.delete_item(
                        TableName=self._table,
                        Key=item_key(pk, change.left),
                        ConditionExpression="attribute_not_exists(pk) OR through_seq <= :through",
                        ExpressionAttributeValues={":through": number(run.through_seq)},
                    )
            except ClientError as error:
                if not condition_failed(error):
                    raise

    @override
    def advance(
        self, org: str, run: Projected, hash: bytes = b"", new: Mapping[str, int] | None = None
    ) -> None:
        added = {f"count_{kind}": count for kind, count in (new or {}).items() if count}
        adding = " ADD " + ", ".join(f"{name} :{name}" for name in added) if added else ""
        self._update(
            "projected",
            _of(org, run.generation),
            "SET through_seq = :until, ledger_hash = :hash" + adding,
            {
                ":through": number(run.through_seq),
                ":until": number(run.until_seq),
                ":hash": {"B": hash},
                **{f":{name}": number(count) for name, count in added.items()},
            },
            "through_seq = :through AND until_seq = :until",
        )

    @override
    def get(self, org: str, kind: str, id: str, generation: int = 0) -> Item | None:
        item = self._get(_of(f"{kind}#{org}", generation), id)
        return None if item is None else _item(org, kind, item)

    @override
    def items(
        self, org: str, keys: Sequence[tuple[str, str]], generation: int
    ) -> Mapping[tuple[str, str], Item]:
        wanted = [item_key(_of(f"{kind}#{org}", generation), id) for kind, id in keys]
        found: dict[tuple[str, str], Item] = {}
        for item in batch_get(self._client, self._table, wanted, _KEYS_PER_GET):
            kind = item["pk"]["S"].partition("#")[0]
            found[kind, item["sk"]["S"]] = _item(org, kind, item)
        return found

    @override
    def newest(
        self, org: str, kind: str, before: str, limit: int, generation: int
    ) -> Sequence[tuple[str, Item]]:
        found: list[tuple[str, Item]] = []
        pk = _of(f"seen-{kind}#{org}", generation)
        before = before or _END
        while left := limit - len(found):
            rows = list(self._query(pk, " AND sk < :before", {":before": before}, left))
            ids = {row["listed"]["S"] for row in rows}
            items = self.items(org, [(kind, id) for id in ids], generation)
            for row in rows:
                before, id = row["sk"]["S"], row["listed"]["S"]
                item = items.get((kind, id))
                if item is not None and place_of(item) == before:  # not where it once was
                    found.append((id, item))
            if len(rows) < left:
                break
        return found

    @override
    def between(
        self, org: str, kind: str, first_day: str, last_day: str, generation: int
    ) -> Iterator[tuple[str, Item]]:
        pk = _of(f"{kind}#{org}", generation)
        days = {":first": first_day, ":last": last_day + _END}
        for item in self._query(pk, " AND sk BETWEEN :first AND :last", days):
            yield item["sk"]["S"], _item(org, kind, item)

    def _query(
        self,
        pk: str,
        condition: str = "",
        values: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield items of a partition: with a limit the last ones, the last one first."""
        return query(
            self._client,
            limit,
            TableName=self._table,
            KeyConditionExpression="pk = :pk" + condition,
            ExpressionAttributeValues={
                ":pk": {"S": pk},
                **{name: {"S": value} for name, value in (values or {}).items()},
            },
            ScanIndexForward=limit is None,
        )

    @override
    def calls(self, org: str, before_id: str, generation: int) -> Iterator[Item]:
        pk = _of(f"{CALLS}#{org}", generation)
        while rows := list(self._query(pk, " AND sk < :before", {":before": before_id}, _CALLS)):
            for row in rows:
                yield _item(org, CALLS, row)
            before_id = rows[-1]["sk"]["S"]

    @override
    def remake(self, org: str) -> int:
        served = self.cursor(org).generation
        begun = self._update(
            "projected",
            org,
            "SET making = :following",
            {":following": number(served + 1), ":served": number(served)},
            "attribute_not_exists(making) AND "
            "(attribute_not_exists(generation) OR generation = :served)",
        )
        if begun is not None:
            return served + 1
        # Not by an update's answer: an attribute that it leaves as it is need not be in that.
        making = _number(self._get("projected", org) or {}, "making")
        return making or self.remake(org)  # another has begun one, or has finished it

    @override
    def serve(self, org: str, generation: int) -> None:
        self._update(
            "projected",
            org,
            "SET generation = :made REMOVE making",
            {":made": number(generation)},
            "making = :made",
        )

    @override
    def drop(self, org: str, generation: int) -> None:
        # The cursor first: whoever goes on with items that are half removed must begin anew. That
        # of the first generation also says what is served.
        self._update(
            "projected",
            _of(org, generation),
            "SET through_seq = :none, until_seq = :none "
            "REMOVE ledger_hash, counted_after, linked_after, "
            + ", ".join(f"count_{kind}" for kind in INDEXES),
            {":none": number(0)},
        )
        for kind in PARTITIONS:
            pk = _of(f"{kind}#{org}", generation)
            for item in self._query(pk):
                self._take(pk, item["sk"]["S"])


def standing_at(table: str, org: str, at: Projected) -> dict[str, Any]:
    """Return a transaction's check that projections are there, and no run beyond it is claimed."""
    there = "through_seq = :at AND until_seq <= :at"
    return {
        "TableName": table,
        "Key": item_key("projected", _of(org, at.generation)),
        "ConditionExpression": there if at.through_seq else _NEVER_OR.format(there),
        "ExpressionAttributeValues": {":at": number(at.through_seq)},
    }


def _of(name: str, generation: int) -> str:
    return f"{name}#{generation}" if generation else name


def _number(item: Mapping[str, Any], name: str) -> int:
    return int(item[name]["N"]) if name in item else 0


def _item(org: str, kind: str, item: Mapping[str, Any]) -> Item:
    with whole(org, f"the projection of {kind} {item['sk']['S']!r}"):
        found = {
            name: int(value["N"]) if "N" in value else value["S"]
            for name, value in item.items()
            if name not in ("pk", "sk")
        }
        if missing := _NEEDED - found.keys():
            raise KeyError(*missing)
        return found
