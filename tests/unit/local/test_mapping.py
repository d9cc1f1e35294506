"""The event source mapping, against what AWS documents of it."""

import json
from dataclasses import replace

import pytest

from tocsin.local.functions import MappingSettings
from tocsin.local.invocations import Discarded, Record
from tocsin.local.mapping import EventSourceMapping

DEPLOYED = MappingSettings()
NOW = 1_774_000_000_000
FAR = NOW + 3_600_000  # when every backoff is over


def record(number: int, name: str = "INSERT", size: int = 0) -> Record:
    return Record(str(number), name, NOW, b'{"n":%d%s}' % (number, b" " * size))


def mapping(*numbers: int, settings: MappingSettings = DEPLOYED) -> EventSourceMapping:
    """A mapping that was offered these records."""
    made = EventSourceMapping(settings)
    made.offer([record(number) for number in numbers], NOW)
    return made


def due(made: EventSourceMapping, now_ms: int = FAR) -> list[int]:
    """The numbers of the batch that is due."""
    invocation = made.due(now_ms)
    if invocation is None or invocation.not_before_ms > now_ms:
        return []
    return [int(each.sequence_number) for each in invocation.records]


def failures(*numbers: int) -> bytes:
    return json.dumps({"batchItemFailures": [{"itemIdentifier": str(n)} for n in numbers]}).encode()


def test_records_are_sent_in_order_in_batches_of_the_batch_size() -> None:
    made = mapping(1, 2, 3, settings=replace(DEPLOYED, batch_size=2))

    assert due(made) == [1, 2]
    made.answered(b"", NOW)
    assert due(made) == [3]
    made.answered(b"", NOW)
    assert due(made) == []
    assert made.checkpoint == "3"


def test_the_payload_is_lambdas_event() -> None:
    invocation = mapping(1, 2).due(NOW)

    assert invocation is not None
    assert json.loads(invocation.payload) == {"Records": [{"n": 1}, {"n": 2}]}


def test_a_batch_fits_into_an_invocation() -> None:
    made = EventSourceMapping(DEPLOYED)
    made.offer([record(number, size=2_500_000) for number in (1, 2, 3)], NOW)

    assert due(made) == [1, 2]


def test_a_batch_waits_for_its_window_unless_it_is_full() -> None:
    made = mapping(1, settings=replace(DEPLOYED, batch_size=2, maximum_batching_window_ms=100))

    assert due(made, NOW + 99) == []
    assert due(made, NOW + 100) == [1]

    made = mapping(1, 2, settings=replace(DEPLOYED, batch_size=2, maximum_batching_window_ms=100))
    assert due(made, NOW) == [1, 2]


def test_only_inserts_are_sent_and_the_rest_counts_as_done() -> None:
    made = EventSourceMapping(DEPLOYED)
    made.offer([record(1, "MODIFY"), record(2), record(3, "REMOVE")], NOW)

    assert due(made) == [2]
    assert made.checkpoint == "1"
    made.answered(b"", NOW)
    assert made.checkpoint == "3"


@pytest.mark.parametrize(
    "response",
    [b"", b"null", b"{}", b'{"batchItemFailures": []}', b'{"batchItemFailures": null}'],
)
def test_an_empty_report_is_complete_success(response: bytes) -> None:
    made = mapping(1, 2)
    due(made)

    made.answered(response, NOW)

    assert due(made) == []
    assert made.checkpoint == "2"


@pytest.mark.parametrize(
    "response",
    [
        b'{"batchItemFailures": [{"itemIdentifier": ""}]}',
        b'{"batchItemFailures": [{"itemIdentifier": null}]}',
        b'{"batchItemFailures": [{"wrong": "2"}]}',
        b'{"batchItemFailures": [{"itemIdentifier": "999"}, {"itemIdentifier": "2"}]}',
        b'{"batchItemFailures": ["2"]}',
        b'"done"',
        b"not JSON",
    ],
)
def test_a_report_that_makes_no_sense_fails_the_whole_batch(response: bytes) -> None:
    made = mapping(1, 2)
    due(made)

    made.answered(response, NOW)

    assert due(made) == [1, 2]
    assert made.checkpoint is None


