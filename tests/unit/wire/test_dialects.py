from urllib.parse import parse_qsl

import pytest

from fakes.tenant import Tenant
from support.streams import decode
from tocsin.domain.errors import Forbidden, Malformed
from tocsin.wire import dialects, frames, govrix, igris, kavach, rampart, sse
from tocsin.wire.dialects import GOVRIX, IGRIS, KAVACH, RAMPART, Dialect

ALL = {"igris": IGRIS, "rampart": RAMPART, "govrix": GOVRIX, "kavach": KAVACH}


each_dialect = pytest.mark.parametrize("dialect", ALL.values(), ids=ALL)


@pytest.mark.parametrize(
    ("dialect", "encode"),
    [
        (IGRIS, igris.encode),
        (RAMPART, rampart.encode),
        (GOVRIX, govrix.encode),
        (KAVACH, kavach.encode),
    ],
    ids=ALL,
)
def test_without_filters_all_share_the_dialect_itself(dialect: Dialect, encode: object) -> None:
    assert dialect.render([("after", "3")]) is encode


@each_dialect
def test_every_dialect_filters(dialect: Dialect) -> None:
    render = dialect.render([("agent_id", "a")])
    assert render == dialect.render([("agent_id", "a")])
    seen, hidden = Tenant().add(agent_id="a")[0], Tenant().add(agent_id="b")[0]
    assert render(seen) == dialect.encode(seen)
    assert render(hidden) == b""


@each_dialect
def test_no_dialect_takes_a_type_it_does_not_know(dialect: Dialect) -> None:
    with pytest.raises(Malformed):
        dialect.render([("types", "nope")])


@each_dialect
def test_what_is_allowed_binds_every_dialect(dialect: Dialect) -> None:
    (seen,) = Tenant().add(type="agent.created")
    (hidden,) = Tenant().add(type="tool_call")
    render = dialect.render([], frozenset({"agent.created"}))
    assert (bool(render(seen)), bool(render(hidden))) == (True, False)


def test_types_are_kavachos_names_there_and_event_types_elsewhere() -> None:
    query = parse_qsl("types=anomaly.detected")
    (anomaly,) = Tenant().add(type="anomaly")
    assert [message.event for message in decode(KAVACH.render(query)(anomaly))] == [
        "anomaly.detected"
    ]
    assert GOVRIX.render(query)(anomaly) == b""
    assert GOVRIX.render([("types", "anomaly")])(anomaly) == govrix.encode(anomaly)


def test_names_do_not_pass_what_is_not_allowed() -> None:
    query = parse_qsl("types=audit,cost.recorded&agent_id=a")
    render = KAVACH.render(query, frozenset({"custom"}))
    (custom,) = Tenant().add(type="custom", agent_id="a", cost_usd=1)
    (call,) = Tenant().add(type="tool_call", agent_id="a", cost_usd=1)
    assert [message.event for message in decode(render(custom))] == ["audit", "cost.recorded"]
    assert render(call) == b""


def test_who_asks_for_nothing_that_is_allowed_is_told() -> None:
    with pytest.raises(Forbidden):
        GOVRIX.render([("types", "custom")], frozenset({"anomaly"}))


@each_dialect
def test_every_opening_tells_the_cursor(dialect: Dialect) -> None:
    stream = dialect.opening(41, 2_000) + b"data: {}\n\n"
    *_, message = decode(stream)
    assert message.id == "41"


@each_dialect
def test_every_opening_takes_back_what_the_last_stream_said_at_its_end(dialect: Dialect) -> None:
    decoder = sse.Decoder()
    list(decoder.feed(frames.retry(11_000)))
    assert decoder.retry_ms == 11_000
    list(decoder.feed(dialect.opening(41, 2_000)))
    assert decoder.retry_ms == 2_000


@pytest.mark.parametrize(
    ("dialect", "data", "seconds"),
    [
        (GOVRIX, b": keepalive\n", 15),
        (KAVACH, b": heartbeat\n", 30),
        (IGRIS, b": keepalive\n", 15),
        (RAMPART, b": keepalive\n", 15),
    ],
)
def test_heartbeats_are_as_documented(dialect: Dialect, data: bytes, seconds: int) -> None:
    assert dialect.heartbeat == dialects.Heartbeat(data, seconds)
