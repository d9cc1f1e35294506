"""What every implementation of detection's alerts, cursors and settings does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.batch import Batch
from tocsin.domain.detect.anomaly import Anomaly, Status
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.kept import KeptSettings
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.detect.settings import Hours, Settings
from tocsin.domain.ids import event_ids, new_batch_id
from tocsin.services.intake.stamp import own_batch

AT_MS = 1_774_000_000_000


def told(salt: int, org: str = "acme") -> tuple[str, tuple[Batch, bytes]]:
    id = new_batch_id(AT_MS + salt, bytes(10))
    return id, own_batch(org, [{"type": "tocsin.x"}], id)


def anomaly(salt: int, org: str = "acme") -> Anomaly:
    return Anomaly(
        org=org,
        id=event_ids(new_batch_id(AT_MS + salt, bytes(10)), 1)[0],
        kind=Kind.RATE_SPIKE,
        severity=Severity.WARNING,
        subject=Subject("tool", "exec/\U0001f600", "db"),
        series="s",
        description="many",
        at_ms=AT_MS,
        count=2,
        nats=30.5,
        seqs=(3, 7),
    )


def add(on: Stores, each: Anomaly) -> Anomaly:
    change, batch = told(900 + int(each.count))
    found = replace(each, change=change)
    was = on.detections.cursor(each.org)
    assert on.detections.advance(each.org, was, Cursor(change=change), {}, None, [found])
    assert batch
    return found


class TestAnomalies:
    def test_one_comes_back_as_it_was_written(self, on: Stores) -> None:
        made = add(on, anomaly(1))
        assert on.anomalies.get("acme", made.id) == made
        assert on.anomalies.get("beta", made.id) is None
        assert on.anomalies.newest("beta", "", 9) == []

    def test_they_are_listed_from_the_newest_on(self, on: Stores) -> None:
        made = [add(on, replace(anomaly(salt), count=salt + 1)) for salt in (2, 0, 1)]
        ids = sorted((each.id for each in made), reverse=True)
        assert [id for id, _ in on.anomalies.newest("acme", "", 9)] == ids
        assert [id for id, _ in on.anomalies.newest("acme", ids[0], 1)] == ids[1:2]
        assert on.anomalies.newest("acme", ids[2], 9) == []

    def test_what_is_said_of_one_is_said_from_where_it_was(self, on: Stores) -> None:
        made = add(on, anomaly(1))
        change, batch = told(5)
        said = replace(
            made, status=Status.SNOOZED, until_ms=9, by="m", reason="r", said_at_ms=7, change=change
        )
        assert not on.anomalies.write(said, "other", *batch)
        assert not on.journal.get("acme", [change])
        assert on.anomalies.write(said, made.change, *batch)
        assert on.journal.get("acme", [change])
        assert on.anomalies.get("acme", made.id) == said
        assert not on.anomalies.write(said, made.change, *told(6)[1])


class TestDetections:
    def test_a_cursor_is_advanced_from_where_it_was(self, on: Stores) -> None:
        first, second = told(1)[0], told(2)[0]
        assert on.detections.cursor("acme") == Cursor()
        now = Cursor(7, b"h", b"s", 5, first)
        assert on.detections.advance("acme", Cursor(), now, {"a#1": b"x"})
        assert not on.detections.advance("acme", Cursor(), now, {"a#1": b"y"})
        assert on.detections.cursor("acme") == now
        assert on.detections.states("acme", ["a#1", "a#2"]) == {"a#1": b"x"}
        assert on.detections.due(4) == []
        assert on.detections.due(5) == ["acme"]
        assert on.detections.advance("acme", now, Cursor(8, b"i", b"s", 0, second), {})
        assert on.detections.due(5) == []


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
