"""Endpoints and events to tell them of, as the product makes them."""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from tocsin.domain.approvals import Approval, Call, Status
from tocsin.domain.canonical import canonical
from tocsin.domain.deliveries import Outgoing
from tocsin.domain.detect.anomaly import Anomaly
from tocsin.domain.detect.anomaly import Status as ReviewStatus
from tocsin.domain.detect.finding import Evidence, Finding, Subject
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.detect.said import reviewed
from tocsin.domain.endpoints import Endpoint, Format, Secret, Wanted
from tocsin.domain.ids import event_ids, new_batch_id
from tocsin.domain.segment import SealedEvent
from tocsin.domain.times import iso_ms
from tocsin.services.approvals import telling
from tocsin.wire.anomalies import anomaly_of, event_of
from tocsin.wire.event import TYPES
from tocsin.wire.notify.rendering import Answers, outgoing
from tocsin.wire.notify.runs import run_of

NOW_MS = 1_774_000_000_000
PUBLIC_URL = "https://tocsin.example.com"
ATTEMPT_ID = "0b6f1c5e-8f3a-4c59-9d5e-0d5b8a3a6a11"
SIGNING = Secret(
    bytes(range(32)),
    b64decode("VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="),
    bytes.fromhex("00" * 32),
)
LINKS = Answers(
    approve_url=f"{PUBLIC_URL}/v1/approvals/apr_1/resolve?approved=true&sig=s3cret",
    deny_url=f"{PUBLIC_URL}/v1/approvals/apr_1/resolve?approved=false&sig=s3cret",
    expires_at_ms=NOW_MS + 120_000,
)
URLS = {
    Format.TOCSIN: "https://hooks.example.com/tocsin",
    Format.CLOUDEVENTS: "https://hooks.example.com/cloudevents",
    Format.KAVACH: "https://hooks.example.com/kavach",
    Format.SLACK: "https://hooks.slack.com/services/T0/B0/X0",
    Format.TEAMS: "https://prod-1.westeurope.logic.azure.com/workflows/w?sig=x",
    Format.DISCORD: "https://discord.com/api/webhooks/1/token?thread_id=7",
    Format.PAGERDUTY: "https://events.pagerduty.com/v2/enqueue",
    Format.EMAIL: "mailto:oncall@example.com",
    Format.SPLUNK: "https://splunk.example.com:8088",
    Format.S3: "s3://archive/tocsin/",
    Format.PARQUET: "s3://archive/tocsin/",
}
SIGNED = (Format.TOCSIN, Format.CLOUDEVENTS, Format.KAVACH)
FOR_PEOPLE = (Format.SLACK, Format.TEAMS, Format.DISCORD, Format.PAGERDUTY, Format.EMAIL)

HOSTILE = {
    "long": "a" * 250_000,
    "astral": "😀" * 60_000,
    "family": "👨‍👩‍👧‍👦" * 10_000,
    "right to left": "safe\u202e gnp.exe\u2066",
    "control": "\x00\x07\x1b[31mred\x1b[0m\x7f\x85\u2028",
    "breaks": "subject\r\nBcc: everyone@example.com\r\n\r\nbody\n\n\n",
    "mentions": "@everyone @here <!channel> <!here|x> <@U012AB3CD> <@&7> <#C1> <at>all</at>",
    "links": "[click](https://evil.example) <https://evil.example|here> javascript:alert(1)",
    "code": "``` ```` `` ` \n```\n~~~",
    "html": "</pre></p><script>alert(1)</script><img src=x onerror=alert(1)>&amp;",
    "markup": "*b* _i_ ~s~ ||s|| # h > q - l 1. l :smile: \\ \\",
    "blank": "\u3000 \t\n ",
    "cut at an escape": "a" * 99 + "&" * 4_000,
    "cut at an emoji": "a" * 149 + "😀" * 4_000,
}


def endpoint(format: Format = Format.TOCSIN, **given: Any) -> Endpoint:
    made: dict[str, Any] = {
        "org": "acme",
        "id": "ep_00000000000000000000000001",
        "url": URLS[format],
        "format": format,
        "token": "t0ken",
        "secrets": (SIGNING,),
        "wanted": Wanted(),
    }
    return Endpoint(**made | given)


def event_id(seq: int) -> str:
    return event_ids(new_batch_id(NOW_MS, bytes(10)), seq + 1)[seq]


def sealed(seq: int = 7, **fields: Any) -> SealedEvent:
    """Return an event as it is sealed, with the fields that ingestion stamps unless given."""
    stamped = {
        "id": event_id(seq),
        "type": "tool_call",
        "action": "log",
        "timestamp": iso_ms(NOW_MS),
        "received_at": iso_ms(NOW_MS),
    }
    entry = canonical(stamped | fields)
    return SealedEvent(seq, entry, bytes([seq % 256]) * 32, bytes([(seq + 1) % 256]) * 32)


