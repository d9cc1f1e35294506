"""How the limits hang together, and that the documents say the same."""

from pathlib import Path

import pytest

from tocsin.cli.mcp import spool, values
from tocsin.domain import limits
from tocsin.domain.ids import batch_of, event_ids, new_batch_id
from tocsin.embedded import _writer as writer
from tocsin.local.environment import MAX_PAYLOAD_BYTES
from tocsin.services.access import remembered
from tocsin.services.intake import once
from tocsin.services.reading import answers
from tocsin.services.stream import pools
from tocsin.services.stream.parts import StreamLimits
from tocsin.settings import ApiSettings, IngestSettings, StreamSettings
from tocsin.wire import sse

ROOT = Path(__file__).resolve().parents[3]
BATCH = new_batch_id(1_774_000_000_000, bytes(10))


def test_a_batch_holds_no_more_events_than_ids_can_number() -> None:
    assert limits.MAX_EVENTS_PER_BATCH <= limits.EVENT_IDS_PER_BATCH
    ids = event_ids(BATCH, limits.EVENT_IDS_PER_BATCH)
    assert batch_of(ids[-1]) == (BATCH, limits.EVENT_IDS_PER_BATCH - 1)
    assert len(set(ids)) == limits.EVENT_IDS_PER_BATCH == 2**10


def test_more_events_than_ids_can_number_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="1,025 events in a batch, whose ids number 1,024"):
        event_ids(BATCH, limits.EVENT_IDS_PER_BATCH + 1)


def test_any_batch_fits_a_segment() -> None:
    assert limits.MAX_EVENTS_PER_BATCH <= limits.MAX_EVENTS_PER_SEGMENT


def test_a_segment_and_its_markers_fit_a_transaction() -> None:
    dynamodb_items = 100
    segment_and_mark = 2
    assert limits.MAX_SECONDS_PER_SEGMENT + segment_and_mark <= dynamodb_items


def test_a_packed_batch_fits_an_item_of_dynamodb() -> None:
    keys_and_names = 1024
    packed = limits.MAX_PACKED_BYTES + limits.PACKED_SPREAD_BYTES
    assert packed + keys_and_names < 400 * 1024


def test_an_event_fits_a_request_a_packed_batch_and_a_message() -> None:
    assert limits.MAX_EVENT_BYTES < limits.MAX_PACKED_BYTES  # however badly it compresses
    assert limits.MAX_EVENT_BYTES < limits.MAX_BODY_BYTES < limits.MAX_UNPACKED_BYTES
    assert 2 * limits.MAX_EVENT_BYTES < sse.MAX_MESSAGE_BYTES  # some dialects say a thing twice


def test_a_batch_from_a_spool_or_the_library_is_within_the_limits() -> None:
    for size_bytes in (spool._BATCH_BYTES, writer.MAX_BYTES_AT_ONCE):
        assert size_bytes < limits.MAX_PACKED_BYTES < limits.MAX_BODY_BYTES


def test_a_recorded_call_is_within_the_limits_of_an_event() -> None:
    assert 2 * values.MAX_VALUE_BYTES < limits.MAX_EVENT_BYTES  # its arguments and its result
    assert values._MAX_LEVELS < limits.MAX_DEPTH


def test_a_list_is_not_longer_than_what_may_be_looked_at() -> None:
    assert limits.DEFAULT_LIST_EVENTS <= limits.MAX_LIST_EVENTS <= limits.MAX_EVENTS_LOOKED_AT


def test_one_org_does_not_take_all_lists() -> None:
    assert limits.LISTS_AT_ONCE_PER_ORG < limits.LISTS_AT_ONCE


