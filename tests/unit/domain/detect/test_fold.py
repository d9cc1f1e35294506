"""Detection's fold: the same events give the same findings, wherever runs begin and end."""

import zlib
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.domain.detect.agenda import MOST_WATCHED, Agenda
from tocsin.domain.detect.anomaly import Anomaly, Status
from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.fold import AGENDA, REPORTS, Fold
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.detect.org import MOST_ALERTS, MOST_SUBJECTS, Org
from tocsin.domain.detect.said import SET, reviewed
from tocsin.domain.detect.settings import Hours, Settings
from tocsin.domain.times import iso_ms
from unit.domain.detect.happening import START_MS, Watch, call, steady

HOUR_MS = 3_600_000
SOON = iso_ms(START_MS)
DAY_MS = 24 * HOUR_MS


def busy(seed: int, events: int) -> list[dict[str, Any]]:
    """Return what several agents do in some hours, loops, errors, denials and pauses among it."""
    random, at_ms, made = Random(seed), START_MS, []  # noqa: S311
    for _ in range(events):
        at_ms += random.choice([50, 400, 3_000, 20_000, 20_000, 4_000_000])
        name = random.choice(["a", "b", "c"])
        made.append(
            call(
                at_ms - random.choice([0, 0, 0, 90_000]),
                agent_id=random.choice([name, None]),
                session_id=f"s-{name}",
                tool_name=random.choice(["read", "write", "delete_all", None]),
                model=random.choice(["m", None]),
                action=random.choice(["allow", "allow", "deny"]),
                decision={"message": "no permission"},
                status=random.choice(["ok", "ok", "error"]),
                latency_ms=random.choice([1, 10, 10_000]),
                request={"path": random.choice("xy")},
                backfill=random.choice([None, None, None, True]),
                tool_call_id=random.choice(
                    [None, "1", "2", f"toolu_{random.choice('12')}".ljust(20)]
                ),
            )
        )
    return made


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 10_000), cuts=st.sets(st.integers(0, 299)), waits=st.sets(st.integers(0, 9))
)
def test_any_split_of_runs_gives_the_same(seed: int, cuts: set[int], waits: set[int]) -> None:
    whole, split = Watch(), Watch()
    events = busy(seed, 300)
    for place, event in enumerate(events):
        whole.see([event])
        split.see([event])
        if place in cuts:
            split.cut()
        if place in waits:  # the schedule comes, as late as time has come
            split.wait(START_MS + place)
            split.cut()
    whole.cut()
    split.cut()
    assert split.found == whole.found
    assert whole.found
    assert (split.org, split.states) == (whole.org, whole.states)


def test_a_spike_is_told_with_what_was_expected() -> None:
    watch = Watch()
    watch.see(steady(120))
    watch.see(steady(2, 300, START_MS + 2 * HOUR_MS))
    spike = next(each for each in watch.found if each.evidence.kind is Kind.RATE_SPIKE)
    assert spike.subject == Subject("tool", "read", "db")
    assert spike.evidence.expected == pytest.approx(5, rel=0.2)
    assert spike.evidence.expected is not None
    assert spike.evidence.threshold is not None
    assert spike.evidence.expected < spike.evidence.threshold <= spike.evidence.seen
    assert spike.at_ms < START_MS + 2 * HOUR_MS + 60_000  # before its minute is over
    assert spike.names["agent_id"] == "a"


def test_further_reports_of_calls_are_no_calls() -> None:
    """A hook, a relay and an exporter tell of each: nothing spikes, and nothing is found twice."""
    once, thrice = Watch(), Watch()
    calls = [
        each | {"tool_call_id": f"toolu_{at:020}"}
        for at, each in enumerate([*steady(120), *steady(2, 300, START_MS + 2 * HOUR_MS)])
    ]
    calls[90] |= {"status": "error", "latency_ms": 60_000}
    calls[100] |= {"request": {"command": "rm -rf /"}}
    calls[110] |= {"action": "deny", "decision": {"message": "no permission"}}
    for each in calls:
        once.see([each])
        ended = {"agent_id": "exporter", "session_id": "other"}
        thrice.see([each, each, {name: each[name] for name in each if name != "request"} | ended])
    assert [each.evidence.seen for each in thrice.found] == [
        each.evidence.seen for each in once.found
    ]
    assert thrice.kinds == once.kinds
    assert {"rate_spike", "destructive_pattern"} <= set(once.kinds)


