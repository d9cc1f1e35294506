import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.notified import a_trial_of, asked, called, endpoint, found, reminded, sealed
from tocsin.domain.canonical import canonical
from tocsin.domain.detect.kinds import Severity
from tocsin.domain.endpoints import Endpoint, Wanted
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify.rendering import wants

OTHER = "ep_00000000000000000000000002"


def wanting(*types: str, escalation: bool = False, **wanted: object) -> Endpoint:
    given = Wanted(types=frozenset(types) if types else None, **wanted)  # type: ignore[arg-type]
    return endpoint(wanted=given, escalation=escalation)


def test_an_endpoint_that_asks_for_nothing_is_sent_everything() -> None:
    for event in (asked(), found(), called(), sealed(type="vendor.thing")):
        assert wants(wanting(), event)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"types": frozenset({"anomaly", "tool_call"})}, True),
        ({"types": frozenset({"anomaly"})}, False),
        ({"types": frozenset[str]()}, False),
        ({"agent_id": "claude"}, True),
        ({"agent_id": "other"}, False),
        ({"tool_name": "exec", "action": "deny"}, True),
        ({"tool_name": "exec", "action": "allow"}, False),
        ({"types": frozenset({"tool_call"}), "agent_id": "other"}, False),
    ],
)
def test_every_filter_that_is_given_must_be_as_the_event_s(
    wanted: dict[str, object], expected: bool
) -> None:
    assert wants(endpoint(wanted=Wanted(**wanted)), called()) is expected  # type: ignore[arg-type]


def test_a_type_that_only_stands_somewhere_in_an_event_is_not_its_type() -> None:
    event = called(data={"type": "anomaly"}, request={"type": "approval.reminder"})
    assert not wants(wanting("anomaly"), event)
    assert wants(wanting("tool_call"), event)
    assert not wants(wanting("tocsin.endpoint_test"), called(data={"type": "tocsin.endpoint_test"}))


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("least", list(Severity))
def test_an_anomaly_is_sent_if_it_is_serious_enough(severity: Severity, least: Severity) -> None:
    assert wants(wanting(severity=least), found(severity)) is (severity >= least)


def test_severity_says_nothing_of_other_events() -> None:
    of = wanting(severity=Severity.CRITICAL)
    assert wants(of, called(status="info"))
    assert wants(of, asked())


@pytest.mark.parametrize("status", [None, 7, "disastrous", ["info"], {}])
def test_an_anomaly_whose_severity_nobody_knows_is_sent(status: object) -> None:
    event = sealed(type="anomaly", status=status)
    assert wants(wanting(severity=Severity.CRITICAL), event)


def test_a_test_is_for_its_endpoint_alone_whatever_that_wants() -> None:
    picky = wanting("anomaly", agent_id="nobody", severity=Severity.CRITICAL)
    assert wants(picky, a_trial_of(picky.id))
    assert not wants(picky, a_trial_of(OTHER))
    assert not wants(wanting(), a_trial_of(OTHER))
    assert not wants(wanting("tocsin.endpoint_test"), a_trial_of(OTHER))
    assert not wants(wanting(), sealed(type="tocsin.endpoint_test", data=picky.id))
    assert not wants(wanting(), sealed(type="tocsin.endpoint_test"))


def test_reminders_are_for_those_to_whom_approvals_are_escalated() -> None:
    assert not wants(wanting(), reminded())
    assert not wants(wanting("approval.reminder"), reminded())
    assert wants(wanting(escalation=True), reminded())
    assert wants(wanting("anomaly", escalation=True), reminded())
    assert not wants(wanting(agent_id="another", escalation=True), reminded())
    assert wants(wanting(agent_id="claude", escalation=True), reminded())


def test_what_does_not_match_is_not_parsed() -> None:
    """An org may have a thousand events a second: most are looked at by their bytes alone."""
    unreadable = SealedEvent(1, b'{"agent_id":"claude","type":"tool_call"', b"", b"")
    assert not wants(wanting("anomaly", "approval.created"), unreadable)
    assert not wants(wanting(agent_id="other"), unreadable)
    assert wants(wanting(), unreadable)


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["a.b", "a.bc", "a+b.c", "tool_call", "anomaly"])},
        optional={
            "agent_id": st.sampled_from(['"', "\\", "é", "claude", '"type":"a.b"']),
            "data": st.dictionaries(st.sampled_from(["type", "x"]), st.sampled_from(["a.b", 'x"'])),
        },
    ),
    st.sets(st.sampled_from(["a.b", "a.bc", "a+b.c", "tool_call", "anomaly"])),
)
def test_looking_at_bytes_first_changes_nothing(fields: dict[str, object], types: set[str]) -> None:
    event = SealedEvent(1, canonical(fields), b"", b"")
    of = endpoint(wanted=Wanted(types=frozenset(types)))
    assert wants(of, event) is (fields["type"] in types)