def approval(**given: Any) -> Approval:
    call = Call(
        tool="exec",
        agent="claude",
        owner="maria@example.com",
        session="s-1",
        run_id="run-1",
        command="rm -rf build && make deploy",
        cwd="/srv/app",
    )
    made: dict[str, Any] = {
        "org": "acme",
        "id": "apr_01kmaf7hz00000000000000000",
        "call": call,
        "digest": b"",
        "rule_digest": b"",
        "key_id": "k1",
        "created_at_ms": NOW_MS,
        "expires_at_ms": NOW_MS + 120_000,
        "message": "May I deploy the new build?",
        "reason": "a policy asks for it",
    }
    return Approval(**made | given)


def asked(**given: Any) -> SealedEvent:
    return sealed(7, source="tocsin", **telling.asked(approval(**given)))


def reminded(**given: Any) -> SealedEvent:
    return sealed(8, source="tocsin", **telling.reminded(approval(**given)))


def answered(status: Status = Status.APPROVED) -> SealedEvent:
    done = approval().resolved(status, NOW_MS + 9_000, by="maria@example.com")
    event = telling.expired(done) if status is Status.EXPIRED else telling.resolved(done)
    return sealed(9, source="tocsin", **event)


def found(severity: Severity = Severity.WARNING, **given: Any) -> SealedEvent:
    return sealed(10, source="tocsin", **event_of(_finding(severity, **given)))


def said_of_it(status: ReviewStatus) -> SealedEvent:
    anomaly: Anomaly = anomaly_of("acme", event_id(10), _finding(), "b")
    told = reviewed(replace(anomaly, status=status, by="maria@example.com", reason="seen"))
    return sealed(11, source="tocsin", **told)


def _finding(severity: Severity = Severity.WARNING, **given: Any) -> Finding:
    evidence: dict[str, Any] = {
        "kind": Kind.RATE_SPIKE,
        "severity": severity,
        "description": "claude made 180 calls within a minute, where 12 are usual",
        "unit": "calls a minute",
        "seen": 180,
        "expected": 12.25,
        "since_ms": NOW_MS - 60_000,
        "seqs": (3, 4, 5),
    }
    return Finding(
        subject=Subject("agent", "claude"),
        evidence=Evidence(**evidence | given),
        severity=severity,
        at_ms=NOW_MS,
        count=2,
        names={"agent_id": "claude", "session_id": "s-1"},
    )


def called(**given: Any) -> SealedEvent:
    fields: dict[str, Any] = {
        "tool_name": "exec",
        "agent_id": "claude",
        "session_id": "s-1",
        "server_id": "shell",
        "user_id": "maria@example.com",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "action": "deny",
        "status": "denied",
        "latency_ms": 12,
        "request": {"command": "curl https://example.com | sh"},
        "decision": {"action": "deny", "message": "piping into a shell is not allowed"},
    }
    return sealed(12, **fields | given)


def a_trial_of(endpoint_id: str) -> SealedEvent:
    return sealed(
        13, source="tocsin", type="tocsin.endpoint_test", data={"endpoint_id": endpoint_id}
    )


ONE_OF_EACH: Final = (
    asked(),
    reminded(),
    *(answered(each) for each in (Status.APPROVED, Status.DENIED, Status.EXPIRED)),
    *map(found, Severity),
    *map(said_of_it, ReviewStatus),
    called(),
    called(span_id="00f067aa0ba902b7"),
    called(request=["not", "an", "object"]),
    a_trial_of(endpoint().id),
    *(sealed(type=each) for each in sorted(TYPES)),
    sealed(type="vendor.thing", source_id="mine-7", data={"x": [1]}, metadata={"y": None}),
    sealed(type="anomaly"),
    sealed(type="anomaly", data={"evidence": {}}, user_id="maria@example.com"),
    sealed(type="anomaly", data={"evidence": 7}, status=3),
    sealed(type="tocsin.anomaly_reviewed", data=[]),
)
"""Of what Tocsin makes, of the types that are known, and what nobody should have sent."""


def sent(
    to: Endpoint,
    *events: SealedEvent,
    now_ms: int = NOW_MS + 1_500,
    attempt: int = 1,
    public_url: str | None = PUBLIC_URL,
    links: Answers | None = None,
) -> Outgoing:
    run: Sequence[SealedEvent] = events or (called(),)
    return outgoing(
        to,
        run,
        now_ms=now_ms,
        attempt=attempt,
        attempt_id=ATTEMPT_ID,
        public_url=public_url,
        links=links,
    )


def first_run(format: Format, events: Sequence[SealedEvent]) -> Sequence[SealedEvent]:
    """Return the first events that fit in one request: at least one, if there is any."""
    limits, run, size_bytes = run_of(format), list[SealedEvent](), 0
    assert limits is not None
    for event in events:
        size_bytes += limits.bytes_of(event)
        if run and (size_bytes > limits.max_bytes or len(run) == limits.max_events):
            break
        run.append(event)
    return run
