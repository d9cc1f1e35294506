"""Checking evidence of each kind: a folder, a proof, a deployment. A report comes of each."""

from pathlib import Path
from typing import Final

from tocsin.cli._exported import Exported
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._trust import Checkpoints, small_file
from tocsin.client._errors import ApiError
from tocsin.client._log import LogReader
from tocsin.domain import chain, merkle
from tocsin.domain.merkle import BadProof
from tocsin.wire.log import notes
from tocsin.wire.log.auditing import Audit, org_of
from tocsin.wire.log.beginnings import beginning
from tocsin.wire.log.comparing import Archived
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.findings import Finding, Kind, Known, Report
from tocsin.wire.log.lines import MAX_LINE_BYTES
from tocsin.wire.log.proofs import MAX_EXTRA_BYTES, Proof

__all__ = ["check_deployment", "check_folder", "check_proof"]

_MAX_PROOF_BYTES: Final = 2 * MAX_EXTRA_BYTES + notes.MAX_BYTES
_NO_CHECKPOINT: Final = "there is no checkpoint that you trust: nothing can be told of the events"
_BROKEN: Final = "INTEGRITY"


def check_folder(
    folder: Path, checkpoints: Checkpoints, archived: Archived | None = None
) -> Report:
    """Check a folder of ``tocsin export``, with the checkpoints that were kept elsewhere, too.

    Raises:
        Failure: It is no such folder.
    """
    exported = Exported(folder)
    lines, before = exported.lines(), exported.beginning()
    note = exported.note()
    own = None if note is None else checkpoints.add(note, str(exported.checkpoint))
    checkpoints.add_files(exported.others)
    if checkpoints.origin is None:
        return checkpoints.told(Report(undecided=[_NO_CHECKPOINT]))
    audit = Audit(org_of(checkpoints.origin), checkpoints.known, before, archived)
    half = False
    for line in lines:
        half = not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES
        if not half:
            audit.take(line.removesuffix(b"\n"))
    report = audit.report(0 if own is None else own.checkpoint.size)
    if half:
        report.notes.append("the last line is cut off, and is left out")
    return checkpoints.told(report)


def check_deployment(
    log: LogReader,
    url: str,
    checkpoints: Checkpoints,
    first: int,
    last: int | None,
    archived: Archived | None = None,
) -> Report:
    """Check what a deployment serves, from one event to the first checkpoint that covers another.

    None: to its end, or a page beyond its last checkpoint.

    Raises:
        ApiError: It refuses.
        httpx.TransportError: It is out of reach, or answers with something else.
    """
    own = withheld = None
    try:
        note = log.checkpoint() if last is None else log.checkpoint_covering(last)
        own = None if note is None else checkpoints.add(note, url)
    except ApiError as error:
        withheld = _withheld(error, first)
    known = checkpoints.known
    if own is not None and last is not None:
        last = own.checkpoint.size
    reached = [each for each in known if last is None or each.checkpoint.size <= last]
    if not reached:
        report = Report(undecided=[_NO_CHECKPOINT], broken=[withheld] if withheld else [])
        return checkpoints.told(report)
    size = max(each.checkpoint.size for each in reached)
    try:
        before = beginning(first - 1, size, log.tile)
    except BadFormat as error:
        raise Failure(f"--from {first}: {error}", USAGE) from error
    audit = Audit(org_of(reached[0].checkpoint.origin), reached, before, archived)
    try:
        for page in log.pages(first, last):
            beyond = audit.last_seq >= size
            for line in page:
                audit.take(line)
            if audit.is_over or beyond:  # one page beyond is enough of a log that grows
                break
    except ApiError as error:
        withheld = _withheld(error, audit.last_seq + 1)
    report = audit.report(None if withheld is None else audit.last_seq, log.tile)
    if withheld is not None:
        report.broken.append(withheld)
        report.undecided.clear()
    report.notes += [
        f"{each} is of more than was asked for" for each in known if each not in reached
    ]
    return checkpoints.told(report)


def check_proof(path: Path, checkpoints: Checkpoints, kept: list[Known]) -> Report:
    """Check a ``.tlog-proof`` with the event in it; ``kept`` are checkpoints to compare with.

    Raises:
        Failure: It is no proof.
    """
    try:
        proof = Proof.read(small_file(path, _MAX_PROOF_BYTES))
    except BadFormat as error:
        raise Failure(f"can't use {path}: {error}", USAGE) from error
    seq = proof.index + 1
    report = Report(first_seq=seq, last_seq=seq - 1)
    known = checkpoints.add(proof.checkpoint, str(path))
    if not proof.extra:
        report.undecided.append(f"{path} is without its event: there is nothing to prove")
    elif known is not None:
        tree = known.checkpoint
        try:
            leaf = chain.leaf(proof.extra)
            merkle.check_inclusion(leaf, proof.index, tree.size, proof.hashes, tree.root)
            report.held, report.last_seq = [known], seq
        except BadProof as error:
            reason = f"the event in {path} is not in the tree of {known}: {error}"
            report.broken.append(Finding(Kind.EDITED, reason, seq))
        report.undecided += [
            f"whether {known} goes on from {each}, a proof of one event does not tell"
            for each in kept
            if each.checkpoint.size != tree.size
        ]
        report.broken += [
            Finding(Kind.TWO_VIEWS, f"{known} and {each} have different roots", 1, tree.size)
            for each in kept
            if each.checkpoint.size == tree.size and each.checkpoint.root != tree.root
        ]
    return checkpoints.told(report)


def _withheld(error: ApiError, next_seq: int) -> Finding:
    """Return what it means that Tocsin does not give an event; anything else is raised again."""
    if error.code != _BROKEN:
        raise error
    found = error.response.json().get("seq")
    seq = found if isinstance(found, int) and found > 0 else next_seq
    return Finding(Kind.WITHHELD, f"Tocsin says: {error.error}", seq)
