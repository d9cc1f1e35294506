"""An org as files. Each is written beside its place and moved there when it is whole."""

from pathlib import Path
from typing import Final

import orjson

from tocsin.cli._whole import put
from tocsin.domain.chain import genesis
from tocsin.domain.org import Org
from tocsin.domain.times import iso_ms
from tocsin.services.orgs.exporting import Exporting
from tocsin.wire.entries import line

__all__ = ["Files"]

_EVENTS_PER_FILE: Final = 100_000


class Files:
    """In a folder named after the org: its events by their first and last seq, and the rest."""

    def __init__(self, folder: Path, org: Org, exporting: Exporting, now_ms: int) -> None:
        self._folder = folder / org.id
        self._org = org
        self._exporting = exporting
        self._now_ms = now_ms

    def write(self) -> int:
        """Write what is not there yet; return how many events there are now.

        ``org.json`` comes last: with it the export is complete.

        Raises:
            IntegrityError: the ledger can't be read.
            OSError: the folder can't be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / "org.json").unlink(missing_ok=True)
        id, head = self._org.id, self._exporting.head(self._org.id)
        for name, rows in self._exporting.tables(id).items():
            put(self._folder / f"{name}.jsonl", (orjson.dumps(row) + b"\n" for row in rows))
        count = 0
        for after_seq in range(0, head.seq, _EVENTS_PER_FILE):
            until_seq = min(head.seq, after_seq + _EVENTS_PER_FILE)
            count += self._events(after_seq, until_seq)
        about = {
            "org": id,
            "status": self._org.status,
            "events_per_month": self._org.events_per_month,
            "exported_at": iso_ms(self._now_ms),
            "events": count,
            "first_hash_before": genesis(id).hex(),
            "last_seq": head.seq,
            "last_hash": head.hash.hex(),
        }
        put(self._folder / "org.json", [orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n"])
        return count

    def _events(self, after_seq: int, until_seq: int) -> int:
        """Write a file of events, unless it is there; return how many there are in it."""
        stem = f"events-{after_seq + 1:012}-"
        name = f"{stem}{until_seq:012}.jsonl"
        if not (self._folder / name).exists():
            events = self._exporting.events(self._org.id, after_seq, until_seq)
            put(self._folder / name, map(line, events))
            for shorter in self._folder.glob(f"{stem}*.jsonl"):  # of a time when it was the last
                if shorter.name != name:
                    shorter.unlink()
        with (self._folder / name).open("rb") as file:
            return sum(1 for _ in file)
