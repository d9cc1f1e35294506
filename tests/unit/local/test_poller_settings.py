"""How the mapping is changed from outside."""

import pytest

from tocsin.local.poller import PollerSettings


def test_the_deployed_mapping_retries_for_ever_and_takes_inserts_only() -> None:
    mapping = PollerSettings().mapping

    assert mapping.maximum_retry_attempts == mapping.maximum_record_age_seconds == -1
    assert mapping.report_batch_item_failures
    assert mapping.event_names == {"INSERT"}


def test_the_environment_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_POLLER_MAPPING", '{"batch_size": 7, "maximum_retry_attempts": 2}')
    monkeypatch.setenv("TOCSIN_POLLER_ON_FAILURE_QUEUE_URL", "http://queue")

    settings = PollerSettings()

    assert (settings.mapping.batch_size, settings.mapping.maximum_retry_attempts) == (7, 2)
    assert settings.on_failure_queue_url == "http://queue"