def test_what_only_a_later_report_of_a_call_tells_is_judged() -> None:
    watch = Watch()
    for part in ({}, {"request": {"command": "rm -rf /"}}):
        watch.see([call(START_MS, tool_call_id="toolu_01A09q90qw90", **part)])
    assert watch.kinds == ["destructive_pattern"]


def test_the_later_reports_of_calls_tell_how_they_ended() -> None:
    watch = Watch()
    for at, each in enumerate(steady(240)):
        begun = each | {"tool_call_id": f"toolu_{at:020}"}
        failed = at > 1_000
        watch.see([begun, begun | {"status": "error" if failed else "ok", "latency_ms": 7}])
    assert "error_rate" in watch.kinds


def test_what_is_remembered_of_calls_is_bounded() -> None:
    watch = Watch()
    watch.see(call(START_MS + at, tool_call_id=f"toolu_{at:020}") for at in range(10_000))
    watch.cut()
    assert len(watch.states[REPORTS]) < 100_000


@pytest.mark.parametrize("damage", [b"", b"no", zlib.compress(b"")])
def test_what_is_remembered_of_calls_and_is_damaged_is_forgotten(damage: bytes) -> None:
    watch = Watch()
    watch.see(steady(1, tool_call_id="toolu_01A09q90qw90"))
    watch.cut()
    watch.states[REPORTS] = damage
    watch.see(steady(1, tool_call_id="toolu_01A09q90qw90"))
    watch.cut()
    assert watch.states[REPORTS] != damage


def test_an_import_trains_and_tells_nothing() -> None:
    watch, now_ms = Watch(), START_MS + 3 * DAY_MS
    history = [
        each | {"backfill": True, "received_at": call(now_ms)["received_at"]}
        for each in steady(300, start_ms=now_ms - 5 * HOUR_MS)
    ]
    history.append(call(now_ms, backfill=True, request={"command": "rm -rf /"}))
    watch.see(history)
    assert watch.found == []
    watch.see(steady(1, 300, now_ms + 60_000))
    assert "rate_spike" in watch.kinds


def test_what_is_sealed_too_late_only_trains() -> None:
    watch = Watch()
    watch.see(steady(120))
    watch.see(steady(1, 600, START_MS + 2 * HOUR_MS), sealed_at_ms=START_MS + 3 * HOUR_MS)
    assert "rate_spike" not in watch.kinds


def test_nothing_is_told_of_what_was_sealed_before_detection_began() -> None:
    begun = Org(quiet_until_ms=START_MS + HOUR_MS)
    fold = Fold(begun.pack(), lambda _: b"")
    destroys = {"request": {"command": "rm -rf /"}}
    fold.take(1, START_MS + HOUR_MS - 1, call(START_MS, **destroys))
    assert fold.findings == []
    fold.take(2, START_MS + HOUR_MS, call(START_MS + HOUR_MS, **destroys))
    assert [each.evidence.kind for each in fold.findings] == [Kind.DESTRUCTIVE_PATTERN]


def test_an_event_of_tocsin_is_never_scored() -> None:
    watch = Watch()
    watch.see([call(START_MS, source="tocsin", request={"command": "rm -rf /"})])
    watch.cut()
    assert watch.found == []
    assert watch.states == {}


def test_silence_is_found_by_time_alone_and_told_once() -> None:
    watch = Watch()
    watch.see(steady(26 * 60, 1))
    end_ms = START_MS + 26 * HOUR_MS
    watch.wait(end_ms + DAY_MS)
    silences = [each for each in watch.found if each.evidence.kind is Kind.SILENCE]
    assert [each.subject for each in silences] == [Subject("agent", "a")]
    assert end_ms < silences[0].at_ms < end_ms + HOUR_MS
    watch.see(steady(1, start_ms=end_ms + 2 * DAY_MS))
    assert watch.kinds.count("silence") == 1


