import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.any_event import ANY_EVENT
from support.notified import LINKS, URLS, called, endpoint, sealed, sent
from tocsin.domain.endpoints import Format
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify.rendering import wants
from tocsin.wire.notify.runs import run_of


@pytest.mark.parametrize("format", list(Format))
@settings(max_examples=100, deadline=None)
@given(event=ANY_EVENT, linked=st.booleans())
def test_whatever_is_in_an_event_it_can_be_sent(
    format: Format, event: SealedEvent, linked: bool
) -> None:
    """An event that can't be sent would hold up all that come after it."""
    to = endpoint(format)
    wants(to, event)
    request = sent(to, event, links=LINKS if linked else None)
    assert request.body
    assert request.url.startswith(URLS[format].rstrip("/").split("?")[0])
    for name, value in request.headers:
        assert name == name.lower()
        assert value.isprintable()
        assert value.isascii()


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize(
    "time",
    ["9999-12-31T23:59:59.9999Z", "0001-01-01T00:00:00+14:00", "20260320", "1774000000000", "", 7],
)
def test_an_event_of_any_time_can_be_sent(format: Format, time: object) -> None:
    for event in (
        sealed(type="approval.created", timestamp=time, data={"expires_at": time}),
        sealed(type="anomaly", received_at=time, data={"evidence": {"since": time}}),
    ):
        assert sent(endpoint(format), event).body


@pytest.mark.parametrize("format", list(Format))
def test_an_event_nested_as_deep_as_may_be_can_be_sent(format: Format) -> None:
    deep: object = "x"
    for _ in range(62):
        deep = [deep]
    assert sent(endpoint(format), called(request={"input": deep})).body


def test_only_exports_take_runs() -> None:
    assert {each for each in Format if run_of(each)} == {
        Format.SPLUNK,
        Format.S3,
        Format.PARQUET,
    }
