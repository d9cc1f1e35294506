from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.tenant import Tenant
from tocsin.domain.errors import Forbidden, Malformed
from tocsin.domain.limits import MAX_TYPES_ASKED
from tocsin.domain.segment import SealedEvent
from tocsin.wire import filters, govrix, igris, kavach
from tocsin.wire.filters import Filter, Filtered


def parsed(query: str, **options: Any) -> Filter:
    return filters.parse(parse_qsl(query, keep_blank_values=True), **options)


def event(**fields: Any) -> SealedEvent:
    (sealed,) = Tenant().add(**fields)
    return sealed


def test_a_query_without_filters_hides_nothing() -> None:
    nothing = parsed("after=3&token=x&since=2026-01-15T10:00:00Z")
    assert not nothing
    assert nothing == Filter()
    assert nothing.matches(event())


def test_every_filter_is_taken() -> None:
    query = "types=anomaly,agent.created&agent_id=a&session_id=b&server_id=c&action=deny"
    assert parsed(query) == Filter(frozenset({"anomaly", "agent.created"}), "a", "b", "c", "deny")
    named: dict[str, Any] = dict.fromkeys(filters.PARAMETERS - {"types", "type", "action"}, "x")
    all_named = parsed(urlencode(named | {"action": "ask"}))
    assert all_named == Filter(**named, action="ask")
    said = {"tool_call_id" if name == "call_id" else name: value for name, value in named.items()}
    assert all_named.matches(event(**said, action="ask"))
    for name in said:
        assert not all_named.matches(event(**{**said, name: "y"}, action="ask"))


def test_a_call_is_all_that_reports_it_a_tool_s_or_a_model_s() -> None:
    tool, model = parsed("call_id=toolu_1"), parsed("call_id=msg_1")
    assert tool.matches(event(tool_call_id="toolu_1", metadata={"response_id": "msg_1"}))
    assert not model.matches(event(tool_call_id="toolu_1", metadata={"response_id": "msg_1"}))
    assert model.matches(event(metadata={"response_id": "msg_1"}))
    for other in (
        {"metadata": {"response_id": "msg_10"}},
        {"metadata": {"response_id": ["msg_1"]}},
        {"metadata": {"x": {"response_id": "msg_1"}}},
        {"data": {"response_id": "msg_1", "tool_call_id": "msg_1"}},
        {"trace_id": "msg_1", "span_id": "msg_1"},
    ):
        assert not model.matches(event(**other))


def test_one_type_can_be_asked_for_by_that_name() -> None:
    assert parsed("type=anomaly") == parsed("types=anomaly")
    assert parsed("type=anomaly", typed=False) == parsed("types=anomaly")
    assert parsed("type=anomaly", allowed=frozenset({"anomaly"})) == parsed("types=anomaly")
    with pytest.raises(Forbidden):
        parsed("type=anomaly", allowed=frozenset({"audit"}))


def test_the_documented_types_are_taken() -> None:
    query = parse_qsl("types=anomaly.detected,budget.exceeded")
    assert filters.types_of(query, kavach.TYPES) == frozenset(
        {"anomaly.detected", "budget.exceeded"}
    )