def test_one_org_takes_neither_all_seats_nor_all_threads_nor_all_that_waits_unsent() -> None:
    settings = StreamSettings(journal_table="j", ledger_table="l", state_table="s")
    assert settings.streams_per_org == limits.MAX_STREAMS // 2
    assert min(pools.READS, pools.ADMISSIONS) > pools.READS_PER_ORG
    assert answers.READS_AT_ONCE_PER_ORG < answers.READS_AT_ONCE
    assert limits.MAX_UNSENT_BYTES // 2 > 2 * limits.MAX_EVENT_BYTES


def test_the_longest_list_of_types_is_refused_by_its_number_or_by_its_bytes() -> None:
    assert limits.MAX_TYPES_ASKED * 4 < limits.MAX_QUERY_BYTES


def test_a_message_on_the_channel_holds_a_large_event_or_many_small_ones() -> None:
    assert limits.MAX_CHANNEL_BYTES >= limits.MAX_EVENT_BYTES


def test_what_is_revoked_stops_everywhere_in_time() -> None:
    seconds = remembered.REMEMBERED_MS / 1_000 + StreamLimits().recheck_seconds
    assert seconds <= limits.REVOCATION_SECONDS


def test_an_idempotency_key_outlives_every_write_under_its_first_id() -> None:
    assert once.LATE_MS < limits.SETTLED_MS < limits.RECEIPT_SECONDS * 1_000


def test_settings_begin_with_the_limits() -> None:
    defaults = StreamSettings.model_fields
    assert IngestSettings.model_fields["retention_days"].default == limits.RETENTION_DAYS
    assert defaults["retention_days"].default == limits.RETENTION_DAYS
    assert defaults["max_streams"].default == limits.MAX_STREAMS == StreamLimits().max_streams
    of_api = ApiSettings.model_fields
    assert of_api["sign_in_seconds"].default == limits.SIGN_IN_SECONDS
    assert of_api["key_requests_per_minute"].default == limits.KEY_REQUESTS_PER_MINUTE


def test_one_key_does_not_take_all_failed_sign_ins() -> None:
    assert limits.MAX_FAILED_SIGN_INS_PER_KEY < limits.MAX_FAILED_SIGN_INS


def test_a_sign_out_of_every_org_fits_a_transaction() -> None:
    assert limits.MAX_SIGNED_IN_ORGS + 1 <= 100


def test_a_request_fits_an_invocation_of_a_function_in_base64() -> None:
    assert limits.MAX_BODY_BYTES * 4 / 3 < MAX_PAYLOAD_BYTES


@pytest.mark.parametrize(
    "limit",
    [
        f"{limits.MAX_EVENTS_PER_BATCH:,} events or {limits.MAX_BODY_BYTES >> 20} MB",
        f"{limits.MAX_PACKED_BYTES >> 10} KB packed",
        f"{limits.MAX_EVENT_BYTES >> 10} KB an event",
        f"{limits.MAX_DEPTH} levels of JSON",
        f"±(2^{limits.MAX_SAFE_INTEGER.bit_length()}",
        f"{limits.EVENTS_PER_MONTH:,} events a month",
        f"{limits.MAX_LABELS:,} items in",
        f"{limits.MAX_GZIP_MEMBERS:,} members",
        f"{limits.MAX_DETAILS_PER_REFUSAL} faults told of a request",
        f"{limits.MAX_DETAILS_PER_EVENT} of an event",
        f"{limits.MAX_IGNORED_NAMES} ignored fields",
        f"{limits.MAX_LIST_EVENTS:,} events a list",
        f"{limits.MAX_EVENTS_LOOKED_AT:,} events looked at",
        f"{limits.LISTS_AT_ONCE} lists at once in a process, {limits.LISTS_AT_ONCE_PER_ORG} of an",
        f"{limits.MAX_NAME_CHARS} characters an id or name",
        f"{{1,{limits.MAX_ORG_CHARS}}}",
    ],
)
def test_the_architecture_names_the_limits(limit: str) -> None:
    _, _, section = (ROOT / "docs/architecture.md").read_text().partition("## Limits")
    assert limit in section