def test_nobody_is_silent_while_sealing_waits() -> None:
    watch = Watch()
    watch.see(steady(26 * 60, 1))
    late_ms = START_MS + 32 * HOUR_MS
    watch.see(steady(5 * 60, 1, START_MS + 26 * HOUR_MS), sealed_at_ms=late_ms)
    watch.see(steady(60, 1, START_MS + 31 * HOUR_MS), sealed_at_ms=late_ms)
    assert "silence" not in watch.kinds


def test_a_receiver_s_clock_that_is_ahead_makes_nobody_silent() -> None:
    watch = Watch()
    watch.see(steady(26 * 60, 1))
    at_ms = START_MS + 26 * HOUR_MS
    watch.see([call(at_ms + 9 * HOUR_MS, agent_id="b")], sealed_at_ms=at_ms)
    watch.see(steady(60, 1, at_ms))
    assert "silence" not in watch.kinds


def test_time_that_passes_before_the_next_event_finds_what_the_schedule_would_have() -> None:
    seen, swept = Watch(), Watch()
    for watch in (seen, swept):
        watch.see(steady(26 * 60, 1))
    swept.wait(START_MS + 40 * HOUR_MS)
    for watch in (seen, swept):
        watch.see([call(START_MS + 50 * HOUR_MS)])
    assert seen.found == swept.found
    assert "silence" in seen.kinds


def test_only_so_many_agents_are_waited_for() -> None:
    watch, full = Watch(), Agenda()
    for number in range(MOST_WATCHED):
        full.add(START_MS + 99 * DAY_MS + number, f"agent#{number}")
    watch.states[AGENDA] = full.pack()
    watch.see(steady(26 * 60, 1))
    watch.wait(START_MS + 40 * HOUR_MS)
    assert "silence" not in watch.kinds


def test_subjects_beyond_the_most_are_one_together() -> None:
    watch = Watch()
    watch.see(
        call(START_MS + number, agent_id=f"a{number}", tool_name=None, model="m")
        for number in range(MOST_SUBJECTS + 10)
    )
    watch.cut()
    agents = [key for key in watch.states if key.startswith("agent#")]
    assert len(agents) == MOST_SUBJECTS  # the model is one, and the rest another
    assert "agent#" in watch.states


def test_whoever_makes_trouble_everywhere_floods_nobody() -> None:
    watch = Watch()
    watch.see(
        call(START_MS + number, agent_id=f"a{number}", request={"command": "rm -rf /"})
        for number in range(500)
    )
    assert len(watch.found) == MOST_ALERTS


def test_settings_hold_from_their_event_on() -> None:
    wanted = Settings(kinds=frozenset({Kind.RAPID_FIRE}))
    destroys = call(START_MS, request={"command": "rm -rf /"})
    told = {"type": SET, "source": "tocsin", "received_at": SOON, "data": wanted.as_data()}
    watch = Watch()
    watch.see([destroys])
    watch.see([told], sealed_at_ms=START_MS + 1)
    watch.cut()
    watch.see([call(START_MS + HOUR_MS, request={"command": "rm -rf /"})])
    assert watch.kinds == ["destructive_pattern"]


@pytest.mark.parametrize("data", [None, {}, {"kinds": 1}, {**Settings().as_data(), "hours": {}}])
def test_settings_that_another_version_told_otherwise_are_passed_over(data: Any) -> None:
    watch = Watch()
    told = {"type": SET, "source": "tocsin", "received_at": SOON, "data": data}
    watch.see([told], sealed_at_ms=START_MS)
    watch.see([call(START_MS, request={"command": "rm -rf /"})])
    assert watch.kinds == ["destructive_pattern"]


def test_no_sender_can_set_anything() -> None:
    off = Settings(enabled=False).as_data()
    watch = Watch()
    watch.see([call(START_MS, type=SET, data=off)])
    watch.see([call(START_MS, request={"command": "rm -rf /"})])
    assert watch.kinds == ["destructive_pattern"]


def said(watch: Watch, status: Status, until_ms: int = 0) -> dict[str, Any]:
    finding = watch.found[-1]
    return reviewed(
        Anomaly(
            org="acme",
            id="evt_1",
            kind=finding.evidence.kind,
            severity=Severity.INFO,
            subject=finding.subject,
            series=finding.evidence.series,
            at_ms=finding.at_ms,
            nats=finding.evidence.nats,
            status=status,
            until_ms=until_ms,
        )
    ) | {"source": "tocsin", "received_at": SOON}