def test_types_can_be_given_in_several_parameters() -> None:
    assert parsed("types=anomaly&types=tool_call") == parsed("types=tool_call,anomaly")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("types=anomolies", "'anomolies' is not an event type"),
        ("types=", "'' is not"),
        ("types=anomaly,", "'' is not"),
        ("types=tool_call,*", "is not"),
        ("types=tool_call&types=nope", "'nope'"),
        ("types=Approval.created", "is not"),
        ("types=anomaly%0a", "is not"),
        ("types=" + "a." * 100 + "b", "is not"),
        ("agent_id=", "1 to 256"),
        ("session_id=" + "x" * 257, "1 to 256"),
        ("agent_id=a&agent_id=b", "twice"),
        ("type=anomaly&types=audit", "type and types"),
        ("type=anomaly,audit", "type: .* is not an event type"),
        ("type=", "1 to 256"),
        ("model=", "1 to 256"),
        ("trace_id=a&trace_id=a", "twice"),
        ("action=maybe", "one of alert, allow, ask, deny, log, watch"),
        ("action=", "1 to 256"),
    ],
)
def test_what_is_not_understood_never_means_everything(query: str, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        parsed(query)


def test_names_that_a_dialect_does_not_know_are_ignored_beside_those_it_does() -> None:
    asked = [("types", "audit, agent.created ,nope"), ("types", "vendor.name")]
    assert filters.types_of(asked, kavach.TYPES) == frozenset(("audit", "agent.created"))


def test_blanks_after_commas_are_no_part_of_a_type() -> None:
    assert parsed("types=anomaly,%20tool_call") == parsed("types=anomaly,tool_call")


def test_types_are_bounded_before_they_are_looked_at() -> None:
    names = [f"vendor.n{number}" for number in range(MAX_TYPES_ASKED)]
    assert len(parsed(f"types={','.join(names)}").types or ()) == MAX_TYPES_ASKED
    for query in (f"types={','.join(names)},a.b", f"types={','.join(names)}&types=a.b"):
        with pytest.raises(Malformed, match="more than 100"):
            parsed(query)


@pytest.mark.parametrize("types", ["tool_call", "anomaly", "", "nope,vendor.name"])
def test_a_dialect_with_names_of_its_own_takes_only_those(types: str) -> None:
    with pytest.raises(Malformed, match=r"one of agent\.created, .*cost\.recorded"):
        filters.types_of([("types", types)], kavach.TYPES)
    assert parsed(f"types={types}", typed=False) == Filter()


@pytest.mark.parametrize(
    "type", ["tool_call", "audit", "anomaly", "session_update", "approval.created", "acme.Login"]
)
def test_every_type_of_event_can_be_asked_for(type: str) -> None:
    only = parsed(f"types={type}")
    assert only.matches(event(type=type))
    assert not only.matches(event(type="custom"))


def test_what_is_allowed_is_all_that_is_seen() -> None:
    allowed = frozenset({"anomaly", "audit"})
    assert parsed("", allowed=allowed) == Filter(types=allowed)
    assert parsed("types=anomaly,custom", allowed=allowed) == Filter(types=frozenset({"anomaly"}))
    with pytest.raises(Forbidden, match="allowed"):
        parsed("types=custom", allowed=allowed)


def test_allowing_nothing_hides_everything() -> None:
    assert not parsed("", allowed=frozenset()).matches(event())
    assert parsed("", allowed=frozenset())


def test_only_an_event_that_has_it_all_is_seen() -> None:
    both = Filter(agent_id="a", server_id="s")
    assert both.matches(event(agent_id="a", server_id="s"))
    assert not both.matches(event(agent_id="a"))
    assert not both.matches(event(agent_id="s", server_id="a"))


def test_what_stands_in_metadata_is_not_the_events() -> None:
    hidden = event(agent_id="b", metadata={"agent_id": "a", "type": "anomaly"})
    assert not Filter(agent_id="a").matches(hidden)
    assert not Filter(types=frozenset({"anomaly"})).matches(hidden)


NAMES = st.text(st.sampled_from('ab"\\\n\0\u2028é😀/')) | st.text(max_size=20)


@given(asked=NAMES, has=NAMES, nested=NAMES)
def test_a_search_of_the_bytes_finds_what_parsing_finds(asked: str, has: str, nested: str) -> None:
    sealed = event(session_id=has, metadata={"session_id": nested, nested: {"session_id": asked}})
    assert Filter(session_id=asked).matches(sealed) == (asked == has)
    assert Filter(session_id=has).matches(sealed)


def test_equal_filters_share_bytes() -> None:
    query = "types=anomaly,tool_call&agent_id=a"
    one, other = (filters.render(igris.encode, parsed(query)) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != filters.render(govrix.encode, parsed(query))
    assert one != filters.render(igris.encode, parsed("types=anomaly&agent_id=a"))
    assert filters.render(igris.encode, Filter()) is igris.encode


def test_what_is_seen_is_as_the_dialect_sends_it() -> None:
    only = Filtered(igris.encode, Filter(agent_id="a"))
    seen = event(agent_id="a")
    assert only(seen) == igris.encode(seen)
    assert only(event(agent_id="b")) == b""
