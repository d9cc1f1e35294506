"""Wires the checkpoint function."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.trees import DynamoTrees
from tocsin.domain.retention import Retention
from tocsin.domain.tree import CHECKPOINT
from tocsin.ports.evidence import Archive, Signer, Witness
from tocsin.ports.world import Clock
from tocsin.services.evidence.checkpointing import Checkpointing
from tocsin.services.evidence.holding import Holding
from tocsin.settings import ON_THIS_MACHINE, CheckpointSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["wire"]


def wire(
    settings: CheckpointSettings | None = None,
    *,
    db: "DynamoDBClient | None" = None,
    clock: Clock | None = None,
    signers: Sequence[Signer] = (),
) -> Checkpointing:
    """Return the use case on the tables, with the deployment's keys."""
    settings = settings or CheckpointSettings()
    db, clock, archive = db or client(), clock or SystemClock(), _archive(settings.archive)
    ledger = DynamoLedger(db, settings.ledger_table)
    journal = DynamoJournal(db, settings.journal_table, settings.retention_days)
    trees = DynamoTrees(db, settings.state_table, journal)
    endpoints = DynamoEndpoints(db, settings.state_table, journal)
    holding = None
    if archive is not None:

        def retention() -> Retention:
            return Retention(clock.now_ms(), settings.retention_days)

        holding = Holding(ledger, journal, trees, archive, retention)
    return Checkpointing(
        orgs=DynamoOrgs(db, settings.state_table),
        ledger=ledger,
        trees=trees,
        signers=signers or [*map(_signer, settings.signing_key.split())],
        clock=clock,
        archive=archive,
        witnesses=_witnesses(settings.witnesses),
        holding=holding,
        anchored=lambda org: any(
            CHECKPOINT in (kept.endpoint.wanted.types or ()) for kept in endpoints.all(org)
        ),
    )


def _signer(key: str) -> Signer:
    if key.startswith(ON_THIS_MACHINE):
        from tocsin.adapters.key_file import KeyFile

        return KeyFile(Path(key.removeprefix(ON_THIS_MACHINE)))
    from tocsin.adapters import kms

    return kms.KmsSigner(kms.client(), key)


def _witnesses(policy: str | None) -> Sequence[Witness]:
    if policy is None:
        return ()
    from tocsin.adapters.witnesses import HttpWitness
    from tocsin.wire.log.witnesses import appointed

    return [*map(HttpWitness, appointed(policy))]


def _archive(place: str | None) -> Archive | None:
    if place is None:
        return None
    if place.startswith(ON_THIS_MACHINE):
        from tocsin.adapters.folder import FolderArchive

        return FolderArchive(Path(place.removeprefix(ON_THIS_MACHINE)))
    from tocsin.adapters import s3_archive

    return s3_archive.S3Archive(s3_archive.client(), place)