def test_a_snoozed_alert_is_told_again_when_its_time_is_over() -> None:
    watch = Watch()
    destroys = {"request": {"command": "rm -rf /"}}
    watch.see([call(START_MS, **destroys)])
    watch.see([said(watch, Status.SNOOZED, START_MS + HOUR_MS)], sealed_at_ms=START_MS + 100)
    watch.cut()
    watch.see([call(START_MS + HOUR_MS // 2, **destroys)])
    assert len(watch.found) == 1
    watch.see([call(START_MS + 2 * HOUR_MS, **destroys)])
    assert len(watch.found) == 2


def test_a_false_positive_raises_what_this_series_takes_and_no_other_s() -> None:
    def spiking(watch: Watch) -> list[str]:
        spikes = [each for each in watch.found if each.evidence.kind is Kind.RATE_SPIKE]
        return [each.subject.name for each in spikes]

    def told(watch: Watch) -> dict[str, Any]:
        watch.findings = [each for each in watch.found if each.evidence.kind is Kind.RATE_SPIKE]
        return said(watch, Status.FALSE_POSITIVE)

    watch = Watch()
    watch.see(steady(120))
    watch.see(steady(120, tool_name="write"))
    watch.see(steady(1, 60, START_MS + 2 * HOUR_MS))
    watch.cut()
    assert spiking(watch) == ["read"]
    watch.see([told(watch)], sealed_at_ms=START_MS + 2 * HOUR_MS + 60_001)
    watch.cut()
    watch.see(steady(1, 60, START_MS + 4 * HOUR_MS, tool_name="write"))
    watch.see(steady(1, 60, START_MS + 4 * HOUR_MS))
    assert spiking(watch) == ["read", "write"]


def test_off_hours_raise_the_severity() -> None:
    watch = Watch()
    hours = Settings(hours=Hours(8 * 60, 18 * 60))
    told = {"type": SET, "source": "tocsin", "received_at": SOON, "data": hours.as_data()}
    watch.see([told], sealed_at_ms=START_MS)
    denied = {"action": "deny", "request": {"command": "rm -rf /"}}
    watch.see([call(START_MS + 9 * HOUR_MS, **denied)])
    watch.see([call(START_MS + 20 * HOUR_MS, **denied)])
    severities = {str(each.evidence.kind): each.severity for each in watch.found}
    assert severities["off_hours_activity"] is Severity.INFO
    destroyed = [
        each.severity for each in watch.found if each.evidence.kind is Kind.DESTRUCTIVE_PATTERN
    ]
    assert destroyed == [Severity.WARNING, Severity.CRITICAL]


@pytest.mark.parametrize("damage", [b"", b"\x00", b"\x01\xff", b"\x02" + bytes(99)])
def test_a_damaged_state_is_learned_anew(damage: bytes) -> None:
    watch = Watch()
    watch.see(steady(2))
    watch.cut()
    watch.states = dict.fromkeys(watch.states, damage)
    watch.see(steady(2, start_ms=START_MS + HOUR_MS))
    watch.cut()
    assert all(len(state) > 10 for key, state in watch.states.items() if key != "agenda")


def test_hostile_events_are_folded_like_any() -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = {"command": [deep]}
    watch = Watch()
    watch.see(
        [
            call(START_MS, latency_ms=1.7e308, cost_usd=1e308, total_tokens=2**53 - 1),
            call(START_MS, latency_ms=0, prompt_tokens=0),
            call(START_MS, timestamp="0001-01-01T00:00:00.000Z", backfill=True),
            call(START_MS, timestamp="9999-12-31T23:59:59.999Z", backfill=True),
            call(START_MS, agent_id="\x00#" * 100, tool_name="\U0001f600" * 64, server_id="#"),
            call(START_MS, request=deep),
            call(START_MS, request={"command": ["rm"] * 100_000}),
            call(START_MS, metadata={"definition_sha256": 7}, type="mcp.tool_definition"),
            call(START_MS, metadata={"arguments_fingerprint": "x" * 200_000}),
            call(START_MS, action="deny", decision={"message": "p" * 200_000}),
            call(START_MS, status="²"),
        ]
    )
    watch.cut()
    assert max(map(len, watch.states.values())) < 8_000
