"""What a check of evidence has found, for people or for programs."""

from collections.abc import Iterator

import orjson

from tocsin.cli._output import escaped, json_escaped, say
from tocsin.wire.log.auditing import org_of
from tocsin.wire.log.findings import Report, Verdict
from tocsin.wire.log.texts import to_base64

__all__ = ["tell"]

_LAST: dict[Verdict, str] = {
    Verdict.HOLDS: "it holds",
    Verdict.BROKEN: "it does not hold",
    Verdict.UNDECIDED: "it can't be decided",
}


def tell(report: Report, as_json: bool) -> None:
    """Print a report; nothing in it steers the terminal."""
    if as_json:
        say(json_escaped(orjson.dumps(report.fields).decode()))
        return
    for line in _lines(report):
        say(escaped(line))


def _lines(report: Report) -> Iterator[str]:
    if report.origin is not None:
        yield f"the log {report.origin}, of the org {org_of(report.origin)}"
    for finding in report.broken:
        yield f"{finding}"
    if report.held:
        count = report.held[-1].checkpoint.size - report.first_seq + 1
        if report.first_seq == report.last_seq:
            yield f"seq {report.first_seq} holds"
        elif count > 0:
            last = report.held[-1].checkpoint.size
            yield f"{count:,} events hold, from seq {report.first_seq} to {last}"
    for known in report.held:
        by = f", signed by {', '.join(known.signers)}"
        if known.witnesses:
            by += f", cosigned by {', '.join(known.witnesses)}"
        yield f"{known} holds: root {to_base64(known.checkpoint.root)}{by}"
    yield from report.notes
    for why in report.undecided:
        yield f"can't be decided: {why}"
    yield _LAST[report.verdict]
