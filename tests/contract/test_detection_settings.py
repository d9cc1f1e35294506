"""What every implementation of detection's settings does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.batch import Batch
from tocsin.domain.detect.kept import KeptSettings
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.detect.settings import Hours, Settings
from tocsin.domain.ids import new_batch_id
from tocsin.services.intake.stamp import own_batch

AT_MS = 1_774_000_000_000


def told(salt: int, org: str = "acme") -> tuple[str, tuple[Batch, bytes]]:
    id = new_batch_id(AT_MS + salt, bytes(10))
    return id, own_batch(org, [{"type": "tocsin.x"}], id)


class TestSettings:
    def test_they_are_the_usual_ones_until_they_are_set(self, on: Stores) -> None:
        assert on.detection_settings.get("acme") == KeptSettings(org="acme")
        change, batch = told(1)
        settings = Settings(
            enabled=False,
            false_alerts_per_day=0.5,
            kinds=frozenset({Kind.SILENCE}),
            hours=Hours(60, 61, frozenset({6}), "Europe/Berlin"),
            suspend_from=Severity.CRITICAL,
        )
        kept = KeptSettings(org="acme", settings=settings, by="m", at_ms=7, change=change)
        assert on.detection_settings.write(kept, "", *batch)
        assert on.detection_settings.get("acme") == kept
        assert on.detection_settings.get("beta") == KeptSettings(org="beta")

    def test_a_change_is_made_from_where_it_began(self, on: Stores) -> None:
        change, batch = told(1)
        kept = KeptSettings(org="acme", by="m", at_ms=7, change=change)
        assert on.detection_settings.write(kept, "", *batch)
        other, more = told(2)
        assert not on.detection_settings.write(replace(kept, change=other), "", *more)
        assert not on.journal.get("acme", [other])
        assert on.detection_settings.write(replace(kept, change=other), change, *more)