def test_the_lowest_failure_is_the_checkpoint_and_everything_after_it_is_sent_again() -> None:
    made = mapping(1, 2, 3, 4, 5)
    due(made)

    made.answered(failures(4, 3), NOW)

    assert made.checkpoint == "2"
    assert due(made) == [3, 4, 5]


def test_a_report_is_ignored_when_it_is_not_asked_for() -> None:
    made = mapping(1, 2, settings=replace(DEPLOYED, report_batch_item_failures=False))
    due(made)

    made.answered(failures(1), NOW)

    assert made.checkpoint == "2"


def test_later_records_wait_for_a_failed_batch() -> None:
    made = mapping(1)
    due(made)
    made.offer([record(2)], NOW)
    made.failed(NOW)

    assert due(made) == [1]
    made.answered(b"", NOW)
    assert due(made) == [2]


def test_retries_are_unlimited_and_come_more_slowly() -> None:
    made = mapping(1)
    waits, now_ms = [], NOW
    for _ in range(10):
        invocation = made.due(now_ms)
        assert invocation is not None
        assert made.failed(now_ms) is None
        waits.append(invocation.not_before_ms - now_ms)
        now_ms = invocation.not_before_ms

    assert waits == [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000]
    assert due(made, now_ms - 1) == []
    assert due(made, now_ms) == [1]


def test_a_batch_is_given_up_after_the_configured_retries() -> None:
    made = mapping(1, 2, settings=replace(DEPLOYED, maximum_retry_attempts=2))
    made.offer([record(3)], NOW)
    results = []
    for _ in range(3):
        due(made)
        results.append(made.failed(NOW))

    given_up = results.pop()
    assert results == [None, None]
    assert isinstance(given_up, Discarded)
    assert [each.sequence_number for each in given_up.records] == ["1", "2", "3"]
    assert (given_up.attempts, given_up.condition) == (3, "RetryAttemptsExhausted")
    assert made.checkpoint == "3"


def test_a_function_out_of_reach_uses_up_no_retry() -> None:
    made = mapping(1, settings=replace(DEPLOYED, maximum_retry_attempts=0))
    for _ in range(5):
        assert due(made) == [1]
        made.postponed(NOW)

    assert due(made) == [1]
    assert made.checkpoint is None


def test_a_function_error_splits_the_batch_until_the_bad_record_is_alone() -> None:
    made = mapping(
        *range(1, 9),
        settings=replace(DEPLOYED, bisect_batch_on_function_error=True, maximum_retry_attempts=0),
    )
    sent, given_up = [], []
    while batch := due(made):
        sent.append(batch)
        result = made.failed(NOW) if 3 in batch else made.answered(b"", NOW)
        if result is not None:
            given_up.append([int(each.sequence_number) for each in result.records])

    assert sent == [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [1, 2, 3, 4],
        [1, 2],
        [3, 4],
        [3],
        [4],
        [5, 6, 7, 8],
    ]
    assert given_up == [[3]]
    assert made.checkpoint == "8"


def test_records_older_than_the_limit_are_given_up() -> None:
    made = EventSourceMapping(replace(DEPLOYED, maximum_record_age_seconds=60))
    young = replace(record(2), created_at_ms=NOW + 30_000)
    made.offer([record(1), young], NOW)

    assert made.expired(NOW + 60_000) is None
    old = made.expired(NOW + 60_001)

    assert old is not None
    assert [each.sequence_number for each in old.records] == ["1"]
    assert old.condition == "MaximumRecordAgeExceeded"
    assert made.checkpoint == "1"
    assert due(made) == [2]


def test_reading_pauses_while_a_whole_batch_waits() -> None:
    made = mapping(1, 2, settings=replace(DEPLOYED, batch_size=2))
    assert not made.wants_records
    due(made)
    assert made.wants_records
    assert not made.idle
