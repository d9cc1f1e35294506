"""Wires the API function."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.adapters import sqs
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.dynamodb import client
from tocsin.adapters.dynamodb.agents import DynamoAgentStates
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.adapters.dynamodb.budgets import DynamoBudgets
from tocsin.adapters.dynamodb.deliveries import DynamoDeliveries
from tocsin.adapters.dynamodb.detections import DynamoAnomalies, DynamoDetectionSettings
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
from tocsin.adapters.dynamodb.sessions import DynamoSessionStates
from tocsin.adapters.dynamodb.subjects import DynamoSubjects
from tocsin.adapters.sqs import SqsTimers
from tocsin.domain import privacy
from tocsin.domain.addresses import check_url
from tocsin.domain.detect import said
from tocsin.domain.detect.kept import KeptSettings
from tocsin.domain.detect.settings import Settings
from tocsin.domain.limits import (
    ADMIN_CHANGES_PER_MINUTE,
    KEY_REQUESTS_PER_MINUTE,
    RETENTION_DAYS,
    SIGN_IN_SECONDS,
)
from tocsin.domain.privacy import KeptPrivacy, Privacy
from tocsin.domain.receivers import CheckUrl
from tocsin.domain.retention import Retention
from tocsin.ports.access import KeyRing, Keys, Passes, Rates, SignInFailures, SignInWrites
from tocsin.ports.deciding import (
    AgentStates,
    Approvals,
    Budgets,
    Places,
    PolicyStore,
    SessionStates,
    Timers,
)
from tocsin.ports.detecting import Anomalies, DetectionSettings
from tocsin.ports.intake import Quota
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.notify import Deliveries, Endpoints
from tocsin.ports.orgs import Orgs
from tocsin.ports.privacy import PrivacySettings, Subjects
from tocsin.ports.projections import Projections
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access
from tocsin.services.access.presented import Credentials
from tocsin.services.access.rate import Rate
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.agents.known import Known
from tocsin.services.agents.listing import Listing
from tocsin.services.agents.registering import Registering
from tocsin.services.approvals.asking import Asking
from tocsin.services.approvals.deciding import Deciding
from tocsin.services.approvals.expiring import Expiring
from tocsin.services.approvals.linking import Linking
from tocsin.services.approvals.reading import Reading
from tocsin.services.approvals.steps import Steps
from tocsin.services.budgets.changing import Changing
from tocsin.services.budgets.holding import Holding
from tocsin.services.budgets.keeping import Keeping as BudgetKeeping
from tocsin.services.detect.reviewing import Reviewing
from tocsin.services.hooks.answering import Answering
from tocsin.services.hooks.patience import Patience
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.protecting import Protecting
from tocsin.services.intake.recording import Recording
from tocsin.services.intake.screening import Screening, remembered
from tocsin.services.intake.setting import Setting
from tocsin.services.keys.delegating import Delegating
from tocsin.services.keys.ending import Ending
from tocsin.services.keys.issuing import Issuing
from tocsin.services.keys.writing import Writing
from tocsin.services.notify.changing import Changing as EndpointChanging
from tocsin.services.notify.keeping import Keeping as EndpointKeeping
from tocsin.services.notify.keeping import Signatures
from tocsin.services.notify.steering import Steering
from tocsin.services.policies.calling import Calling
from tocsin.services.policies.keeping import Keeping
from tocsin.services.privacy.erasing import Erasing
from tocsin.services.reading.costs import Costs
from tocsin.services.reading.indexes import Indexes
from tocsin.services.sessions.deciding import Deciding as SessionDeciding
from tocsin.services.sessions.suspended import Suspended
from tocsin.services.signing_in.everywhere import Everywhere
from tocsin.services.signing_in.failing import Failing
from tocsin.services.signing_in.signing import Signing
from tocsin.settings import ApiSettings
from tocsin.wire.notify import signatures

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["ApiParts", "parts", "wire"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiParts:
    """What the function's routes call."""

    credentials: Credentials
    rate: Rate
    sign_ins: SignIns
    signing: Signing
    everywhere: Everywhere
    failing: Failing
    clock: Clock
    orgs: Orgs
    issuing: Issuing
    delegating: Delegating
    sessions: SessionDeciding
    budgets: BudgetKeeping
    holding: Holding
    agents: Registering
    agent_list: Listing
    detection: Setting[Settings, KeptSettings]
    privacy: Setting[Privacy, KeptPrivacy]
    erasing: Erasing
    anomalies: Reviewing
    endpoints: EndpointKeeping
    steering: Steering
    signatures: Signatures
    indexes: Indexes
    costs: Costs
    asking: Asking
    deciding: Deciding
    linking: Linking
    expiring: Expiring
    reading: Reading
    keeping: Keeping
    calling: Calling
    hooks: Answering
    allowed_origins: frozenset[str] = frozenset()


