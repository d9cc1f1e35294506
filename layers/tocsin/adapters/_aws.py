"""Clients of AWS that give up within a few seconds, and what their errors mean."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session, get_session

from tocsin import __version__
from tocsin.domain.errors import Busy

__all__ = ["busy", "session", "soon"]


def session() -> Session:
    """Return a session of its own, to make a client with.

    All read the descriptions of AWS' services together: that is most of what a client takes, 70 ms
    of CPU time or more, and what a second one needs is there.
    """
    made = get_session()
    made.register_component("data_loader", _loader())
    return made


@cache
def _loader() -> Any:
    return get_session().get_component("data_loader")


def soon(**more: Any) -> Config:
    """Return a client's settings: it gives up soon enough for a caller to be told."""
    return Config(
        connect_timeout=1,
        read_timeout=3,
        retries={"mode": "standard", "total_max_attempts": 3},
        tcp_keepalive=True,
        user_agent=f"tocsin/{__version__}",  # otherwise it is put together anew for every call
        **more,
    )


@contextmanager
def busy(refused: str, away: str, transient: Collection[str] | None = None) -> Iterator[None]:
    """Turn the SDK's errors into Busy where another time may do, and the message is one of these.

    Of what a service refuses with 4xx that is so for the ``transient`` codes; None: for all.
    ``refused`` has ``{code}`` where the code is told.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        failed = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
        if transient is None or failed or code in transient:
            raise Busy(refused.format(code=code)) from error
        raise
    except BotoCoreError as error:
        raise Busy(away) from error
