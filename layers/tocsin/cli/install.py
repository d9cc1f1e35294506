"""``tocsin install``: a coding agent's hooks, in its settings."""

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli._connection import ApiKeyOption, Connection, UrlOption, connection
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import say
from tocsin.cli.hook import Product
from tocsin.cli.hooks import files
from tocsin.cli.hooks.options import AgentOption, GrantOption
from tocsin.cli.hooks.plans import FAILS_CLOSED, Wanted, entries, settings_path
from tocsin.cli.hooks.programs import is_fleeting, tocsin_program, version_of
from tocsin.cli.hooks.settings import BadSettings, keep
from tocsin.cli.hooks.text import NotPlain

__all__ = ["install"]


def install(
    product: Annotated[Product, typer.Argument(help="The coding agent.")],
    project: Annotated[
        bool, typer.Option("--project", help="In this project's settings; else in the user's.")
    ] = False,
    agent: AgentOption = "",
    grant: GrantOption = False,
    command: Annotated[
        bool,
        typer.Option(
            "--command",
            help="Run `tocsin hook` where the product could send hooks itself: it waits longer for "
            "a person than half a minute.",
        ),
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the hooks out again; all else stays.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--print", help="Print what would be added, and change nothing.")
    ] = False,
    url: UrlOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Set up a coding agent's hooks, so that its calls are decided here, and recorded.

    The key is in none of the product's files: its own hooks read `TOCSIN_API_KEY`, and `tocsin
    hook` reads it, too, or `~/.config/tocsin/hooks.json`, where this command keeps it for the user
    alone. A key with the scope ingest is enough.

    Example:

        tocsin install claude-code && tocsin doctor
    """
    name, here = product.value, Path.cwd() if project else None
    path = settings_path(name, here)
    if remove:
        _remove(path, name)
        return
    place = connection(url, api_key)
    version = version_of(name)
    http = name == "claude-code" and not command and (version or ()) >= FAILS_CLOSED
    wanted = Wanted(
        product=name,
        url=place.url,
        program=tocsin_program(shared=project),
        agent=agent,
        grant=grant,
        version=version,
        http=http,
    )
    if show:
        _print(wanted)
        return
    try:
        before = files.read(path)
        after = files.installed(before, wanted)
        if after != before:
            files.write(path, after, before, name)
        keep(place.url, place.api_key)
    except (NotPlain, UnicodeDecodeError) as error:
        raise Failure(
            f"{path} can't be changed ({error}): take comments out of it, or add by hand what "
            f"`tocsin install {name} --print` shows",
            USAGE,
        ) from error
    except BadSettings as error:
        raise Failure(str(error), USAGE) from error
    except OSError as error:
        raise Failure(f"can't write {error.filename or path}: {error.strerror}") from error
    _tell(path, wanted, place, changed=after != before)


def _remove(path: Path, product: str) -> None:
    try:
        before = files.read(path)
        if before is not None:
            after = files.undone(path.resolve(), before, product)
            if after != before:
                files.write(path, after, before, product)
                say(f"{path} is without Tocsin's hooks again")
                return
    except (NotPlain, UnicodeDecodeError) as error:
        raise Failure(
            f"{path} can't be changed ({error}): take its lines with `tocsin hook` and /v1/hooks/ "
            "out by hand",
            USAGE,
        ) from error
    except OSError as error:
        raise Failure(f"can't write {error.filename or path}: {error.strerror}") from error
    say(f"{path} has no hooks of Tocsin's")


def _print(wanted: Wanted) -> None:
    import json

    hooks: dict[str, list[object]] = {}
    for event, entry in entries(wanted):
        hooks.setdefault(event, []).append(entry)
    say(json.dumps({"hooks": hooks}, indent=2))


def _tell(path: Path, wanted: Wanted, place: Connection, *, changed: bool) -> None:
    name = wanted.product
    say(f"{path} {'has' if changed else 'had'} the hooks of {name}, for {place.url}")
    if wanted.http:
        say("Claude Code sends its hooks itself: start it with TOCSIN_API_KEY in its environment")
    elif name == "claude-code":
        say("Claude Code runs `tocsin hook`, which waits for a person up to nine minutes")
    if name == "codex":
        say("Codex runs new hooks once you trust them: open it, and look at /hooks")
    if is_fleeting(wanted.program):
        say(
            "This `tocsin` is in uv's cache: where that is emptied, calls are blocked. Install it "
            "with `uv tool install`, and run this again"
        )
    say("`tocsin doctor` shows whether a call would really be held")
