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
        "from": "2026-03-05T14:20:00+01:00",
        "to": "2026-03-06",
        "order": "asc",
    }
    types = frozenset({"anomaly", "tool_call"})
    filter = Filter(types=types, agent_id="a", session_id="s", server_id="m", action="deny")
    from_ms, to_ms = 1_772_716_800_000, 1_772_755_200_000
    page = Page(1_000, 7, 41, "5", "2026-03-05T14:20:00Z", filter, from_ms, to_ms, "asc")
    assert parse(list(query.items())) == page
    del query["session_id"]
    for name in ("limit", "offset", "order"):
        del query[name]
    page = Page(50, 0, 41, "5", "2026-03-05T14:20:00Z", filter, from_ms, to_ms)
    assert parse(list(query.items()), session_id="s") == page


@pytest.mark.parametrize("name", ["limit", "offset", "order", "session_id", "page", "_", "token"])
def test_a_session_takes_no_page_and_nothing_that_is_not_known(name: str) -> None:
    with pytest.raises(Malformed, match=f"'{name}' is not known: there are action, after"):
        parse([(name, "1")], session_id="s")


def test_what_decides_by_an_events_content_is_told() -> None:
    assert not parse([("limit", "5"), ("order", "asc"), ("after", "3")]).selective
    for query in (("agent_id", "a"), ("from", "2026-03-05"), ("to", "2026-03-05")):
        assert parse([query]).selective


@pytest.mark.parametrize(
    "query",
    [
        [("limit", value)]
        for value in ("0", "1001", "-1", "+5", "1.5", "", "ten", "٣", "9" * 17, " 5")
    ]
    + [[("offset", value)] for value in ("-1", "", "x", "9" * 17)]
    + [[("before", "evt_1")], [("limit", "5"), ("limit", "5")], [("types", "nonsense")]]
    + [[("action", "maybe")], [("agent_id", "")], [("session_id", "x" * 257)]]
    + [[(name, value)] for name in ("from", "to") for value in ("", "yesterday", "0", "1e9")]
    + [[("to", "2026-03-05"), ("from", "2026-03-06")], [("from", "2026-03-05")] * 2]
    + [[("order", "up")], [("order", "")], [("limits", "5")], [("_", "1")], [("x" * 999, "")]],
    ids=str,
)
def test_a_page_that_is_not_understood_is_refused(query: list[tuple[str, str]]) -> None:
    with pytest.raises(Malformed, match=query[0][0][:256]) as refused:
        parse(query)
    assert len(str(refused.value)) < 600


def test_the_allow_list_binds() -> None:
    allowed = frozenset({"anomaly"})
    assert parse([], allowed).filter == Filter(types=allowed)
    with pytest.raises(Forbidden):
        parse([("types", "tool_call")], allowed)
