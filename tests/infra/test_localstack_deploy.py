"""The real stacks on LocalStack: the product's main job runs on what `cdk deploy` makes."""

import json
import mimetypes
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from httpx_sse import connect_sse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from standardwebhooks import Webhook

from infra import assets
from support.cdk import Cdk
from support.localstack import LocalStack
from support.ministack import dynamodb_server
from support.receiver import Received, Reply, receiving
from support.valkey import Valkey
from support.waiting import HANG_SECONDS, until
from tocsin.adapters.kms import KmsSigner
from tocsin.bootstrap.admin import Admin, wire
from tocsin.client import ApiError, Client
from tocsin.domain import chain
from tocsin.domain.canonical import parse
from tocsin.domain.keys import Scope, mint
from tocsin.domain.merkle import BadProof
from tocsin.domain.org import Org
from tocsin.local.addresses import LOOPBACK, reserve
from tocsin.services.reading import verification
from tocsin.wire.log import proofs
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.policies import Policy
from tocsin.wire.log.proofs import Proof

ROOT = Path(__file__).parents[2]
PUBLIC_URL = "https://tocsin.example"


@dataclass
class Deployed:
    """The stacks' outputs, and what they are of."""

    localstack: LocalStack
    cdk: Cdk
    outputs: dict[str, str] = field(default_factory=dict)
    token: str = ""

    @property
    def tables(self) -> dict[str, str]:
        """The environment of the functions, for another process."""
        return {
            f"TOCSIN_{name}_TABLE": self.outputs[f"{name.title()}Table"]
            for name in ("JOURNAL", "LEDGER", "STATE")
        }

    @property
    def admin(self) -> Admin:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (self.localstack.env | self.tables).items():
                patch.setenv(name, value)
            return wire()

    @property
    def api(self) -> str:
        """The API as LocalStack serves it where no name resolves to it."""
        url = urlsplit(self.outputs["ApiUrl"])
        api_id, stage = str(url.hostname).partition(".")[0], url.path.strip("/")
        return f"{self.localstack.url}/_aws/execute-api/{api_id}/{stage}"

    def key(self, scope: Scope, org: str = "acme") -> str:
        """Make a key of an org; return its token."""
        token, key = mint(org, frozenset({scope}), "test", 1)
        self.admin.keys.put(key)
        return token

    def post(self, body: Any, **headers: str) -> httpx.Response:
        return httpx.post(
            f"{self.api}/api/v1/ingest/raw",
            headers={"Authorization": f"Bearer {self.token}", **headers},
            json=body,
            timeout=HANG_SECONDS,
        )


@pytest.fixture(scope="module")
def deployed(
    bootstrapped: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    app = ".venv-infra/bin/python -m infra.app"
    context = {"profile": "localstack", "removal": "destroy", "batch_window_seconds": "0"}
    context["public_url"] = PUBLIC_URL
    cdk = Cdk(bootstrapped, app, tmp_path_factory.mktemp("cdk"), ROOT, context)
    found = Deployed(bootstrapped, cdk)
    for outputs in cdk.deploy().values():
        found.outputs |= outputs
    found.token, key = mint("acme", frozenset({Scope.INGEST, Scope.READ}), "test", 1)
    admin = found.admin
    admin.tenants.create("acme")
    admin.keys.put(key)
    yield found
    cdk.destroy()
    assert not bootstrapped.client("dynamodb").list_tables()["TableNames"]
    assert not _buckets(bootstrapped)


def _buckets(localstack: LocalStack) -> list[str]:
    buckets = localstack.client("s3").list_buckets()["Buckets"]
    return [each["Name"] for each in buckets if each["Name"].startswith("tocsin-")]


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    server = Valkey()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def stream_url(deployed: Deployed, valkey: Valkey) -> Iterator[str]:
    """The real stream service on the deployed tables and a real Valkey."""
    _publish_to(deployed, valkey.url)
    held = reserve(0)
    port = held.getsockname()[1]
    path = os.pathsep.join((str(ROOT), str(ROOT / "layers")))
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "tocsin.local.serve", "functions.stream.app:app", str(port), "1"],
        env=os.environ
        | deployed.localstack.env
        | deployed.tables
        | {"TOCSIN_VALKEY_URL": valkey.url, "PYTHONPATH": path},
    )
    url = f"http://{LOOPBACK}:{port}"
    try:
        until(lambda: _answers(url), "the stream service is ready")
        yield url
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)
        held.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def _function(deployed: Deployed, name: str) -> str:
    """Return the deployed function's name, by the service that it says it is."""
    client = deployed.localstack.client("lambda")
    for function in client.list_functions()["Functions"]:
        variables = function.get("Environment", {}).get("Variables", {})
        if variables.get("POWERTOOLS_SERVICE_NAME") == name:
            return str(function["FunctionName"])
    raise AssertionError(f"no function {name}")