def parts(
    *,
    clock: Clock,
    orgs: Orgs,
    quota: Quota,
    approvals: Approvals,
    timers: Timers,
    places: Places,
    policies: PolicyStore,
    journal: Journal,
    projections: Projections,
    keys: Keys,
    key_ring: KeyRing,
    session_states: SessionStates,
    budgets: Budgets,
    agent_states: AgentStates,
    detection_settings: DetectionSettings,
    privacy_settings: PrivacySettings,
    subjects: Subjects,
    anomalies: Anomalies,
    passes: Passes,
    sign_in_writes: SignInWrites,
    sign_in_failures: SignInFailures,
    rates: Rates,
    ledger: Ledger,
    endpoints: Endpoints,
    deliveries: Deliveries,
    signatures: Signatures,
    check_url: CheckUrl,
    export_buckets: frozenset[str] = frozenset(),
    mails: bool = False,
    retention_days: int = RETENTION_DAYS,
    sign_in_seconds: int = SIGN_IN_SECONDS,
    key_requests_per_minute: int = KEY_REQUESTS_PER_MINUTE,
    admin_changes_per_minute: int = ADMIN_CHANGES_PER_MINUTE,
    allowed_origins: frozenset[str] = frozenset(),
    public_url: str | None = None,
) -> ApiParts:
    """Return the parts over these ports."""
    holding = Holding(budgets, clock)
    access = Access(keys, orgs, clock)
    steps, allowance = Steps(approvals, clock), Allowance(access.org, quota, clock)
    privacy_of = remembered(privacy_settings, clock)
    screening, protecting = Screening(clock, privacy_of), Protecting(privacy_of, subjects)
    asking, keeping = Asking(steps, timers, screening.masked), Keeping(policies, clock)
    writing = Writing(keys, key_ring, clock)
    issuing = Issuing(writing)
    deciding = Deciding(steps, screening.masked)
    sign_ins = SignIns(passes, access, clock)
    changing = EndpointChanging(endpoints, clock)
    indexes = Indexes(projections, clock)
    recording = Recording(journal, allowance, screening, clock, protecting)
    calling = Calling(
        keeping,
        steps,
        asking,
        recording,
        clock,
        Suspended(session_states, clock),
        holding,
        Known(agent_states, clock),
    )
    patience = Patience(approvals, places, clock)
    return ApiParts(
        credentials=Credentials(access, sign_ins),
        rate=Rate(rates, clock, key_requests_per_minute, admin_changes_per_minute),
        sign_ins=sign_ins,
        signing=Signing(sign_ins, access, passes, sign_in_writes, clock, sign_in_seconds),
        everywhere=Everywhere(sign_ins, access, keys, key_ring, clock),
        failing=Failing(access, sign_in_failures, clock),
        clock=clock,
        orgs=orgs,
        issuing=issuing,
        delegating=Delegating(issuing, writing),
        sessions=SessionDeciding(session_states, clock),
        budgets=BudgetKeeping(Changing(budgets, clock, Ending(writing)), projections),
        holding=holding,
        agents=Registering(agent_states, issuing, clock),
        agent_list=Listing(indexes, agent_states),
        indexes=indexes,
        detection=Setting(detection_settings, clock, said.SET),
        anomalies=Reviewing(anomalies, clock),
        endpoints=EndpointKeeping(
            changing, ledger, signatures, check_url, export_buckets, mails=mails
        ),
        steering=Steering(
            changing,
            deliveries,
            ledger,
            journal,
            signatures,
            lambda: Retention(clock.now_ms(), retention_days),
        ),
        signatures=signatures,
        costs=Costs(projections, orgs, quota, clock),
        asking=asking,
        deciding=deciding,
        linking=Linking(steps, deciding, access, orgs, public_url),
        expiring=Expiring(steps, timers),
        reading=Reading(approvals, clock),
        keeping=keeping,
        calling=calling,
        hooks=Answering(calling, patience, recording, public_url),
        privacy=Setting(privacy_settings, clock, privacy.SET),
        erasing=Erasing(subjects, orgs, clock),
        allowed_origins=allowed_origins,
    )


def wire(settings: ApiSettings | None = None, *, db: "DynamoDBClient | None" = None) -> ApiParts:
    """Return the parts on the tables and the queue that the settings name."""
    settings = settings or ApiSettings()
    db, state, clock = db or client(), settings.state_table, SystemClock()
    journal = DynamoJournal(db, settings.journal_table, settings.retention_days)
    return parts(
        clock=clock,
        orgs=DynamoOrgs(db, state),
        quota=DynamoQuota(db, state),
        approvals=DynamoApprovals(db, state, journal),
        timers=SqsTimers(sqs.client(), settings.expiry_queue_url),
        places=DynamoPlaces(db, state),
        policies=DynamoPolicies(db, state, journal),
        journal=journal,
        projections=DynamoProjections(db, state),
        keys=DynamoKeys(db, state),
        key_ring=DynamoKeyRing(db, state, journal),
        session_states=DynamoSessionStates(db, state, journal),
        budgets=DynamoBudgets(db, state, journal),
        agent_states=DynamoAgentStates(db, state, journal),
        detection_settings=DynamoDetectionSettings(db, state, journal),
        privacy_settings=DynamoPrivacySettings(db, state, journal),
        subjects=DynamoSubjects(db, state, journal),
        anomalies=DynamoAnomalies(db, state, journal),
        passes=DynamoPasses(db, state),
        sign_in_writes=DynamoSignInWrites(db, state, journal),
        sign_in_failures=DynamoSignInFailures(db, state, journal),
        rates=DynamoRates(db, state),
        ledger=DynamoLedger(db, settings.ledger_table),
        endpoints=DynamoEndpoints(db, state, journal),
        deliveries=DynamoDeliveries(db, state),
        signatures=signatures,
        check_url=lambda url: check_url(url, loopback=settings.loopback_receivers),
        export_buckets=settings.export_buckets,
        mails=settings.mail_from is not None,
        retention_days=settings.retention_days,
        sign_in_seconds=settings.sign_in_seconds,
        key_requests_per_minute=settings.key_requests_per_minute,
        allowed_origins=settings.allowed_origins,
        public_url=settings.public_url,
    )
