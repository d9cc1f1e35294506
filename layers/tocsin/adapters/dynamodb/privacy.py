"""Privacy settings in the state table: ``privacy#<org>`` · ``settings``."""

from collections.abc import Mapping
from typing import Any, Final, override

import orjson

from tocsin.adapters.dynamodb._calls import whole
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable, not_changed_since
from tocsin.domain.batch import Batch
from tocsin.domain.privacy import KeptPrivacy, Privacy
from tocsin.ports.privacy import PrivacySettings

__all__ = ["DynamoPrivacySettings"]

_SETTINGS: Final = "settings"


class DynamoPrivacySettings(ToldTable, PrivacySettings):
    """:class:`~tocsin.ports.privacy.PrivacySettings` on the state table, beside a journal."""

    @override
    def get(self, org: str) -> KeptPrivacy:
        item = self._get(f"privacy#{org}", _SETTINGS)
        return _kept(org, item) if item else KeptPrivacy(org=org)

    @override
    def write(self, kept: KeptPrivacy, was: str, batch: Batch, packed: bytes) -> bool:
        put: Any = {
            "TableName": self._table,
            "Item": {
                **item_key(f"privacy#{kept.org}", _SETTINGS),
                "settings": {"S": orjson.dumps(kept.privacy.as_data()).decode()},
                "set_by": {"S": kept.by},
                "set_at_ms": number(kept.at_ms),
                "change": {"S": kept.change},
            },
            **not_changed_since(was),
        }
        return self._tell([{"Put": put}], batch, packed)


def _kept(org: str, item: Mapping[str, Any]) -> KeptPrivacy:
    with whole(org, "the privacy settings"):
        return KeptPrivacy(
            org=org,
            privacy=Privacy.of_data(orjson.loads(item["settings"]["S"])),
            by=item["set_by"]["S"],
            at_ms=int(item["set_at_ms"]["N"]),
            change=item["change"]["S"],
        )
