"""Detection as a fold: an org's events in the order of their seqs, and time that passes.

The same events give the same findings, wherever runs begin and end: what is known is in the states,
which are bytes between runs, and nothing else is looked at. Time is when events were received, and
passes with them: so while sealing waits nobody is silent.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

from tocsin.domain.detect.agenda import Agenda
from tocsin.domain.detect.finding import Evidence, Finding, Subject
from tocsin.domain.detect.kinds import SEVERITIES, Kind
from tocsin.domain.detect.observed import GRACE_MS, Observed, subjects_of
from tocsin.domain.detect.org import Org
from tocsin.domain.detect.said import Said, said_of
from tocsin.domain.detect.states import STATES, Agent, Around, State
from tocsin.domain.reports import Reports, call_key
from tocsin.domain.times import time_ms

__all__ = ["AGENDA", "REPORTS", "Fold", "keys_of", "passed_ms"]

AGENDA: Final = "agenda"
"""The key of :class:`.Agenda`'s bytes among the states."""

REPORTS: Final = "reports"
"""The key of what was told of the last calls, so that further reports of them are none."""

_MOST_CALLS: Final = 4_096  # of those: so what is written stays small
_OF_THE_ORG: Final = frozenset({Kind.NEW_TOOL, Kind.NEW_MODEL_OR_PROVIDER})  # in its cooldowns


