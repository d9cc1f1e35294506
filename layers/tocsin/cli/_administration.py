"""Working on the tables directly: those of `tocsin up`, or an account's, with AWS credentials."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.cli._connection import home
from tocsin.cli._failure import REFUSED, UNREACHABLE, USAGE, Failure
from tocsin.domain.times import utc

if TYPE_CHECKING:
    from tocsin.bootstrap.admin import Admin

__all__ = ["OrgOption", "administration", "moment"]

LOCAL_ORG = "local"

OrgOption = Annotated[
    str, typer.Option("--org", envvar="TOCSIN_ORG", help="The org, as in `tocsin_<org>_…`.")
]


@contextmanager
def administration() -> Iterator["Admin"]:
    """Find the tables, and turn expected failures into a :class:`Failure`."""
    if "TOCSIN_STATE_TABLE" not in os.environ:
        _use_local_tables()
    from botocore.exceptions import BotoCoreError, ClientError
    from pydantic import ValidationError

    from tocsin.bootstrap.admin import wire
    from tocsin.domain.errors import Busy

    try:
        yield wire()
    except ValidationError as error:
        names = ", ".join(f"TOCSIN_{item['loc'][0]}".upper() for item in error.errors())
        raise Failure(f"set {names} to the names of the deployed tables", USAGE) from error
    except Busy as error:
        raise Failure(f"DynamoDB does not answer: {error}", UNREACHABLE) from error
    except (BotoCoreError, ClientError) as error:
        raise Failure(f"AWS refused: {error}", REFUSED) from error


def _use_local_tables() -> None:
    path = home() / "local.json"
    try:
        env = json.loads(path.read_bytes())["env"]
    except FileNotFoundError as error:
        raise Failure(
            "no tables to work on: run `make up` here or point TOCSIN_HOME at its folder; for an "
            "account set TOCSIN_JOURNAL_TABLE, TOCSIN_LEDGER_TABLE and TOCSIN_STATE_TABLE",
            USAGE,
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"can't read {path}: {error!r}", USAGE) from error
    os.environ.update(env)


def moment(at_ms: int) -> str:
    """Return a Unix time in milliseconds as text for people, in UTC."""
    return utc(at_ms).strftime("%Y-%m-%d %H:%M:%SZ")
