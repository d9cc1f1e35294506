import pytest

from tocsin.domain.errors import Forbidden, Malformed
from tocsin.wire.filters import Filter
from tocsin.wire.page import Page, parse


def test_govrix_documented_defaults() -> None:
    assert parse([]) == Page(limit=50, offset=0)


def test_a_page_of_everything_that_can_be_asked_for() -> None:
    query = {
        "limit": "1000",
        "offset": "7",
        "before": "41",
        "after": "5",
        "since": "2026-03-05T14:20:00Z",
        "agent_id": "a",
        "session_id": "s",
        "server_id": "m",
        "action": "deny",
        "types": "anomaly,tool_call",
        "page": "of no meaning",
    }
    types = frozenset({"anomaly", "tool_call"})
    filter = Filter(types=types, agent_id="a", session_id="s", server_id="m", action="deny")
    assert parse(list(query.items())) == Page(1_000, 7, 41, "5", "2026-03-05T14:20:00Z", filter)


@pytest.mark.parametrize(
    "query",
    [
        [("limit", value)]
        for value in ("0", "1001", "-1", "+5", "1.5", "", "ten", "٣", "9" * 17, " 5")
    ]
    + [[("offset", value)] for value in ("-1", "", "x", "9" * 17)]
    + [[("before", "evt_1")], [("limit", "5"), ("limit", "5")], [("types", "nonsense")]]
    + [[("action", "maybe")], [("agent_id", "")], [("session_id", "x" * 257)]],
    ids=str,
)
def test_a_page_that_is_not_understood_is_refused(query: list[tuple[str, str]]) -> None:
    with pytest.raises(Malformed, match=query[0][0]):
        parse(query)


def test_the_allow_list_binds() -> None:
    allowed = frozenset({"anomaly"})
    assert parse([], allowed).filter == Filter(types=allowed)
    with pytest.raises(Forbidden):
        parse([("types", "tool_call")], allowed)
