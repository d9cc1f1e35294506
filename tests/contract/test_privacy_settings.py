"""What every implementation of the privacy settings does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.batch import Batch
from tocsin.domain.ids import new_batch_id
from tocsin.domain.privacy import KeptPrivacy, Pii, Privacy, TagRule
from tocsin.services.intake.stamp import own_batch

AT_MS = 1_774_000_000_000


def told(salt: int) -> tuple[str, tuple[Batch, bytes]]:
    id = new_batch_id(AT_MS + salt, bytes(10))
    return id, own_batch("acme", [{"type": "tocsin.x"}], id)


class TestSettings:
    def test_they_are_the_usual_ones_until_they_are_set(self, on: Stores) -> None:
        assert on.privacy_settings.get("acme") == KeptPrivacy(org="acme")
        change, batch = told(1)
        privacy = Privacy(Pii.MASK, (TagRule("gdpr", agent="crm-*"), TagRule("pci", model="x")))
        kept = KeptPrivacy(org="acme", settings=privacy, by="m", at_ms=7, change=change)
        assert on.privacy_settings.write(kept, "", *batch)
        assert on.privacy_settings.get("acme") == kept
        assert on.privacy_settings.get("beta") == KeptPrivacy(org="beta")
        assert on.journal.get("acme", [change])

    def test_a_change_is_made_from_where_it_began(self, on: Stores) -> None:
        change, batch = told(1)
        kept = KeptPrivacy(org="acme", by="m", at_ms=7, change=change)
        assert on.privacy_settings.write(kept, "", *batch)
        other, more = told(2)
        assert not on.privacy_settings.write(replace(kept, change=other), "", *more)
        assert not on.journal.get("acme", [other])
        assert on.privacy_settings.write(replace(kept, change=other), change, *more)
