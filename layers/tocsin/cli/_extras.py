"""What a command needs that was not installed with it."""

from typing import NoReturn

from tocsin import __version__
from tocsin.cli._failure import USAGE, Failure

__all__ = ["lacks"]


def lacks(what: str, error: ModuleNotFoundError, extra: str) -> NoReturn:
    """Say which extra brings a package that a command (``what``) can't do without.

    The file is named, not the project: an index may have another one of this name.

    Raises:
        Failure: Always; but what is missing of Tocsin's own is a fault, and raised as it is.
    """
    package = error.name or "a package"
    if package.partition(".")[0] == "tocsin":
        raise error
    wheel = f"tocsin-{__version__}-py3-none-any.whl"
    raise Failure(
        f"{what} needs {package}: install Tocsin with its extra `{extra}`, as in "
        f"`pip install '{wheel}[{extra}]'`",
        USAGE,
    ) from error