def _set(deployed: Deployed, function: str, **more: str) -> None:
    """Give a deployed function other variables than its template."""
    client = deployed.localstack.client("lambda")
    name = _function(deployed, function)
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=name, Environment={"Variables": variables | more}
    )
    client.get_waiter("function_updated_v2").wait(FunctionName=name)


def _publish_to(deployed: Deployed, valkey_url: str) -> None:
    """Tell the deployed fan-out where Valkey is: LocalStack has no ElastiCache to deploy."""
    _set(deployed, "fanout", TOCSIN_VALKEY_URL=valkey_url)


def _sealed(deployed: Deployed) -> int:
    """Return how many events that were sent are sealed; Tocsin's own tell of sessions."""
    admin = deployed.admin
    events = admin.exporting.events("acme", 0, admin.ledger.head("acme").seq)
    return sum(parse(each.entry)["source"] == "client" for each in events)


def test_what_is_posted_is_watched(deployed: Deployed, stream_url: str) -> None:
    with (
        httpx.Client(timeout=HANG_SECONDS) as client,
        connect_sse(
            client,
            "GET",
            f"{stream_url}/api/v1/events/stream?after=0",
            headers={"Authorization": f"Bearer {deployed.token}"},
        ) as source,
    ):
        messages = source.iter_sse()
        answer = deployed.post(json.loads((ROOT / "events" / "igris-batch.json").read_text()))
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == {"ingested": 2, "rejected": 0}
        told = (json.loads(message.data) for message in messages if message.data)
        seen = [next(told), next(told)]
    assert [event["seq"] for event in seen] == [1, 2]
    admin = deployed.admin
    assert verification.verify(admin.ledger, admin.journal, "acme").hash.hex() == seen[-1]["hash"]


def test_refusals_come_through_the_gateway(deployed: Deployed) -> None:
    assert deployed.post({"type": "tool_call"}).json() == {
        "error": "Validation failed",
        "details": [{"field": "toolName", "message": "Required"}],
    }
    assert deployed.post({}, Authorization="Bearer nope").status_code == 401


