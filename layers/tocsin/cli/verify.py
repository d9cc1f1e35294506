"""``tocsin verify``: check that nothing was changed; or have Tocsin check it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tocsin.cli._connection import ApiKeyOption, UrlOption, connection
from tocsin.cli._failure import REFUSED, UNREACHABLE, USAGE, Failure, expected_failures
from tocsin.cli._output import complain, escaped, say

if TYPE_CHECKING:
    from tocsin.cli._trust import Checkpoints
    from tocsin.wire.log.comparing import Archived
    from tocsin.wire.log.findings import Report

__all__ = ["UNDECIDED", "verify"]

UNDECIDED: Final = 3
"""Exit code: nothing is wrong that could be seen, and something could not be."""

_ASKED_WRONGLY: Final = (400, 401, 403, 404)


def verify(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of `tocsin export`, or a `.tlog-proof`. Else what is deployed.",
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        str | None,
        typer.Option(
            metavar="KEY_OR_FILE",
            show_default=False,
            help="Whom you trust, and nobody else: the log's verifier key, or a file with it or "
            "with a tlog-policy.",
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="A checkpoint that you have kept. Several can be given.",
        ),
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            show_default=False,
            help="A copy of what the archive has of the log: its checkpoints are kept ones, and "
            "its leaves tell which event was changed.",
        ),
    ] = None,
    first: Annotated[
        int, typer.Option("--from", min=1, metavar="SEQ", help="Begin with this event.")
    ] = 1,
    last: Annotated[
        int | None,
        typer.Option(
            "--to",
            min=1,
            metavar="SEQ",
            show_default=False,
            help="End with this event; with `--trust` with the first checkpoint that covers it. "
            "Else with the newest.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Check that what is stored is what was sealed: every event, and what links them.

    With `--trust` everything is computed here, of the events themselves, and believed only as far
    as it leads to a checkpoint that those have signed whom you trust. Checkpoints that you have
    kept elsewhere show whether the log was rewritten since, cut, or shown otherwise to others.

    Without it Tocsin checks itself, and says what it found. Events older than the retention are
    checked by their hashes alone. The summaries by which lists are searched must not lead past any
    event.

    Examples:

        tocsin verify

        tocsin verify --from 100000

        tocsin verify --trust log.key --checkpoint kept/2026-03-20

        tocsin verify exported --trust policy.txt --json

        tocsin verify event.tlog-proof --trust log.key

        tocsin verify --trust log.key --archive copy/tocsin/7c1f0a52d0e8b936/acme

    Exit codes: 0 all of it holds; 1 it does not, or (without `--trust`) Tocsin refused; 2 wrong
    usage or settings; 3 it can't be decided; 4 Tocsin is out of reach.
    """
    if last is not None and last < first:
        raise Failure("--to is before --from", USAGE)
    if trust is not None:
        _audit(source, trust, checkpoint or [], archive, (first, last), as_json, url, api_key)
        return
    if source is not None or checkpoint or archive or as_json:
        raise Failure(
            "say whom you trust: --trust with the log's verifier key, or a file with it, which you"
            " have from elsewhere than the log",
            USAGE,
        )
    _have_verified(first, last, url, api_key)


def _audit(
    source: Path | None,
    trust: str,
    kept: list[Path],
    archive: Path | None,
    seqs: tuple[int, int | None],
    as_json: bool,
    url: str | None,
    api_key: str | None,
) -> None:
    from tocsin.cli._archived import ArchiveFolder
    from tocsin.cli._checking import check_folder, check_proof
    from tocsin.cli._found import tell
    from tocsin.cli._trust import Checkpoints, policy_of
    from tocsin.wire.log.findings import Verdict

    checkpoints = Checkpoints(policy_of(trust))
    checkpoints.add_files(kept)
    archived = None
    if archive is not None:
        folder = ArchiveFolder(archive)
        checkpoints.add_files(folder.checkpoints)
        archived = folder.leaf
    if source is None:
        report = _deployed(checkpoints, archived, seqs, url, api_key)
    elif seqs != (1, None):
        raise Failure("--from and --to are for what is deployed: a source is checked whole", USAGE)
    elif source.is_dir():
        report = check_folder(source, checkpoints, archived)
    else:
        report = check_proof(source, checkpoints, [*checkpoints.known])
    tell(report, as_json)
    if report.verdict is not Verdict.HOLDS:
        raise typer.Exit(REFUSED if report.verdict is Verdict.BROKEN else UNDECIDED)


def _deployed(
    checkpoints: "Checkpoints",
    archived: "Archived | None",
    seqs: tuple[int, int | None],
    url: str | None,
    api_key: str | None,
) -> "Report":
    place = connection(url, api_key)

    from tocsin.cli._checking import check_deployment
    from tocsin.client import ApiError, Client
    from tocsin.client._log import LogReader

    with expected_failures(place.url), Client(place.url, place.api_key) as client:
        try:
            log = LogReader(client)
            return check_deployment(log, place.url, checkpoints, *seqs, archived)
        except ApiError as error:  # of which 1 would say that something is wrong with the log
            code = USAGE if error.status in _ASKED_WRONGLY else UNREACHABLE
            raise Failure(escaped(f"{place.url} refuses: {error.error}"), code) from error


def _have_verified(first: int, last: int | None, url: str | None, api_key: str | None) -> None:
    place = connection(url, api_key)

    from tocsin.client import Client, Verified

    def tell(so_far: Verified) -> None:
        if so_far.ok:
            complain(f"{so_far.last_seq:,} checked")

    with expected_failures(place.url), Client(place.url, place.api_key) as client:
        found = client.verify(first, last, on_step=tell)
    if not found.ok:
        say(f"seq {found.first_bad_seq} is not what was sealed: {escaped(found.reason or '')}")
        raise typer.Exit(REFUSED)
    count = found.last_seq - found.first_seq + 1
    say(f"{count:,} events hold, up to seq {found.last_seq}" if count else "there are no events")
