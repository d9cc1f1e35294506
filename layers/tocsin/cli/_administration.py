"""Working on the tables directly: those of `tocsin up`, or an account's, with AWS credentials."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.cli._extras import lacks
from tocsin.cli._failure import REFUSED, UNREACHABLE, USAGE, Failure
from tocsin.cli._local import TABLES, read_local
from tocsin.cli._output import OutputError, escaped
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
    if not any(name in os.environ for name in TABLES):
        _use_local_tables()
    try:
        from botocore.exceptions import BotoCoreError, ClientError
        from pydantic import ValidationError

        from tocsin.bootstrap.admin import wire
    except ModuleNotFoundError as error:
        lacks("what works on the tables", error, "functions")
    from tocsin.domain.errors import (
        Busy,
        Conflict,
        IntegrityError,
        Invalid,
        Malformed,
        NotFound,
    )

    try:
        yield wire()
    except ValidationError as error:
        names = ", ".join(f"TOCSIN_{item['loc'][0]}".upper() for item in error.errors())
        raise Failure(f"set {names} to the names of the deployed tables", USAGE) from error
    except Invalid as error:
        wrong = [f"{each['field']}: {each['message']}" for each in error.details]
        raise Failure(escaped("; ".join(wrong)), USAGE) from error
    except Malformed as error:
        raise Failure(escaped(str(error)), USAGE) from error
    except (Conflict, IntegrityError, NotFound) as error:
        raise Failure(escaped(str(error)), REFUSED) from error
    except Busy as error:
        raise Failure(f"DynamoDB does not answer: {_reason(error)}", UNREACHABLE) from error
    except (BotoCoreError, ClientError) as error:
        raise Failure(f"AWS refused: {_reason(error)}", REFUSED) from error
    except UnicodeEncodeError as error:
        raise Failure(f"{error.object!r} is not text that can be stored", USAGE) from error
    except (ValueError, OSError) as error:
        # botocore reads a dozen variables, and says of some only that their value is wrong.
        named = _network_variable(error) or _variable_of(str(error))
        if named is None or isinstance(error, OutputError):
            raise
        raise Failure(named, USAGE) from error


def _reason(error: Exception) -> str:
    return escaped(str(error) or type(error).__name__)


def _network_variable(error: Exception) -> str | None:
    """Return which proxy or certificate is wrong, if one is: botocore reads the same variables."""
    from tocsin.client._environment import wrong_variables

    for name in sorted(wrong_variables()):
        return f"{name} can't be used ({escaped(str(error))})"
    return None


def _variable_of(message: str) -> str | None:
    """Return which of AWS' variables has the value that ``message`` complains of."""
    values = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("AWS_") and not re.search("SECRET|TOKEN|ACCESS_KEY", name)
    }
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        if value and value in message:
            return f"{name} can't be used: {escaped(message)}"
    return None


def _use_local_tables() -> None:
    local = read_local()
    if local is None or not local.env:
        raise Failure(
            "no tables to work on: run `make up` here or point TOCSIN_HOME at its folder; for an "
            f"account set {', '.join(TABLES[:-1])} and {TABLES[-1]}",
            USAGE,
        )
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # the user's own account has nothing to do with these tables
    os.environ.update(
        local.env,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="*",  # they are on this machine
        no_proxy="*",
    )


def moment(at_ms: int) -> str:
    """Return a Unix time in milliseconds as text for people, in UTC."""
    return utc(at_ms).strftime("%Y-%m-%d %H:%M:%SZ")