class Fold:
    """Detection of one org from where its states are on.

    ``findings`` are what is to be told, in order. ``changed`` are the states that were.
    """

    def __init__(self, org: bytes, load: Callable[[str], bytes]) -> None:
        """Begin with the org's state; ``load`` returns another by its key; empty: there is none.

        Raises:
            Damaged: the org's is no state.
        """
        self.org = Org.unpack(org) if org else Org()
        self.findings: list[Finding] = []
        self._load = load
        self._states: dict[str, State] = {}
        self._agenda: Agenda | None = None
        self._agenda_changed = False
        self._reports: Reports | None = None
        self._reports_changed = False

    @property
    def due_ms(self) -> int:
        """When something may be found though nothing comes; 0: never."""
        return self._agenda_now().next_ms

    def due_by(self, until_ms: int) -> list[str]:
        """Return the keys of the states that are looked at as time passes until then."""
        return self._agenda_now().keys_until(until_ms)

    @property
    def touched(self) -> int:
        """How many states were looked at."""
        return len(self._states)

    def changed(self) -> dict[str, bytes]:
        """Return the states that were touched, by key, as bytes."""
        found = {key: state.pack() for key, state in self._states.items()}
        if self._agenda_changed and self._agenda is not None:
            found[AGENDA] = self._agenda.pack()
        if self._reports_changed and self._reports is not None:
            found[REPORTS] = self._reports.pack()
        return found

    def settle(self) -> None:
        """Forget what was written: ``load`` gives it from now on."""
        self._states = {}
        self.findings = []
        self._agenda_changed = self._reports_changed = False

    def take(self, seq: int, sealed_at_ms: int, event: Mapping[str, Any]) -> None:
        """Take the next event, and before it what was due by :func:`passed_ms`."""
        now_ms = passed_ms(sealed_at_ms, event)
        while self.let_pass(now_ms):
            pass
        self.org.pass_time(now_ms)
        if event.get("source") == "tocsin":
            said = said_of(event)
            if said is not None:
                self._hear(said)
            return
        if not self.org.settings.enabled:
            return
        observed = self._observed(seq, sealed_at_ms, event)
        if observed.begun:
            self.org.call(observed.at_ms)
            self.org.shape.see(observed.minute, 1)
        around = Around(
            self.org.shape, self._least_nats, self.org.off_hours(observed.at_ms), self.org.known
        )
        silent = observed.imported or sealed_at_ms < self.org.quiet_until_ms
        for subject in subjects_of(event):
            key, state = self._of(subject)
            evidence = list(state.take(observed, around))
            later = observed.minute > state.note.last_ms // 60_000
            state.note.is_new = False
            state.note.last_ms = max(state.note.last_ms, observed.at_ms)
            if silent:
                continue
            for each in evidence:
                self._judge(state, subject, each, sealed_at_ms, observed.names)
            if later:
                self._watch(key, state)

    def let_pass(self, until_ms: int) -> bool:
        """Let time pass to the next that is due by then; False: nothing is."""
        due = self._agenda_now().pop(until_ms)
        if due is None:
            return False
        self._agenda_changed = True
        self.org.pass_time(due[0])
        self._look_at_silence(*due)
        return True

    def _look_at_silence(self, due_ms: int, key: str) -> None:
        state = self._state(key, Agent)
        state.note.watched = False
        silent_at_ms = self._silent_at_ms(state)
        if silent_at_ms is None or not self.org.settings.enabled:
            return
        if silent_at_ms > due_ms:
            self._watch(key, state)
            return
        subject = Subject(state.note.kind, state.note.name, state.note.of)
        since_ms = state.note.last_ms
        evidence = Evidence(
            Kind.SILENCE,
            SEVERITIES[Kind.SILENCE],
            f"nothing for {(due_ms - since_ms) // 60_000} minutes from who always calls",
            "minutes",
            (due_ms - since_ms) / 60_000,
            since_ms=since_ms,
        )
        self._judge(state, subject, evidence, due_ms, {})

    def _watch(self, key: str, state: State) -> None:
        agenda = self._agenda_now()
        if state.note.watched or agenda.full:
            return
        at_ms = self._silent_at_ms(state)
        if at_ms is not None:
            agenda.add(max(at_ms, self.org.at_ms + 60_000), key)
            state.note.watched = True
            self._agenda_changed = True

    def _judge(
        self,
        state: State,
        subject: Subject,
        evidence: Evidence,
        at_ms: int,
        names: Mapping[str, str],
    ) -> None:
        """Tell a finding, unless the org does not want it, or it is held back."""
        org, kind = self.org, evidence.kind
        if kind not in org.settings.kinds:
            return
        if evidence.peak is not None:
            tells = org.budget.see(evidence.peak, at_ms // 60_000, self._a_day)
            if not tells or evidence.seen <= state.alerts.least_seen(kind, evidence.series):
                return
        alerts = org.alerts if kind in _OF_THE_ORG else state.alerts
        count = alerts.tell(
            kind, evidence.series, at_ms, evidence.seen, lambda: org.may_tell(at_ms)
        )
        if not count:
            return
        severity = evidence.severity
        if kind is not Kind.OFF_HOURS_ACTIVITY and org.off_hours(at_ms):
            severity = severity.raised()
        named = dict(names) | subject.names
        suspend_from = org.settings.suspend_from
        suspends = suspend_from is not None and severity >= suspend_from
        found = Finding(subject, evidence, severity, at_ms, count, named, suspends)
        self.findings.append(found)

    @property
    def _a_day(self) -> float:
        return self.org.settings.false_alerts_per_day

    def _silent_at_ms(self, state: State) -> int | None:
        at_ms = state.silent_at_ms(self._least_nats, self.org.shape)
        longest_ms = round(state.alerts.least_seen(Kind.SILENCE, "") * 60_000)
        return None if at_ms is None else max(at_ms, state.note.last_ms + longest_ms)

    @property
    def _least_nats(self) -> float:
        return self.org.budget.threshold(self._a_day)

    def _hear(self, said: Said) -> None:
        if said.settings is not None:
            self.org.settings = said.settings
        if said.lesson is not None and said.subject is not None:
            org_s = said.lesson.kind in _OF_THE_ORG
            alerts = self.org.alerts if org_s else self._of(said.subject)[1].alerts
            alerts.learn(said.lesson, self.org.at_ms)

    def _of(self, subject: Subject) -> tuple[str, State]:
        """Return a subject's state; of one too many, that of all those of its kind."""
        key = _key(subject)
        state = self._state(key, STATES[subject.kind])
        if state.note.period != self.org.period:
            if not self.org.has_room():
                del self._states[key]
                subject = Subject(subject.kind)
                key = _key(subject)
                state = self._state(key, STATES[subject.kind])
            state.note.period = self.org.period
        state.note.kind, state.note.name, state.note.of = subject.kind, subject.name, subject.of
        return key, state

    def _state[S: State](self, key: str, of: type[S]) -> S:
        state = self._states.get(key)
        if not isinstance(state, of):
            state = self._states[key] = of.unpack(self._load(key))
        return state

    def _observed(self, seq: int, sealed_at_ms: int, event: Mapping[str, Any]) -> Observed:
        key = call_key(event)
        if not key:
            return Observed.of(seq, sealed_at_ms, event)
        reports = self._reports_now()
        observed = Observed.of(seq, sealed_at_ms, event, reports.earlier(key, seq, event))
        reports.tell(key, seq, observed.told)
        self._reports_changed = True
        return observed

    def _reports_now(self) -> Reports:
        if self._reports is None:
            self._reports = Reports(_MOST_CALLS)
            if data := self._load(REPORTS):
                with suppress(ValueError):
                    self._reports.load(data)
        return self._reports

    def _agenda_now(self) -> Agenda:
        if self._agenda is None:
            try:
                self._agenda = Agenda.unpack(self._load(AGENDA))
            except ValueError:
                self._agenda = Agenda()
        return self._agenda


def passed_ms(sealed_at_ms: int, event: Mapping[str, Any]) -> int:
    """Return the time (Unix ms) that has passed when an event comes.

    It is less than when the event was received, by the grace: what was received before it may come
    after it. No clock alone can put it ahead.
    """
    return min(time_ms(event["received_at"]) or 0, sealed_at_ms) - GRACE_MS


def keys_of(events: Iterable[Mapping[str, Any]]) -> Sequence[str]:
    """Return the keys of the states that events touch, each once."""
    keys = dict.fromkeys([AGENDA, REPORTS])
    for event in events:
        if event.get("source") != "tocsin":
            keys |= dict.fromkeys(map(_key, subjects_of(event)))
    return list(keys)


def _key(subject: Subject) -> str:
    if not subject.name:
        return f"{subject.kind}#"
    digest = sha256(f"{subject.of}\0{subject.name}".encode()).hexdigest()[:24]
    return f"{subject.kind}#{digest}"
