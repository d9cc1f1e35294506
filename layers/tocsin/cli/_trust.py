"""Whom a reader trusts, and the checkpoints that a reader has kept: as options name them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tocsin.cli._extras import lacks
from tocsin.cli._failure import USAGE, Failure
from tocsin.wire.log import notes
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.findings import Finding, Known, Report
from tocsin.wire.log.judging import judged
from tocsin.wire.log.policies import MAX_BYTES, Policy

__all__ = ["Checkpoints", "policy_of", "small_file"]


def policy_of(trust: str) -> Policy:
    """Return the policy of a file, or of a verifier key: a file's, or the text itself.

    Raises:
        Failure: It is none, or nothing here can verify a signature.
    """
    try:
        import cryptography  # noqa: F401
    except ModuleNotFoundError as error:
        lacks("`tocsin verify --trust`", error, "evidence")
    is_key = "+" in trust and not Path(trust).is_file()
    content = trust.strip().encode() if is_key else small_file(Path(trust), MAX_BYTES)
    try:
        policy = Policy.read(content)
    except BadFormat as error:
        what = "the key" if is_key else trust
        raise Failure(f"can't use {what} of --trust: {error}", USAGE) from error
    if not policy.logs:
        raise Failure(f"{trust} names no log: a policy has a line `log <key>`", USAGE)
    return policy


def small_file(path: Path, most: int) -> bytes:
    """Return what is in a file.

    Raises:
        Failure: It can't be read, or has more than so many bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Failure(f"can't read {path}: {reason}", USAGE) from error
    if len(content) > most:
        raise Failure(f"{path} has more than {most:,} bytes, which is no file for this", USAGE)
    return content


class Checkpoints:
    """Checkpoints of one log, those that are trusted; what is wrong with others is kept, too.

    Which log it is, the first trusted one says.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy: Final = policy
        self.known = list[Known]()
        self._broken = list[Finding]()
        self._undecided = list[str]()

    def add(self, note: bytes, name: str) -> Known | None:
        """Take a signed note; return it if it is trusted."""
        match judged(note, name, self._policy):
            case Known() as known:
                if self.origin in (None, known.checkpoint.origin):
                    self.known.append(known)
                    return known
                self._undecided.append(
                    f"{name} is of another log, {known.checkpoint.origin}: check that by itself"
                )
            case Finding() as finding:
                self._broken.append(finding)
            case why:
                self._undecided.append(why)
        return None

    def add_files(self, paths: Iterable[Path]) -> None:
        """Take those of files.

        Raises:
            Failure: One can't be read.
        """
        for path in paths:
            self.add(small_file(path, notes.MAX_BYTES), str(path))

    @property
    def origin(self) -> str | None:
        """The log's name; None where no checkpoint is trusted."""
        return self.known[0].checkpoint.origin if self.known else None

    def told(self, report: Report) -> Report:
        """Return a report with what is to be said of the checkpoints themselves."""
        report.origin = self.origin
        report.broken += self._broken
        report.undecided += self._undecided
        return report
