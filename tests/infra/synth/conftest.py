"""Templates as ``cdk synth`` writes them, made once for each configuration."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from support.templates import WITNESS, Synthesize, Templates

# CDK runs on Node, which this environment brings along.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

from aws_cdk import App

from infra.config import Config
from infra.stacks import build


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Return what makes templates."""

    made: dict[str, Templates] = {}

    def templates(**settings: Any) -> Templates:
        key = json.dumps(settings, sort_keys=True)
        if key not in made:
            made[key] = _templates(settings)
        return made[key]

    def _templates(settings: dict[str, Any]) -> Templates:
        folder = tmp_path_factory.mktemp("cdk.out")
        config = Config(**settings)
        # What is uploaded is hashed and not copied: that is half of the time, and in no template.
        app = App(outdir=str(folder), context={"aws:cdk:disable-asset-staging": True})
        build(app, config)
        app.synth()
        prefix, suffix = f"tocsin-{config.environment}-", ".template.json"
        return Templates(
            folder,
            {
                path.name.removeprefix(prefix).removesuffix(suffix): json.loads(path.read_bytes())
                for path in sorted(folder.glob(f"*{suffix}"))
            },
        )

    return templates


@pytest.fixture(scope="session")
def default(synthesize: Synthesize) -> Templates:
    """Fargate and Valkey, and everything that can be switched on."""
    return synthesize(tracing=True)


@pytest.fixture(scope="session")
def small(synthesize: Synthesize) -> Templates:
    """Lambda and the ledger alone, and an archive of its own."""
    return synthesize(stream="lambda", bus="ledger", archive="compliance", archive_days=3650)


SIGNING_KEYS = tuple(f"arn:aws:kms:us-east-1:123456789012:key/{each}" for each in ("old", "new"))


@pytest.fixture(scope="session")
def telling(synthesize: Synthesize) -> Templates:
    """Endpoints of every kind: mail, buckets, and links to what people are asked.

    And checkpoints with several keys, an archive, and a witness.
    """
    return synthesize(
        public_url="https://tocsin.example.com",
        mail_from="tocsin@example.com",
        export_buckets=("acme-events", "acme-audit"),
        signing_keys=SIGNING_KEYS,
        archive_bucket="acme-evidence",
        witnesses=(WITNESS,),
    )


@pytest.fixture(scope="session")
def localstack(synthesize: Synthesize) -> Templates:
    """What LocalStack gets."""
    return synthesize(profile="localstack", removal="destroy")
