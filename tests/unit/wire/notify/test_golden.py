"""What is sent of an approval, an anomaly and a call, in each format, as files.

After a change that is meant, write them anew:
``PYTHONPATH=layers:tests:. python tests/unit/wire/notify/test_golden.py``.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from support.notified import LINKS, asked, called, endpoint, found, sent
from support.parquets import rows
from tocsin import __version__
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.endpoints import Format

GOLDEN = Path(__file__).parent / "golden"
EVENTS = {"approval": (asked(), LINKS), "anomaly": (found(), None), "call": (called(), None)}


def shown(format: Format, request: Outgoing) -> str:
    """Return a request as a file shows it; the version changes with releases alone."""
    body: Any
    match format:
        case Format.EMAIL:
            body = request.body.decode().splitlines()
        case Format.S3:
            body = json.loads(gzip.decompress(request.body))
        case Format.PARQUET:
            body = rows(request.body)
        case _:
            body = json.loads(request.body)
    told = {"url": request.url, "headers": dict(request.headers), "body": body}
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    return text.replace(f"tocsin/{__version__}", "tocsin/<version>").replace(
        f'"version": "{__version__}"', '"version": "<version>"'
    )


def made(format: Format, name: str) -> str:
    event, links = EVENTS[name]
    return shown(format, sent(endpoint(format), event, links=links))


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("name", EVENTS)
def test_what_is_sent_is_as_it_was(format: Format, name: str) -> None:
    assert made(format, name) == (GOLDEN / f"{format}-{name}.json").read_text()


def test_there_is_no_other_file() -> None:
    expected = {f"{format}-{name}.json" for format in Format for name in EVENTS}
    assert {each.name for each in GOLDEN.iterdir()} == expected


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for format in Format:
        for name in EVENTS:
            (GOLDEN / f"{format}-{name}.json").write_text(made(format, name))
