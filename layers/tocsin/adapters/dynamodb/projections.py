"""Projections in the state table: ``session#<org>``, ``agent#<org>`` and ``usage#<org>`` · id."""

from collections.abc import Mapping
from typing import override

from tocsin.adapters.dynamodb._calls import whole
from tocsin.adapters.dynamodb._state import StateTable
from tocsin.domain.projection import Change, Projected
from tocsin.ports import Projections

__all__ = ["DynamoProjections"]

_NEEDED = {"through_seq", "first_seq", "first_timestamp", "last_seq", "last_timestamp"}


class DynamoProjections(StateTable, Projections):
    """:class:`~tocsin.ports.Projections` on the state table."""

    @override
    def cursor(self, org: str) -> Projected:
        item = self._get("projected", org)
        if item is None:
            return Projected()
        with whole(org, "the projections' cursor"):
            digest = item["ledger_hash"]["B"] if "ledger_hash" in item else b""
            return Projected(int(item["through_seq"]["N"]), int(item["until_seq"]["N"]), digest)

    @override
    def claim(self, org: str, cursor: Projected, run: Projected) -> bool:
        claimed = self._update(
            "projected",
            org,
            "SET through_seq = :through, until_seq = :until",
            {
                ":through": {"N": str(run.through_seq)},
                ":until": {"N": str(run.until_seq)},
                ":was": {"N": str(cursor.until_seq)},
            },
            "attribute_not_exists(pk) OR (through_seq = :through AND until_seq = :was)",
        )
        return claimed is not None

    @override
    def apply(self, org: str, run: Projected, change: Change) -> None:
        added = {name: value for name, value in change.counters.items() if value}
        self._update(
            f"{change.kind}#{org}",
            change.id,
            "SET through_seq = :until, last_seq = :last_seq, last_timestamp = :last_time, "
            "first_seq = if_not_exists(first_seq, :first_seq), "
            "first_timestamp = if_not_exists(first_timestamp, :first_time) "
            "ADD " + ", ".join(f"{name} :{name}" for name in added),
            {
                ":through": {"N": str(run.through_seq)},
                ":until": {"N": str(run.until_seq)},
                ":first_seq": {"N": str(change.first_seq)},
                ":last_seq": {"N": str(change.last_seq)},
                ":first_time": {"S": change.first_timestamp},
                ":last_time": {"S": change.last_timestamp},
                **{f":{name}": {"N": str(value)} for name, value in added.items()},
            },
            "attribute_not_exists(through_seq) OR through_seq <= :through",
        )

    @override
    def advance(self, org: str, run: Projected, hash: bytes = b"") -> None:
        self._update(
            "projected",
            org,
            "SET through_seq = :until, ledger_hash = :hash",
            {
                ":through": {"N": str(run.through_seq)},
                ":until": {"N": str(run.until_seq)},
                ":hash": {"B": hash},
            },
            "through_seq = :through AND until_seq = :until",
        )

    @override
    def get(self, org: str, kind: str, id: str) -> Mapping[str, int | str] | None:
        item = self._get(f"{kind}#{org}", id)
        if item is None:
            return None
        with whole(org, f"the projection of {kind} {id!r}"):
            found = {
                name: int(value["N"]) if "N" in value else value["S"]
                for name, value in item.items()
                if name not in ("pk", "sk")
            }
            if missing := _NEEDED - found.keys():
                raise KeyError(*missing)
            return found
