"""Checking an export offline, in events a second of CPU time, against RFC 6962 in plain Python.

The baseline takes the same lines, finds each event by `json` and `index`, and computes the tree's
root by the specification's own recursion (section 2.1), once: no chain, no checkpoints between.
"""

import json
from collections.abc import Sequence
from functools import partial
from hashlib import sha256

from bench.report import number, ratio, show
from bench.timing import Variant, measure
from fakes.events import batch
from tocsin.domain.segment import Head, seal
from tocsin.wire import entries
from tocsin.wire.log.auditing import Audit
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.findings import Known, Verdict
from tocsin.wire.log.policies import Trusted

__all__ = ["main"]

EVENTS = 4_096
_NAIVE = "RFC 6962"
_TEXT_CHARS = {"small events": 0, "1 KB more": 1_024}


def main() -> None:
    """Measure and print."""
    rows = []
    for name, chars in _TEXT_CHARS.items():
        lines = _lines("x" * chars)
        root = _naive(lines)
        measured = measure(
            {
                "verify": Variant(partial(_audit, lines, root), EVENTS),
                _NAIVE: Variant(partial(_naive, lines), EVENTS),
            }
        )
        own, naive = measured["verify"], measured[_NAIVE]
        rows.append((name, number(own.typical), number(naive.typical), ratio(own.over(naive))))
    show(
        "Check an export offline: events a second of CPU time",
        ("", "tocsin verify", _NAIVE, f"{_NAIVE} is 1"),
        rows,
        (
            "tocsin verify: each line read strictly, leaf, chain, tree, a checkpoint.",
            "RFC 6962: json, the leaf, and the root by the specification's recursion alone.",
        ),
    )


def _lines(text: str) -> list[bytes]:
    fields: dict[str, object] = {"metadata": {"text": text}}
    head, lines = Head.empty("acme"), list[bytes]()
    for salt in range(EVENTS // 1_024):
        made = batch("acme", 1_000, 1_774_000_000_000, 2 * salt, **fields)
        rest = batch("acme", 24, 1_774_000_000_000, 2 * salt + 1, **fields)
        segment, events = seal("acme", head, [made, rest], 0)
        head = segment.head
        lines += [entries.line(event)[:-1] for event in events]
    return lines


def _audit(lines: Sequence[bytes], root: bytes) -> None:
    checkpoint = Checkpoint("tocsin/0000000000000000/acme", len(lines), root)
    audit = Audit("acme", [Known("bench", Trusted(checkpoint, ()))])
    for line in lines:
        audit.take(line)
    if audit.report().verdict is not Verdict.HOLDS:
        raise ValueError("it does not hold")


def _naive(lines: Sequence[bytes]) -> bytes:
    return _root([_leaf(line) for line in lines])


def _leaf(line: bytes) -> bytes:
    json.loads(line)
    return sha256(b"\0" + line[line.index(b'"event":') + 8 : -1]).digest()


def _root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + _root(leaves[:middle]) + _root(leaves[middle:])).digest()