def test_opentelemetry_s_bytes_come_through_the_gateway(deployed: Deployed) -> None:
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(name="deployed")
    span.trace_id, span.span_id = b"\xff" * 16, b"\x80" * 8

    def export(body: bytes, token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        headers |= dict.fromkeys(("Accept", "Content-Type"), "application/x-protobuf")
        url = f"{deployed.api}/v1/traces"
        return httpx.post(url, headers=headers, content=body, timeout=HANG_SECONDS)

    answer = export(message.SerializeToString(), deployed.token)
    assert (answer.status_code, answer.content) == (200, b""), answer.content
    refused = export(b"\xff\xfe", deployed.token)
    assert refused.status_code == 400
    assert refused.content.startswith(b"\x08\x03\x12"), "a google.rpc.Status, not its base64"


def test_a_coding_agent_s_hook_is_decided_through_the_gateway(deployed: Deployed) -> None:
    sample = ROOT / "events" / "hooks" / "claude-code" / "pre-tool-use-bash.json"
    call = json.loads(sample.read_bytes()) | {"session_id": "ses_hooked"}

    def decided(command: str) -> Any:
        answer = httpx.post(
            f"{deployed.api}/v1/hooks/claude-code",
            headers={"Authorization": f"Bearer {deployed.token}"},
            json=call | {"tool_input": {"command": command}},
            timeout=HANG_SECONDS,
        )
        assert answer.status_code == 200, answer.text
        return answer.json().get("hookSpecificOutput", {}).get("permissionDecision")

    assert decided("npm test") is None, "the product's own permissions hold"
    assert decided("cat ~/.aws/credentials") == "deny"


def test_the_api_function_answers_through_the_gateway(deployed: Deployed) -> None:
    def get(path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {deployed.token}"}
        return httpx.get(deployed.api + path, headers=headers, timeout=HANG_SECONDS)

    assert get("/health").json() == {"status": "ok"}
    assert get("/ready").json() == {"status": "ok"}
    usage = get("/api/v1/usage").json()
    assert usage["quota"] == Org("acme").events_per_month == usage["used"] + usage["left"]
    assert get("/api/v1/nothing").json() == {"error": "there is nothing at this path"}
    assert get("/api/v1/usage?of=all").status_code == 400


def test_an_approval_is_asked_for_awaited_resolved_or_expires(
    deployed: Deployed, stream_url: str
) -> None:
    maria, key = mint("acme", frozenset({Scope.APPROVE}), "test", 1, person="maria@example.com")
    deployed.admin.keys.put(key)

    def call(method: str, url: str, token: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.request(method, url, headers=headers, json=body, timeout=HANG_SECONDS)
        assert answer.is_success, answer.text
        return answer.json()

    def ask(ttl: int) -> str:
        body = {"tool": "exec", "agent": "claude", "message": "may I?", "ttl": ttl}
        return str(call("POST", f"{deployed.api}/v1/approvals", deployed.token, body)["id"])

    def decision(id: str) -> Any:
        """Wait for it where nothing is written."""
        while True:
            url = f"{stream_url}/v1/approvals/{id}/decision?wait=55"
            if (found := call("GET", url, deployed.token))["status"] != "pending":
                return found

    id = ask(600)
    with ThreadPoolExecutor(1) as pool:
        awaited = pool.submit(decision, id)
        url = f"{deployed.api}/v1/approvals/{id}/resolve"
        assert call("POST", url, maria, {"approved": True})["status"] == "approved"
        assert awaited.result(HANG_SECONDS)["resolved_by"] == "maria@example.com"
    assert decision(ask(10))["status"] == "expired"  # by the queue and the expire function


def test_a_signed_link_is_opened_and_used_once(deployed: Deployed) -> None:
    maria = deployed.key(Scope.APPROVE)
    with Client(deployed.api, deployed.token) as agent, Client(deployed.api, maria) as people:
        asked = agent.ask("exec", "claude", "may I tidy?", ttl=600)
        made = people.approval_links(asked.id)
        assert made.approve_url.startswith(f"{PUBLIC_URL}/v1/approvals/{asked.id}/resolve?")
        url = made.approve_url.replace(PUBLIC_URL, deployed.api)
        assert "may I tidy?" in httpx.get(url, timeout=HANG_SECONDS).text
        used = [httpx.post(url, timeout=HANG_SECONDS).status_code for _ in range(2)]
        assert used == [200, 410]
        assert people.approval(asked.id).resolved_by == "signed-link"


def test_a_call_beyond_its_agent_s_budget_is_denied(deployed: Deployed) -> None:
    with (
        Client(deployed.api, deployed.token) as agent,
        Client(deployed.api, deployed.key(Scope.ADMIN)) as admin,
    ):
        assert admin.create_agent("spender").fields["last_seen_at"] is None
        made = admin.create_budget({"calls_per_day": 0}, agent_id="spender", action="block")
        call = {"agent": "spender", "session": "ses_spent", "params": {}}
        with pytest.raises(ApiError, match="403"):
            agent.call("POST", "/v1/tool/search", body=call)
        assert [(each.id, each.status) for each in admin.budgets()] == [(made.id, "triggered")]
        admin.remove_budget(made.id)
        assert [each.id for each in admin.agents()][-1] == "spender"


def test_a_sign_in_holds_two_orgs_of_which_one_is_active(deployed: Deployed) -> None:
    deployed.admin.tenants.create("beta")
    secure = {"X-Forwarded-Proto": "https"}
    with httpx.Client(base_url=deployed.api, timeout=HANG_SECONDS, headers=secure) as browser:

        def session(method: str, path: str = "", token: str = "", **body: Any) -> Any:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = browser.request(method, f"/api/v1/session{path}", headers=headers, json=body)
            for cookie in answer.headers.get_list("set-cookie"):
                browser.headers["Cookie"] = cookie.partition(";")[0]  # which is for https alone
            return answer.json() if answer.content else answer.status_code

        session("POST", token=deployed.token)
        both = session("POST", token=deployed.key(Scope.READ, "beta"), add=True)
        assert (both["org"], both["orgs"]) == ("beta", ["acme", "beta"])
        assert browser.get("/api/v1/sessions").json()["data"] == []  # of beta
        assert session("POST", "/org", org="acme")["org"] == "acme"
        assert session("GET")["org"] == "acme"
        assert session("DELETE") == 204
        assert browser.get("/api/v1/sessions").status_code == 401


def test_sessions_are_projected_from_the_ledger_s_stream(deployed: Deployed) -> None:
    deployed.post({"type": "custom", "toolName": "t", "sessionId": "ses_projected"})
    get = deployed.admin.projections.get
    until(lambda: bool(get("acme", "session", "ses_projected")), "the session is projected")
    assert (get("acme", "session", "ses_projected") or {})["events"] == 1


def test_queues_are_deployed_with_their_functions_and_dead_letters(deployed: Deployed) -> None:
    functions, sqs = (deployed.localstack.client(each) for each in ("lambda", "sqs"))
    found = {}
    for function in ("expire", "project", "deliver"):
        name = _function(deployed, function)
        for mapping in functions.list_event_source_mappings(FunctionName=name)[
            "EventSourceMappings"
        ]:
            queue = mapping["EventSourceArn"].rpartition(":")[2]
            if ":sqs:" in mapping["EventSourceArn"]:
                assert mapping["State"] == "Enabled"
                assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
                url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
                asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
                attributes = asked["Attributes"]
                redrive = json.loads(attributes["RedrivePolicy"])
                dead = redrive["deadLetterTargetArn"].rpartition(":")[2]
                assert sqs.get_queue_url(QueueName=dead)["QueueUrl"]
                kind = queue.removeprefix("tocsin-dev-data-").partition("Queue")[0]
                found[kind] = (function, int(attributes["VisibilityTimeout"]))
    assert found == {
        "Timers": ("expire", 180),
        "Tails": ("project", 360),
        "Wakes": ("deliver", 360),
        "SlowWakes": ("deliver", 360),
    }


def test_what_happens_is_posted_to_a_receiver(deployed: Deployed) -> None:
    """On this machine and in the clear, which no template allows: the functions are told so."""
    for function in ("api", "deliver"):
        _set(deployed, function, TOCSIN_LOOPBACK_RECEIVERS="true")
    headers = {"Authorization": f"Bearer {deployed.key(Scope.ADMIN)}"}
    with receiving(lambda _: Reply(204)) as receiver:

        def call(method: str, path: str, **body: Any) -> Any:
            url = f"{deployed.api}/api/v1/webhooks{path}"
            answer = httpx.request(method, url, headers=headers, json=body, timeout=HANG_SECONDS)
            assert answer.is_success, answer.text
            return answer.json()

        def posted(type: str) -> Received | None:
            came = list(receiver.received)
            return next((each for each in came if json.loads(each.body)["type"] == type), None)

        made = call("POST", "", url=receiver.url, types=["tool_call"])
        deployed.post({"type": "tool_call", "toolName": "search", "agentId": "claude"})
        until(lambda: posted("tool_call") is not None, "the event is posted")
        call("POST", f"/{made['id']}/test")
        until(lambda: posted("tocsin.endpoint_test") is not None, "and so is the test")
        for each in receiver.received:
            Webhook(made["secret"]).verify(each.body, dict(each.headers))
        first = receiver.received[0]
        assert (first.method, first.path) == ("POST", "/hook")
        told = json.loads(first.body)["data"]
        assert (told["tool_name"], told["agent_id"]) == ("search", "claude")
        until(
            lambda: len(call("GET", f"/{made['id']}/deliveries")["data"]) >= 2,
            "both are listed as delivered",
        )
        call("DELETE", f"/{made['id']}")


def test_what_is_unusual_is_told_on_the_stream(deployed: Deployed, stream_url: str) -> None:
    with (
        httpx.Client(timeout=HANG_SECONDS) as client,
        connect_sse(
            client,
            "GET",
            f"{stream_url}/api/v1/events/stream?types=anomaly&after=0",
            headers={"Authorization": f"Bearer {deployed.token}"},
        ) as source,
    ):
        deployed.post({"type": "tool_call", "toolName": "drop_table", "agentId": "claude"})
        told = next(each.data for each in source.iter_sse() if '"anomaly"' in each.data)
    assert '"destructive_pattern"' in told and '"claude"' in told


def _publish(deployed: Deployed, request: str, bucket: str) -> Any:
    """Run the publisher as CloudFormation would; return its answer.

    The free LocalStack has no custom resources, and its functions no boto3 but their layers'.
    """
    [manifest] = (deployed.cdk.workspace / "cdk.out").glob("*-dashboard.assets.json")
    [archive] = [
        destination
        for file in json.loads(manifest.read_bytes())["files"].values()
        if file["source"]["packaging"] == "zip"
        for destination in file["destinations"].values()
    ]
    account = deployed.localstack.client("sts").get_caller_identity()["Account"]
    archives = archive["bucketName"].replace("${AWS::AccountId}", account)
    properties = {"Bucket": bucket, "Archives": archives, "Archive": archive["objectKey"]}
    answers: list[Any] = []
    cfnresponse = SimpleNamespace(
        SUCCESS="SUCCESS", FAILED="FAILED", send=lambda *given, **_: answers.append(given[2:])
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployed.localstack.env.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        patch.setitem(cast("dict[str, Any]", sys.modules), "cfnresponse", cfnresponse)
        module = runpy.run_path(str(ROOT / "infra" / "dashboard" / "publish.py"))
        module["handler"]({"RequestType": request, "ResourceProperties": properties}, None)
    [answer] = answers
    return answer


def test_the_dashboard_is_put_into_its_bucket_which_is_empty_at_the_end(deployed: Deployed) -> None:
    [bucket] = _buckets(deployed.localstack)
    s3 = deployed.localstack.client("s3")
    files = assets.dashboard().files
    names = {str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()}
    assert _publish(deployed, "Create", bucket) == ("SUCCESS", {}, bucket)
    assert {each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]} == names
    for name in names:
        found = s3.get_object(Bucket=bucket, Key=name)
        assert found["Body"].read() == (files / name).read_bytes()
        assert found["ContentType"] == mimetypes.MimeTypes().guess_type(name)[0]
        kept = "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache"
        assert found["CacheControl"] == kept
    assert _publish(deployed, "Delete", bucket) == ("SUCCESS", {}, bucket)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.fixture(scope="module")
def signing_key(deployed: Deployed) -> Iterator[bytes]:
    """The public key by which the deployed function signs, at a KMS beside LocalStack's.

    That one makes no key of Ed25519: https://github.com/localstack/localstack/issues/13886
    """
    with dynamodb_server() as beside:
        kms = beside.kms()
        made = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_EDWARDS25519")
        key_id = made["KeyMetadata"]["KeyId"]
        _set(deployed, "checkpoint", AWS_ENDPOINT_URL_KMS=beside.url, TOCSIN_SIGNING_KEY=key_id)
        yield KmsSigner(kms, key_id).public_key


def test_a_checkpoint_is_made_and_an_event_is_proved_by_it(
    deployed: Deployed, signing_key: bytes, stream_url: str
) -> None:
    name = f"tocsin/{sha256(signing_key).hexdigest()[:16]}/acme"
    policy = Policy.read(str(Verifier(name, KeyType.ED25519, signing_key)).encode())
    headers = {"Authorization": f"Bearer {deployed.token}"}
    assert deployed.post({"type": "custom", "toolName": "signed"}).status_code == 200

    def get(path: str) -> httpx.Response:
        return httpx.get(f"{stream_url}/v1/log/{path}", headers=headers, timeout=HANG_SECONDS)

    def last() -> Any:
        """Return the last event of this tool, sealed."""
        admin = deployed.admin
        events = admin.exporting.events("acme", 0, admin.ledger.head("acme").seq)
        found = [each for each in events if parse(each.entry).get("tool_name") == "signed"]
        return found[-1] if found else None

    until(lambda: last() is not None, "the event is sealed")
    event = last()
    client = deployed.localstack.client("lambda")
    answer = client.invoke(FunctionName=_function(deployed, "checkpoint"), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    # The schedule may have been first: whoever signed, it is there.
    until(lambda: get(f"proof?seq={event.seq}").status_code == 200, "a checkpoint covers it")
    trusted = policy.check(get("checkpoint").content)
    assert trusted.checkpoint.size >= event.seq
    proof = Proof.read(get(f"proof?seq={event.seq}").content)
    assert proof.extra == event.entry
    assert proofs.verify(proof, chain.leaf(event.entry), policy).checkpoint.origin == name
    with pytest.raises(BadProof):
        proofs.verify(proof, chain.leaf(event.entry + b" "), policy)


def _logged(deployed: Deployed) -> str:
    logs = deployed.localstack.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    return "".join(
        event["message"]
        for group in groups
        for event in logs.filter_log_events(logGroupName=group)["events"]
    )


def test_a_transient_failure_is_tried_again(deployed: Deployed) -> None:
    """The ledger's name is wrong for a while, as if the table could not be reached."""
    client = deployed.localstack.client("lambda")
    name, before = _function(deployed, "fanout"), _sealed(deployed)
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    for ledger in ("gone", variables["TOCSIN_LEDGER_TABLE"]):
        client.update_function_configuration(
            FunctionName=name,
            Environment={"Variables": variables | {"TOCSIN_LEDGER_TABLE": ledger}},
        )
        client.get_waiter("function_updated_v2").wait(FunctionName=name)
        if ledger == "gone":
            assert deployed.post({"type": "custom", "toolName": "t"}).status_code == 200
            until(lambda: "ResourceNotFound" in _logged(deployed), "the fan-out fails")
            assert _sealed(deployed) == before
    until(lambda: _sealed(deployed) == before + 1, "and is tried again")


def test_a_poisoned_item_is_set_aside_and_the_rest_goes_on(deployed: Deployed) -> None:
    before = _sealed(deployed)
    deployed.localstack.client("dynamodb").put_item(
        TableName=deployed.outputs["JournalTable"],
        Item={"org": {"S": "acme"}, "batch": {"S": "poison"}, "entries": {"B": b"no frame"}},
    )
    assert deployed.post({"type": "custom", "toolName": "t"}).status_code == 200
    until(lambda: _sealed(deployed) == before + 1, "the event behind it is sealed")
    (item,) = deployed.admin.set_aside.all("acme")
    assert item.batch_id == "poison"


def test_deploying_again_changes_nothing(deployed: Deployed) -> None:
    before = {
        stack["StackName"]: stack.get("LastUpdatedTime")
        for stack in deployed.localstack.client("cloudformation").describe_stacks()["Stacks"]
    }
    deployed.cdk.deploy()
    after = {
        stack["StackName"]: stack.get("LastUpdatedTime")
        for stack in deployed.localstack.client("cloudformation").describe_stacks()["Stacks"]
    }
    assert after == before
