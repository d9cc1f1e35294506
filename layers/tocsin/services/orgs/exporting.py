"""All that an org has, in the words of the API, for who writes it to files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from tocsin.domain.deliveries import Attempt
from tocsin.domain.projection import place_of
from tocsin.domain.retention import Retention
from tocsin.domain.segment import Head, SealedEvent
from tocsin.domain.times import iso_ms
from tocsin.ports.access import Keys
from tocsin.ports.deciding import AgentStates, Approvals, Budgets, PolicyStore, SessionStates
from tocsin.ports.detecting import Anomalies, DetectionSettings
from tocsin.ports.evidence import Trees
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.notify import Deliveries, Endpoints
from tocsin.ports.privacy import PrivacySettings, Subjects
from tocsin.ports.projections import Projections
from tocsin.services.reading import replay
from tocsin.wire import (
    agents,
    approvals,
    budgets,
    detection,
    endpoints,
    indexes,
    keys,
    policies,
    privacy,
    reviews,
    sessions,
)
from tocsin.wire.log import history

__all__ = ["Exporting"]

_PAGE: Final = 100
_READ_EVENTS: Final = 1_000

type Row = Mapping[str, Any]
type Page = tuple[Sequence[Attempt], str]


class Exporting:
    """The use case behind ``tocsin orgs export``. It holds a page of each at a time."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        keys: Keys,
        approvals: Approvals,
        policies: PolicyStore,
        projections: Projections,
        session_states: SessionStates,
        agent_states: AgentStates,
        budgets: Budgets,
        anomalies: Anomalies,
        detection_settings: DetectionSettings,
        privacy_settings: PrivacySettings,
        subjects: Subjects,
        endpoints: Endpoints,
        deliveries: Deliveries,
        trees: Trees,
        retention: Callable[[], Retention],
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._keys = keys
        self._approvals = approvals
        self._policies = policies
        self._projections = projections
        self._session_states = session_states
        self._agent_states = agent_states
        self._budgets = budgets
        self._anomalies = anomalies
        self._detection_settings = detection_settings
        self._privacy_settings = privacy_settings
        self._subjects = subjects
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._trees = trees
        self._retention = retention

    def head(self, org: str) -> Head:
        """Return where the org's ledger ends."""
        return self._ledger.head(org)

    def events(self, org: str, after_seq: int, until_seq: int) -> Iterator[SealedEvent]:
        """Yield the events after one seq, up to another, each checked; but not expired ones.

        Raises:
            IntegrityError: the next one is not the one that was sealed.
        """
        seq, hash = after_seq, b""
        while seq < until_seq:
            try:
                found = replay.read(
                    self._ledger,
                    self._journal,
                    org,
                    seq,
                    limit=min(until_seq - seq, _READ_EVENTS),
                    expected_hash=hash or None,
                    retention=self._retention(),
                )
            except replay.Expired as expired:
                seq, hash = expired.first_seq - 1, b""
                continue
            if not found:
                return
            yield from found
            seq, hash = found[-1].seq, found[-1].hash

    def tables(self, org: str) -> Mapping[str, Iterator[Row]]:
        """Return what there is beside events, by name.

        Of keys not the digests, and of endpoints no secrets and tokens. But of persons the keys:
        without them their events say nothing.
        """
        return {
            "keys": (keys.listed(each) for each in self._keys.all(org)),
            "approvals": self._every_approval(org),
            "rules": iter(approvals.rules(self._approvals.rules(org))["rules"]),
            "policies": self._versions(org),
            "sessions": self._indexed(org, "session"),
            "agents": self._indexed(org, "agent"),
            "agent_profiles": (
                agents.shown({"id": each.id}, each) for each in self._agent_states.all(org)
            ),
            "budgets": (budgets.defined(each) for each in self._budgets.all(org)),
            "detection": (
                _without("known_kinds", detection.shown(each))
                for each in (self._detection_settings.get(org),)
            ),
            "privacy": (privacy.shown(each) for each in (self._privacy_settings.get(org),)),
            "subjects": map(privacy.whole, self._subjects.all(org)),
            "anomalies": self._every_anomaly(org),
            "endpoints": self._every_endpoint(org),
            "deliveries": self._attempts(org, self._deliveries.newest),
            "given_up": self._attempts(org, self._deliveries.given_up),
            "checkpoints": self._every_checkpoint(org),
            "log_keys": map(history.key, history.in_order(self._trees.keys(org))),
        }

    def _every_checkpoint(self, org: str) -> Iterator[Row]:
        last = self._trees.checkpoint(org)
        for each in self._trees.checkpoints(org, 0, last.size) if last else ():
            yield {"size": each.size, "made_at": iso_ms(each.made_at_ms), "note": each.note}

    def _every_approval(self, org: str) -> Iterator[Row]:
        for id, approval in self._approvals.every(org):
            yield approvals.shown(approval) if approval else {"id": id, "unreadable": True}

    def _every_anomaly(self, org: str) -> Iterator[Row]:
        before = ""
        while page := self._anomalies.newest(org, before, _PAGE):
            for id, anomaly in page:
                yield reviews.shown(anomaly) if anomaly else {"id": id, "unreadable": True}
            before = page[-1][0]

    def _every_endpoint(self, org: str) -> Iterator[Row]:
        found, unreadable = self._endpoints.every(org)
        for each in found:
            shown = endpoints.shown(each.endpoint, each.progress, each.replays, (), whole=True)
            yield _without("public_keys", shown)
        yield from ({"id": each.id, "unreadable": True} for each in unreadable)

    def _attempts(self, org: str, read: Callable[[str, str, str, int], Page]) -> Iterator[Row]:
        found, unreadable = self._endpoints.every(org)
        for id in (*(each.endpoint.id for each in found), *(each.id for each in unreadable)):
            before = ""
            while True:
                page, before = read(org, id, before, _PAGE)
                yield from ({"endpoint_id": id, **endpoints.delivery(each)} for each in page)
                if not before:
                    break

    def _versions(self, org: str) -> Iterator[Row]:
        current = self._policies.current(org)
        for version in range(1, current.version + 1 if current else 1):
            if found := self._policies.version(org, version):
                yield _without("count", policies.shown(found, 0))

    def _indexed(self, org: str, kind: str) -> Iterator[Row]:
        generation, place = self._projections.cursor(org).generation, ""
        while page := self._projections.newest(org, kind, place, _PAGE, generation):
            ids = [id for id, _ in page]
            states = self._session_states.get(org, ids) if kind == "session" else {}
            for id, item in page:
                yield (
                    indexes.session(id, item) | sessions.said(states.get(id))
                    if kind == "session"
                    else _without("status", indexes.agent(id, item, ""))  # which is of a moment
                )
            place = place_of(page[-1][1])


def _without(name: str, row: Row) -> Row:
    return {each: value for each, value in row.items() if each != name}
