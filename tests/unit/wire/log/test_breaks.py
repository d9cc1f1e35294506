"""What is told of a line and of a break at the edges: formats, the first event, a beginning."""

import pytest

from support.audited import Told, told
from tocsin.domain.merkle import Peaks
from tocsin.wire.log.auditing import Audit
from tocsin.wire.log.beginnings import beginning, read_beginning, write_beginning
from tocsin.wire.log.breaks import LINES_BEYOND
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.findings import Report
from tocsin.wire.log.lines import MAX_LINE_BYTES, Line

LOG = Told.of(700)
LINES = LOG.lines
FIRST = LINES[0]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        FIRST[:-1],
        FIRST + b" ",
        FIRST + b"\n" + FIRST,
        b" " + FIRST,
        FIRST.replace(b'{"seq":1,', b'{"seq":01,'),
        FIRST.replace(b'{"seq":1,', b'{"seq":0,'),
        FIRST.replace(b'{"seq":1,', b'{"seq": 1,'),
        FIRST.replace(b'{"seq":1,', b'{"seq":99999999999999999,'),
        FIRST.replace(b'{"seq":1,', '{"seq":\u0661,'.encode()),
        FIRST.replace(b'"hash":"', b'"hash":"A', 1),
        FIRST.replace(b'"event":{', b'"event":['),
        FIRST.replace(b'"event":', b'"event" :'),
        FIRST.partition(b',"event"')[0] + b',"leaf":"' + b"0" * 64 + b'"}\n',
        FIRST.partition(b',"event"')[0] + b',"leaf":"' + b"0" * 63 + b'"}',
        FIRST[:-2] + b"x" * MAX_LINE_BYTES + b"}}",
    ],
)
def test_what_is_no_line_is_refused_and_told(line: bytes) -> None:
    with pytest.raises(BadFormat):
        Line.read(line)
    audit = Audit("acme", LOG.known(700))
    audit.take(line)
    assert told(audit.report()) == [("unreadable", 1, 1)]


def test_a_break_is_not_followed_without_end() -> None:
    audit = Audit("acme", LOG.known(700))
    for _ in range(LINES_BEYOND):
        audit.take(b"x" * 1_000)
        assert not audit.is_over
    audit.take(LINES[3])
    assert audit.is_over
    audit.take(LINES[0])
    assert told(audit.report()) == [("unreadable", 1, 1)]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 300, 511, 512, 699])
def test_a_part_is_checked_from_the_tree_before_it(size: int) -> None:
    before = beginning(size, 700, LOG.tiles())
    assert before == Peaks().grown(LOG.leaves[:size])[0]
    assert read_beginning(write_beginning(before)) == before
    report = part(before)
    assert (report.broken, report.undecided, report.first_seq) == ([], [], size + 1)
    if size:
        wrong = Peaks(size, (bytes(32), *before.hashes[1:]))
        [(kind, first, last)] = told(part(wrong))
        assert (kind, first, last) == ("rewritten", size + 1, 700)


def part(before: Peaks) -> Report:
    audit = Audit("acme", LOG.known(700), before)
    for line in LINES[before.size :]:
        audit.take(line)
    return audit.report()


def test_a_part_that_begins_elsewhere_is_told() -> None:
    before = Peaks().grown(LOG.leaves[:300])[0]
    for start, expected in ((310, ("removed", 301, 310)), (290, ("unlinked", 301, 301))):
        audit = Audit("acme", LOG.known(700), before)
        for line in LINES[start:]:
            audit.take(line)
        assert told(audit.report()) == [expected]


def test_a_checkpoint_of_before_a_part_is_not_decided() -> None:
    audit = Audit("acme", LOG.known(100, 700), Peaks().grown(LOG.leaves[:300])[0])
    for line in LINES[300:]:
        audit.take(line)
    [why] = audit.report().undecided
    assert "100 events" in why


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"1\n",
        b"0\nAA==\n",
        b"3\nAA==\nAA==\n",
        b"01\n",
        "\u0661\n".encode(),
        b"9" * 10_000,
        b"1",
    ],
)
def test_what_is_no_beginning_is_refused(text: bytes) -> None:
    with pytest.raises(BadFormat):
        read_beginning(text)


def test_tiles_that_are_not_there_begin_nothing() -> None:
    for size, tiles in ((300, lambda tile: []), (701, LOG.tiles())):
        with pytest.raises(BadFormat):
            beginning(size, 700, tiles)
