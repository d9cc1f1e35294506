"""Three empty tables on a real DynamoDB API, and the adapters over them."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from support.ministack import Server
from tocsin.adapters.dynamodb.agents import DynamoAgentStates
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.adapters.dynamodb.budgets import DynamoBudgets
from tocsin.adapters.dynamodb.deliveries import DynamoDeliveries
from tocsin.adapters.dynamodb.detections import (
    DynamoAnomalies,
    DynamoDetections,
    DynamoDetectionSettings,
)
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.adapters.dynamodb.journal import DynamoJournal
from tocsin.adapters.dynamodb.keys import DynamoKeyRing, DynamoKeys
from tocsin.adapters.dynamodb.ledger import DynamoLedger
from tocsin.adapters.dynamodb.orgs import DynamoOrgs
from tocsin.adapters.dynamodb.passes import (
    DynamoPasses,
    DynamoSignInFailures,
    DynamoSignInWrites,
)
from tocsin.adapters.dynamodb.places import DynamoPlaces
from tocsin.adapters.dynamodb.policies import DynamoPolicies
from tocsin.adapters.dynamodb.privacy import DynamoPrivacySettings
from tocsin.adapters.dynamodb.projections import DynamoProjections
from tocsin.adapters.dynamodb.quota import DynamoQuota
from tocsin.adapters.dynamodb.rates import DynamoRates
from tocsin.adapters.dynamodb.receipts import DynamoReceipts
from tocsin.adapters.dynamodb.sessions import DynamoSessionStates
from tocsin.adapters.dynamodb.set_aside import DynamoSetAside
from tocsin.adapters.dynamodb.subjects import DynamoSubjects
from tocsin.adapters.dynamodb.summaries import DynamoSummaries
from tocsin.adapters.dynamodb.trees import DynamoTrees
from tocsin.local import queues
from tocsin.local.functions import QUEUES, Receives
from tocsin.local.tables import TTL_ATTRIBUTE, create
from tocsin.ports.access import KeyRing, Keys, Passes, Rates, SignInFailures, SignInWrites
from tocsin.ports.deciding import (
    AgentStates,
    Approvals,
    Budgets,
    Places,
    PolicyStore,
    SessionStates,
)
from tocsin.ports.detecting import Anomalies, Detections, DetectionSettings
from tocsin.ports.evidence import Trees
from tocsin.ports.intake import Quota, Receipts
from tocsin.ports.log import Journal, Ledger, SetAside, Summaries
from tocsin.ports.notify import Deliveries, Endpoints
from tocsin.ports.orgs import Orgs
from tocsin.ports.privacy import PrivacySettings, Subjects
from tocsin.ports.projections import Projections
from tocsin.settings import StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient


class Stores(NamedTuple):
    journal: Journal
    receipts: Receipts
    ledger: Ledger
    orgs: Orgs
    keys: Keys
    passes: Passes
    quota: Quota
    set_aside: SetAside
    projections: Projections
    summaries: Summaries
    trees: Trees
    approvals: Approvals
    policies: PolicyStore
    key_ring: KeyRing
    session_states: SessionStates
    budgets: Budgets
    agent_states: AgentStates
    detections: Detections
    anomalies: Anomalies
    detection_settings: DetectionSettings
    privacy_settings: PrivacySettings
    subjects: Subjects
    sign_in_writes: SignInWrites
    sign_in_failures: SignInFailures
    rates: Rates
    places: Places
    endpoints: Endpoints
    deliveries: Deliveries


@dataclass
class Database:
    """A DynamoDB API over HTTP."""

    server: Server

    @property
    def env(self) -> dict[str, str]:
        """What the AWS SDK of another process needs to find it."""
        return self.server.env

    @cached_property
    def client(self) -> "DynamoDBClient":
        return self.server.client()

    def stores(self) -> tuple[Stores, StoreSettings]:
        """Make three empty tables."""
        client = self.client
        suffix = uuid4().hex[:8]
        settings = StoreSettings(
            journal_table=f"journal-{suffix}",
            ledger_table=f"ledger-{suffix}",
            state_table=f"state-{suffix}",
        )
        create(client, settings)
        state = (client, settings.state_table)
        for table in (settings.journal_table, settings.state_table):
            client.update_time_to_live(  # tests set the time, and the emulator expires by its own
                TableName=table,
                TimeToLiveSpecification={"Enabled": False, "AttributeName": TTL_ATTRIBUTE},
            )
        journal = DynamoJournal(client, settings.journal_table)
        return Stores(
            journal=journal,
            receipts=DynamoReceipts(*state, journal),
            ledger=DynamoLedger(client, settings.ledger_table),
            orgs=DynamoOrgs(*state),
            keys=DynamoKeys(*state),
            passes=DynamoPasses(*state),
            quota=DynamoQuota(*state),
            set_aside=DynamoSetAside(*state),
            projections=DynamoProjections(*state),
            summaries=DynamoSummaries(*state),
            trees=DynamoTrees(*state, journal),
            approvals=DynamoApprovals(*state, journal),
            policies=DynamoPolicies(*state, journal),
            key_ring=DynamoKeyRing(*state, journal),
            session_states=DynamoSessionStates(*state, journal),
            budgets=DynamoBudgets(*state, journal),
            agent_states=DynamoAgentStates(*state, journal),
            detections=DynamoDetections(*state, journal),
            anomalies=DynamoAnomalies(*state, journal),
            detection_settings=DynamoDetectionSettings(*state, journal),
            privacy_settings=DynamoPrivacySettings(*state, journal),
            subjects=DynamoSubjects(*state, journal),
            sign_in_writes=DynamoSignInWrites(*state, journal),
            sign_in_failures=DynamoSignInFailures(*state, journal),
            rates=DynamoRates(*state),
            places=DynamoPlaces(*state),
            endpoints=DynamoEndpoints(*state, journal),
            deliveries=DynamoDeliveries(*state),
        ), settings

    def queue(self, receives: Receives | None = None) -> tuple["SQSClient", str]:
        """Make an empty queue; return a client, and the queue's URL."""
        client, url = self.server.sqs(), f"{self.server.url}/000000000000/queue-{uuid4().hex[:8]}"
        queues.create(client, url, receives or QUEUES["expiry"])
        return client, url
