"""What an org has set as a whole, in the state table: ``<kind>#<org>`` · ``settings``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import orjson

from tocsin.adapters.dynamodb._calls import whole
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable, not_changed_since
from tocsin.domain.batch import Batch

if TYPE_CHECKING:
    from tocsin.domain.detect.kept import KeptSettings
    from tocsin.domain.privacy import KeptPrivacy

__all__ = ["SettingsTable"]

_SETTINGS: Final = "settings"


class SettingsTable(ToldTable):
    """One kind of settings, beside a journal: of each org an item, or none."""

    def _read[K](
        self,
        kind: str,
        org: str,
        what: str,
        kept: Callable[..., K],
        of_data: Callable[[Any], object],
    ) -> K:
        """Return what is ``kept``; ``of_data`` reads what was set, and ``what`` names it."""
        item = self._get(f"{kind}#{org}", _SETTINGS)
        if not item:
            return kept(org=org)
        with whole(org, what):
            return kept(
                org=org,
                settings=of_data(orjson.loads(item["settings"]["S"])),
                by=item["set_by"]["S"],
                at_ms=int(item["set_at_ms"]["N"]),
                change=item["change"]["S"],
            )

    def _write(
        self, kind: str, kept: "KeptSettings | KeptPrivacy", was: str, batch: Batch, packed: bytes
    ) -> bool:
        put: Any = {
            "TableName": self._table,
            "Item": {
                **item_key(f"{kind}#{kept.org}", _SETTINGS),
                "settings": {"S": orjson.dumps(kept.settings.as_data()).decode()},
                "set_by": {"S": kept.by},
                "set_at_ms": number(kept.at_ms),
                "change": {"S": kept.change},
            },
            **not_changed_since(was),
        }
        return self._tell([{"Put": put}], batch, packed)
