"""Lines out of chunks."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli.mcp.lines import Lines


@given(st.lists(st.binary(max_size=8) | st.sampled_from([b"\n", b"\r\n", b"a\nb"])))
def test_lines_are_those_of_the_whole_stream(chunks: list[bytes]) -> None:
    lines = Lines()
    found = [line for chunk in chunks for line in lines.feed(chunk)] + lines.finish()
    *ended, rest = b"".join(chunks).split(b"\n")
    assert found == ended + ([rest] if rest else [])


def test_a_line_beyond_the_limit_is_counted_and_not_kept() -> None:
    lines = Lines(max_line_bytes=4)
    assert lines.feed(b"1234\n123") == [b"1234"]
    assert lines.feed(b"45") == []
    assert lines.feed(b"6789\nnext\n") == [b"next"]
    assert lines.skipped == 1
    assert lines.feed(b"12345") == []
    assert lines.finish() == []
