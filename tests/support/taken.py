"""Whether the product would have taken what a stand-in took."""

from support.fake_tocsin import FakeTocsin
from tocsin.wire.intake.raw import parse

__all__ = ["would_be_taken"]


def would_be_taken(tocsin: FakeTocsin) -> bool:
    """Check every event that was sent, and that no field of it would be ignored; fail if not."""
    assert tocsin.ingests, "nothing was sent"
    for ingest in tocsin.ingests:
        assert parse(ingest.body).ignored == set()
    return True
