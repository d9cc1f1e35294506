"""Privacy settings in the state table: ``privacy#<org>`` · ``settings``."""

from typing import override

from tocsin.adapters.dynamodb._settings import SettingsTable
from tocsin.domain.batch import Batch
from tocsin.domain.privacy import KeptPrivacy, Privacy
from tocsin.ports.privacy import PrivacySettings

__all__ = ["DynamoPrivacySettings"]


class DynamoPrivacySettings(SettingsTable, PrivacySettings):
    """:class:`~tocsin.ports.privacy.PrivacySettings` on the state table, beside a journal."""

    @override
    def get(self, org: str) -> KeptPrivacy:
        return self._read("privacy", org, "the privacy settings", KeptPrivacy, Privacy.of_data)

    @override
    def write(self, kept: KeptPrivacy, was: str, batch: Batch, packed: bytes) -> bool:
        return self._write("privacy", kept, was, batch, packed)
