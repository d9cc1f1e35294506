import pytest

from tocsin.wire.negotiation import wants_stream

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "parameters", "stream"),
    [
        ("text/event-stream", [], True),  # EventSource
        ("text/event-stream", ["limit", "agent_id"], True),
        ("Application/JSON;q=0.9, Text/Event-Stream ;q=0.5", [], True),
        ("*/*", [], True),  # Igris' curl line
        ("", [], True),
        ("text/*;q=0.5", ["types", "after", "since", "token"], True),
        ("*/*", ["limit", "agent_id"], False),  # Govrix Scout's curl line
        ("", ["offset"], False),
        ("*/*", ["session_id"], False),
        ("*/*", ["before"], False),
        ("*/*", ["from"], False),
        ("*/*", ["to", "types"], False),
        ("", ["order"], False),
        ("*/*", ["model", "trace_id", "lastEventId"], True),
        ("application/json", [], False),
        ("application/json, */*", [], False),
        ("text/html", [], False),
        (BROWSER, [], True),
    ],
)
def test_both_documents_commands_work_as_printed(
    accept: str, parameters: list[str], stream: bool
) -> None:
    assert wants_stream(accept, parameters) == stream


@pytest.mark.parametrize(
    ("accept", "stream"), [("*/*", False), ("", False), ("text/event-stream", True)]
)
def test_a_bare_route_can_be_the_list(accept: str, stream: bool) -> None:
    assert wants_stream(accept, [], "list") == stream
