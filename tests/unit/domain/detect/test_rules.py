"""KavachOS' rules, loops, and what destroys."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.detect.alerts import COOLDOWN_MS, Alerts
from tocsin.domain.detect.destructive import destructive
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.detect.observed import DEFINITION
from tocsin.domain.detect.packing import Damaged, join, split
from tocsin.domain.detect.rules import Denials, Hour, Loops, Note, Tools
from tocsin.domain.detect.settings import Hours, Settings
from unit.domain.detect.happening import START_MS, Watch, call, steady

HOUR_MS = 3_600_000
MINUTE_MS = 60_000


def kinds(events: list[dict[str, Any]]) -> list[str]:
    watch = Watch()
    watch.see(events)
    return watch.kinds


def test_more_than_a_hundred_calls_in_an_hour_are_rapid_fire() -> None:
    assert "rapid_fire" not in kinds(steady(50, 2))
    watch = Watch()
    watch.see(steady(40, 3))
    fired = watch.found[0]
    assert (fired.evidence.kind, fired.evidence.seen) == (Kind.RAPID_FIRE, 101)
    assert fired.evidence.since_ms == START_MS


def test_a_busy_agent_is_told_of_ever_more_rarely() -> None:
    assert kinds(steady(48 * 60, 4)).count("rapid_fire") < 10


@pytest.mark.parametrize(("denied", "told"), [(2, False), (3, True)])
def test_more_than_a_fifth_denied_is_too_much(denied: int, *, told: bool) -> None:
    events = [
        call(START_MS + number * MINUTE_MS, action="deny" if number >= 10 - denied else "allow")
        for number in range(10)
    ]
    assert ("high_denial_rate" in kinds(events)) is told


def test_denials_are_forgotten_after_a_day() -> None:
    denials = Denials()
    for number in range(20):
        denials.see(START_MS + number, number, denied=True, reasons="")
    assert denials.share == 1
    denials.see(START_MS + 25 * HOUR_MS, 30, denied=True, reasons="")
    assert denials.share == 0
    denials.see(START_MS, 31, denied=True, reasons="")  # a clock that went back by a day
    assert sum(denials.calls) == 1


@pytest.mark.parametrize(
    "reason", ["missing permission: write", "PRIVILEGE level too low", "escalation attempt"]
)
def test_denials_for_privileges_are_critical(reason: str) -> None:
    watch = Watch()
    watch.see(
        call(START_MS + number, action="deny", decision={"message": reason}) for number in range(3)
    )
    (found,) = watch.found
    assert found.evidence.kind is Kind.PRIVILEGE_ESCALATION
    assert found.severity is Severity.CRITICAL
    assert found.evidence.seqs == (1, 2, 3)


def test_other_denials_are_no_escalation() -> None:
    denied = [call(START_MS + n, action="deny", decision={"message": "budget"}) for n in range(9)]
    assert kinds(denied) == []


def test_a_known_agent_s_new_tool_is_unusual() -> None:
    watch = Watch()
    watch.see(steady(70, 1))
    watch.see([call(START_MS + 70 * MINUTE_MS, tool_name="export")])
    watch.see([call(START_MS + 80 * MINUTE_MS, tool_name="export")])
    assert watch.kinds == ["unusual_resource_access"]


def test_the_same_tool_of_another_server_is_another_tool() -> None:
    assert "unusual_resource_access" in kinds(
        [*steady(70, 1), *steady(1, 1, START_MS + 70 * MINUTE_MS, server_id="other")]
    )


def test_the_same_call_ten_times_is_a_loop() -> None:
    watch = Watch()
    watch.see(call(START_MS + n * 1_000, request={"path": "x"}) for n in range(9))
    assert watch.found == []
    watch.see([call(START_MS + 9_000, request={"path": "x"})])
    (found,) = watch.found
    assert (found.evidence.kind, found.evidence.seqs) == (Kind.REPEATED_CALL, (1, 10))


def test_a_loop_of_several_steps_is_found_and_different_calls_are_none() -> None:
    steps = [call(START_MS + n * 1_000, request={"path": str(n % 4)}) for n in range(40)]
    assert kinds(steps).count("repeated_call") == 4
    assert kinds([call(START_MS + n * 1_000, request={"path": str(n)}) for n in range(40)]) == []


def test_calls_without_arguments_are_compared_by_their_fingerprint_only() -> None:
    assert kinds([call(START_MS + n) for n in range(40)]) == []
    marked = {"metadata": {"arguments_fingerprint": "f" * 64}}
    assert kinds([call(START_MS + n, **marked) for n in range(10)]) == ["repeated_call"]


def test_a_call_that_comes_every_few_minutes_is_no_loop() -> None:
    assert kinds([call(START_MS + n * 6 * MINUTE_MS, request={"a": 1}) for n in range(40)]) == []


def test_a_tool_whose_description_changed_is_told_and_then_known() -> None:
    def defined(minute: int, digest: str) -> dict[str, Any]:
        told = {"definition_sha256": digest}
        return call(START_MS + minute * MINUTE_MS, type=DEFINITION, metadata=told)

    watch = Watch()
    watch.see([defined(0, "a"), defined(1, "a")])
    watch.cut()
    watch.see([defined(2, "b"), defined(9, "b")])
    (found,) = watch.found
    assert found.evidence.kind is Kind.TOOL_DEFINITION_CHANGED
    assert found.evidence.details == {"was": "a", "is": "b"}


def test_new_tools_and_models_of_a_known_org_are_told() -> None:
    usual = steady(100, 3, model="m", provider="p")
    assert "new_tool" not in kinds(usual)
    later = START_MS + 100 * MINUTE_MS
    assert "new_tool" in kinds([*usual, call(later, tool_name="other")])
    for names in ({"model": "m2", "provider": "p"}, {"model": "m", "provider": "p2"}):
        assert "new_model_or_provider" in kinds([*usual, call(later, **names)])


@pytest.mark.parametrize(
    ("tool", "text", "found"),
    [
        ("delete_user", "", "tool delete"),
        ("dropTable", "", "tool drop"),
        ("PurgeQueue", "", "tool purge"),
        ("undeleted_items", "", None),
        ("dropbox_list", "", None),
        ("bash", "rm -rf /var", "rm"),
        ("bash", "rm -v -r x", "rm"),
        ("bash", "sudo rm --recursive x", "rm"),
        ("bash", "rm x.tmp", None),
        ("bash", "echo alarm -r", None),
        ("psql", "DROP   TABLE users", "sql drop"),
        ("psql", "truncate audit", "sql truncate"),
        ("psql", "delete from t where id=1", "sql delete"),
        ("psql", "select * from drops", None),
        ("bash", "git push origin main --force", "git force"),
        ("bash", "git push --force-with-lease", None),
        ("bash", "kubectl -n prod delete pod x", "kubectl delete"),
        ("bash", "terraform -chdir=x destroy", "terraform destroy"),
        ("bash", "aws s3 rb s3://b", "aws delete"),
        ("bash", "dd if=/dev/zero of=/dev/sda", "dd"),
        ("powershell", "Remove-Item C:\\x -Recurse", "powershell remove"),
        ("cmd", "del /s x", "windows delete"),
    ],
)
def test_what_destroys(tool: str, text: str, found: str | None) -> None:
    assert destructive(tool, [text]) == found


@pytest.mark.parametrize(
    "text",
    [
        "rm " + "-a " * 50_000,
        "git push " * 20_000,
        "find " * 40_000,
        "dd " * 60_000,
        "DROP " * 50_000,
    ],
)
def test_hostile_texts_take_no_longer_than_their_length(text: str) -> None:
    assert destructive("bash", [text]) in (None, "rm")


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"command": "rm -rf /"}, True),
        ({"arguments": {"cmd": ["rm", "-rf", "/"]}}, True),
        ({"steps": [{"script": "rm -rf /"}]}, True),
        ({"content": "how to rm -rf / safely"}, False),
        ({"path": "notes.md", "new_text": "DROP TABLE x"}, False),
    ],
)
def test_what_would_be_run_is_looked_at_and_what_is_written_is_not(
    request_: dict[str, Any], *, told: bool
) -> None:
    found = kinds([call(START_MS, tool_name="bash", request=request_)])
    assert (found == ["destructive_pattern"]) is told, json.dumps(request_)


def always() -> bool:
    return True


def test_an_alert_says_how_many_it_stands_for() -> None:
    alerts, told = Alerts(), []
    for at_ms in (1_000, 2_000, 3_000, 1_000 + COOLDOWN_MS):
        told.append(alerts.tell(Kind.NEW_TOOL, "", at_ms, 0, always))
    assert told == [1, 0, 0, 3]


def test_one_series_holds_back_no_other() -> None:
    alerts = Alerts()
    assert [alerts.tell(Kind.REPEATED_CALL, each, 1, 0, always) for each in "aab"] == [1, 0, 1]


def test_what_may_not_be_told_is_told_with_the_next() -> None:
    alerts = Alerts()
    assert alerts.tell(Kind.NEW_TOOL, "", 1, 0, lambda: False) == 0
    assert alerts.tell(Kind.NEW_TOOL, "", 2, 0, always) == 2


def test_a_clock_that_goes_back_does_not_hold_back_for_ever() -> None:
    alerts = Alerts()
    alerts.tell(Kind.NEW_TOOL, "", 10 * COOLDOWN_MS, 0, always)
    assert alerts.tell(Kind.NEW_TOOL, "", COOLDOWN_MS, 0, always) == 1


@given(st.lists(st.binary(max_size=300), max_size=9))
def test_parts_are_joined_and_split(parts: list[bytes]) -> None:
    assert split(join(parts)) == parts


@given(st.binary(max_size=400))
def test_bytes_that_are_no_state_are_refused_in_one_way(data: bytes) -> None:
    for of in (Alerts, Note, Hour, Denials, Tools, Loops):
        with suppress(Damaged):
            of.unpack(data)


def test_hours_may_go_through_midnight() -> None:
    night = Hours(22 * 60, 6 * 60, frozenset({4}))  # Fridays
    friday_ms = START_MS + 4 * 24 * HOUR_MS
    held = [hour for hour in range(48) if night.hold(friday_ms + hour * HOUR_MS)]
    assert held == list(range(22, 30))


def test_hours_are_of_their_time_zone() -> None:
    berlin = Hours(8 * 60, 18 * 60, frozenset(range(5)), "Europe/Berlin")  # UTC+2 in June
    assert [hour for hour in range(24) if berlin.hold(START_MS + hour * HOUR_MS)] == list(
        range(6, 16)
    )


def test_settings_are_the_same_after_being_told() -> None:
    wanted = Settings(
        enabled=False,
        false_alerts_per_day=0.25,
        kinds=frozenset({Kind.SILENCE}),
        hours=Hours(7 * 60 + 5, 1, frozenset({6}), "Asia/Tokyo"),
        suspend_from=Severity.CRITICAL,
    )
    assert Settings.of_data(wanted.as_data()) == wanted
    assert Settings.of_data(Settings().as_data()) == Settings()
