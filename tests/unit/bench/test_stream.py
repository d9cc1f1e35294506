"""The stream's bench, as far as it decides something."""

from pathlib import Path

import pytest

from bench.stream.events import EVENTS_PER_MESSAGE, HISTORY, MARK, data, made, sealed
from bench.stream.nchan import nginx
from tocsin.wire import govrix, rampart


def test_without_nchan_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="apt-get install nginx-light libnginx-mod-nchan"):
        nginx(tmp_path / "ngx_nchan_module.so")


def test_every_event_is_counted_once_in_every_dialect_and_in_what_nchan_sends() -> None:
    events = [event for each in made(1, 1)[HISTORY:] for event in sealed(*each)]
    assert len(events) == EVENTS_PER_MESSAGE + 1
    for event in events:
        for message in (govrix.encode(event), rampart.encode(event), data(event)):
            assert message.count(MARK) == 1
        assert b"data: " + data(event) + b"\n\n" in govrix.encode(event)
