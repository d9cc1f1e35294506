"""Least privilege: what each role may do, word for word, and every wildcard with its reason."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pytest

from support.layers import run
from support.templates import Templates

SEALING = {"Query", "BatchGetItem", "PutItem", "UpdateItem"}
WRITING = {"PutItem", "UpdateItem", "DeleteItem"}
CONSUMING = {"DescribeStream", "GetRecords", "GetShardIterator"}
# What the adapters call for each function. A transaction needs its parts' actions alone.
ON_TABLES = {
    ("default", "api", "ApiRole"): {
        "Journal": {"PutItem"},
        "Ledger": {"BatchGetItem", "Query"},
        "State": {"GetItem", "BatchGetItem", "Query"},
        "State: approval#*, approval-call#*, approval-grant#*, approval-pending#*, "
        "approval-rule#*, budget#*, endpoint#*, pass-session#*, agent-state#*, anomaly#*, "
        "auth-failed#*, detection#*, key#*, policy#*, privacy#*, session-state#*": {"PutItem"},
        "State: approval-pending#*, approval-rule#*, budget#*, endpoint#*, pass-session#*": {
            "DeleteItem"
        },
        "State: budget-turn#*, hook-wait#*, notified, quota#*, rate#*, subject#*, suspended#*": {
            "UpdateItem"
        },
        "State: org, projected": {"ConditionCheckItem"},
    },
    ("default", "api", "IngestRole"): {
        "Journal": {"PutItem", "BatchGetItem"},
        "Ledger": {"Query", "BatchGetItem"},
        "State": {"GetItem", "BatchGetItem"},
        "State: receipt#*": {"PutItem"},
        "State: quota#*, subject#*": {"UpdateItem"},
    },
    ("default", "pipeline", "FanoutRole"): {
        "JournalStream": CONSUMING,
        "Ledger": SEALING,
        "State: set-aside#*": {"PutItem"},
        "State: org": {"GetItem"},
    },
    ("default", "pipeline", "ProjectRole"): {
        "LedgerStream": CONSUMING,
        "Journal": {"Query", "BatchGetItem", "PutItem"},
        "Ledger": {"Query", "BatchGetItem"},
        "State": {"GetItem", "BatchGetItem"},
        "State: budget#*, calls#*, key#*, summary#*": {"Query"},
        "State: budget#*, key#*, session-state#*, summary#*": {"PutItem"},
        "State: projected, session#*, agent#*, usage#*, day#*, day-*, spent#*, calls#*": {
            "UpdateItem"
        },
        "State: seen-session#*, seen-agent#*": {"UpdateItem", "DeleteItem"},
    },
    ("default", "pipeline", "DetectRole"): {
        "LedgerStream": CONSUMING,
        "Journal": {"Query", "BatchGetItem", "PutItem"},
        "Ledger": {"Query", "BatchGetItem"},
        "State": {"GetItem", "BatchGetItem"},
        "State: detected": {"Query"},
        "State: detected, detect#*, anomaly#*, session-state#*": {"PutItem"},
        "State: detect#*": {"DeleteItem"},
        "State: suspended#*": {"UpdateItem"},
    },
    ("default", "pipeline", "DeliverRole"): {
        "Journal": {"Query", "BatchGetItem", "PutItem"},
        "Ledger": {"Query", "BatchGetItem"},
        "State": {"GetItem", "BatchGetItem", "Query"},
        "State: approval#*, delivery#*, endpoint#*, given-up#*": {"PutItem"},
        "State: endpoint#*, notified": {"UpdateItem"},
        "State: approval-pending#*, endpoint#*": {"DeleteItem"},
    },
    ("default", "pipeline", "SweeperRole"): {
        "Journal": {"Query"},
        "Ledger": SEALING,
        "State": {"GetItem", "Query"},
        "State: set-aside#*": {"PutItem"},
        "State: sweep": {"PutItem"},
    },
    ("default", "pipeline", "CheckpointRole"): {
        "Journal": {"PutItem"},
        "Ledger": {"Query"},
        "State: org, tree#*, checkpoint#*, endpoint#*": {"Query"},
        "State: tree#*": {"GetItem"},
        "State: tree#*, checkpoint#*": {"PutItem"},
    },
    ("default", "pipeline", "ExpireRole"): {
        "Journal": {"PutItem"},
        "State": {"GetItem", "BatchGetItem", "Query"},
        "State: approval#*": {"PutItem"},
        "State: approval-pending#*": {"DeleteItem"},
    },
    ("default", "stream-fargate", "StreamTaskTaskRole"): {
        "Journal": {"Query", "BatchGetItem"},
        "Ledger": {"Query", "BatchGetItem"},
        "State": {"GetItem", "BatchGetItem"},
        "State: summary#*, tree#*, checkpoint#*": {"Query"},
        "State: pass-ticket#*": {"PutItem", "DeleteItem"},
    },
    ("small", "stream-lambda", "StreamFunctionRole"): {
        "Journal": {"Query", "BatchGetItem"},
        "Ledger": {"Query", "BatchGetItem"},
        "State": {"GetItem", "BatchGetItem"},
        "State: summary#*, tree#*, checkpoint#*": {"Query"},
        "State: pass-ticket#*": {"PutItem", "DeleteItem"},
    },
}

TAKE = {f"sqs:{action}" for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
SEND = {"sqs:SendMessage"}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
VPC = {"CreateNetworkInterface", "DeleteNetworkInterface", "DescribeNetworkInterfaces"}
VPC |= {"DescribeSubnets", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"}
SIGN = {"kms:Sign", "kms:GetPublicKey"}
ENTER = {"elasticache:Connect"} | {f"ec2:{action}" for action in VPC}
PULL = {"GetAuthorizationToken", "BatchCheckLayerAvailability", "BatchGetImage"}
PULL |= {"GetDownloadUrlForLayer"}
PUSH = {"CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart"}
ARCHIVE = {"s3:PutObject", "s3:PutObjectLegalHold", "s3:GetObject", "s3:ListBucket"}
PUBLISH = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"}
# Every role there is, and what it may do beside tables.
ELSEWHERE = {
    "default": {
        "ApiRole": LOG | TRACE | SEND,
        "IngestRole": LOG | TRACE,
        "FanoutRole": LOG | TRACE | ENTER,
        "SweeperRole": LOG | TRACE | ENTER,
        "ProjectRole": LOG | TRACE | TAKE | SEND,
        "DetectRole": LOG | TRACE,
        "CheckpointRole": LOG | TRACE | SIGN,
        "ExpireRole": LOG | TRACE | TAKE | SEND,
        "DeliverRole": LOG | TRACE | TAKE | SEND,
        "DashboardPublisherRole": LOG | PUBLISH,
        "StreamTaskTaskRole": {"elasticache:Connect"},
        "StreamTaskExecutionRole": LOG | {f"ecr:{action}" for action in PULL},
        "StreamImageProjectRole": LOG
        | {f"ecr:{action}" for action in PULL | PUSH}
        | {"s3:GetObject", "s3:GetObjectVersion", "s3:GetBucketAcl", "s3:GetBucketLocation"},
        "StreamImageBuilderRole": LOG
        | {"ecr:DescribeImages", "codebuild:StartBuild", "codebuild:BatchGetBuilds"},
    },
    "small": {
        "ApiRole": LOG | SEND,
        "IngestRole": LOG,
        "FanoutRole": LOG,
        "SweeperRole": LOG,
        "ProjectRole": LOG | TAKE | SEND,
        "DetectRole": LOG,
        "CheckpointRole": LOG | SIGN | ARCHIVE,
        "ExpireRole": LOG | TAKE | SEND,
        "DeliverRole": LOG | TAKE | SEND,
        "DashboardPublisherRole": LOG | PUBLISH,
        "StreamFunctionRole": LOG,
    },
}

# Why a resource can't be named.
WILDCARDS = {
    "xray:PutTraceSegments": "X-Ray has no resources",
    "xray:PutTelemetryRecords": "X-Ray has no resources",
    "ec2:CreateNetworkInterface": "how Lambda enters a VPC",
    "ec2:DeleteNetworkInterface": "how Lambda enters a VPC",
    "ec2:DescribeNetworkInterfaces": "how Lambda enters a VPC",
    "ec2:DescribeSubnets": "how Lambda enters a VPC",
    "ec2:AssignPrivateIpAddresses": "how Lambda enters a VPC",
    "ec2:UnassignPrivateIpAddresses": "how Lambda enters a VPC",
    "dynamodb:ListStreams": "lists, by name alone; the mapping needs it",
    "ecr:GetAuthorizationToken": "the token is the account's",
    "s3:PutObjectLegalHold": "what a legal hold keeps has a path for each of its parts",
    "s3:PutObject": "all files of the dashboard's own bucket, of those for exports, and of the "
    "archive",
    "s3:GetObject": "of the archive what was signed last of each log",
    "s3:DeleteObject": "all files of the dashboard's own bucket",
    "ses:SendEmail": "from one address; which identities count depends on the receivers",
    "ses:SendRawEmail": "from one address; which identities count depends on the receivers",
}


@pytest.mark.parametrize("role", ON_TABLES, ids=lambda role: role[2])
def test_a_role_may_do_on_tables_what_its_adapters_do(
    request: pytest.FixtureRequest, role: tuple[str, str, str]
) -> None:
    fixture, part, prefix = role
    granted: dict[str, set[str]] = {}
    for statement in _allowed(request.getfixturevalue(fixture), part, prefix):
        actions = _list(statement["Action"])
        for resource in _list(statement["Resource"]):
            text = json.dumps(resource)
            for table in ("Journal", "Ledger", "State"):
                if f"Tables{table}" in text:
                    only = _only(statement.get("Condition"))
                    name = table + ("Stream" if "StreamArn" in text else "") + only
                    granted.setdefault(name, set()).update(
                        action.removeprefix("dynamodb:") for action in actions
                    )
    assert granted == ON_TABLES[role]


def test_what_the_stream_service_may_write_is_what_its_adapter_writes() -> None:
    code = """
from tocsin.adapters.dynamodb.passes import partition
from tocsin.domain.passes import Kind
print(partition(Kind.TICKET, "*"))
"""
    partition = run(code, lock="functions", environment={}).strip()
    assert f"State: {partition}" in ON_TABLES["default", "stream-fargate", "StreamTaskTaskRole"]


def test_what_the_api_may_write_is_where_its_adapters_write() -> None:
    code = """
from tocsin.adapters.dynamodb.approvals import PARTITIONS
from tocsin.adapters.dynamodb.passes import partition
from tocsin.domain.passes import Kind
print(*(f"{each}*" for each in PARTITIONS), partition(Kind.SIGN_IN, "*"))
"""
    partitions = set(run(code, lock="functions", environment={}).split()) | {
        "agent-state#*",
        "anomaly#*",
        "budget#*",
        "auth-failed#*",
        "detection#*",
        "endpoint#*",
        "key#*",
        "policy#*",
        "privacy#*",
        "session-state#*",
    }
    granted = [
        set(name.removeprefix("State: ").split(", "))
        for name, actions in ON_TABLES["default", "api", "ApiRole"].items()
        if actions == {"PutItem"} and name.startswith("State")
    ]
    assert granted == [partitions]


# What is done in the state table, written down by a client that finds and does nothing.
WRITTEN = """
import json
from unittest.mock import MagicMock
from tocsin.adapters.dynamodb.{module} import {adapter}
from tocsin.domain.projection import INDEXES, KINDS, Change, Projected
from tocsin.domain.subjects import KeptSubject, SubjectKey

class Client:
    meta = MagicMock()

    def __getattr__(self, name):
        def call(**request):
            for action, key in keys(name, request):
                calls.append([action, key["pk"]["S"]])
            if "UpdateExpression" in request and "secret" in request["UpdateExpression"]:
                return {{"Attributes": secret}}
            return {{"Attributes": {{"used": {{"N": "1"}}}}, "Responses": {{}}, "Items": []}}
        return call

def keys(name, request):
    if name == "query":
        return [(name, {{"pk": request["ExpressionAttributeValues"][":pk"]}})]
    if name == "batch_get_item":
        return [(name, key) for key in request["RequestItems"]["state"]["Keys"]]
    if name == "transact_write_items":  # each part is allowed by its own action and key
        parts = [part for item in request["TransactItems"] for part in item.items()]
        return [
            (action + "Item", asked.get("Key") or asked["Item"])
            for action, asked in parts
            if asked["TableName"] == "state"
        ]
    return [(name, request.get("Key") or request["Item"])]

calls, secret = [], {{}}
adapter = {adapter}(Client(), "state", *{beside})
{does}
print(json.dumps(calls))
"""
RECEIPT = """
adapter.put(MagicMock(org="acme", key="k"), 3)
adapter.find("acme", "k", 3)
adapter.find_all("acme", ["k"], 3)
"""
ASIDE = 'adapter.add(MagicMock(org="acme", batch_id="b"))'
PROJECTING = """
nothing = Projected()
adapter.claim("acme", nothing, nothing)
adapter.advance("acme", nothing)
for kind in KINDS:
    adapter.apply("acme", nothing, Change(kind, "id", 1, "t", 1, "t", {"events": 1}))
for kind in INDEXES:
    adapter.apply("acme", nothing, Change(kind, "id", 1, "t", place="b", left="a"))
"""
READING = """
adapter.cursor("acme")
adapter.get("acme", "session", "s")
adapter.items("acme", [(kind, "id") for kind in KINDS], 0)
list(adapter.calls("acme", "z", 0))
"""
WAITING = """
adapter.take("acme", 1, 1, 2)
adapter.leave("acme", "0 holder")
"""
SUMMARISING = """
adapter.put("acme", 1, 2, b"")
adapter.set_made("acme", MagicMock(stretches=1, hash=b"", version=1))
"""

GROWING = """
from tocsin.domain.merkle import Node
from tocsin.domain.tree import Checkpoint, LogKey, Tree
tree = Tree.empty("acme", "tocsin/a/acme")
adapter.get("acme")
adapter.grow(None, tree, [Node(8, 0, bytes(32))])
adapter.sign(tree, tree, Checkpoint(0, "note", 1), [LogKey("key", 0, 1)])
adapter.keys("acme")
adapter.nodes("acme", 8, 0, 2)
list(adapter.checkpoints("acme", 0, 7))
"""
GIVING = """
secret |= {"secret": {"B": bytes(64)}, "secret_id": {"S": SubjectKey(bytes(64)).id}}
adapter.find("acme", ["u"])
adapter.give("acme", "u", SubjectKey(bytes(64)))
"""
ERASING = """
was = KeptSubject(org="acme", user="u", key=SubjectKey(bytes(64)))
adapter.find("acme", ["u"])
adapter.erase(was, was, MagicMock(), b"")
"""
PROVING = """
adapter.keys("acme")
adapter.checkpoint("acme")
adapter.checkpoint("acme", 7)
adapter.nodes("acme", 8, 0, 2)
"""


@pytest.mark.parametrize(
    ("role", "module", "adapter", "does"),
    [
        ("IngestRole", "receipts", "DynamoReceipts", RECEIPT),
        ("IngestRole", "quota", "DynamoQuota", 'adapter.reserve("acme", "2026-11", 1, 9)'),
        ("IngestRole", "quota", "DynamoQuota", 'adapter.release("acme", "2026-11", 1)'),
        ("FanoutRole", "set_aside", "DynamoSetAside", ASIDE),
        ("SweeperRole", "set_aside", "DynamoSetAside", ASIDE),
        ("SweeperRole", "orgs", "DynamoOrgs", 'adapter.set_swept_until("acme", "b")'),
        ("IngestRole", "privacy", "DynamoPrivacySettings", 'adapter.get("acme")'),
        ("ProjectRole", "projections", "DynamoProjections", PROJECTING),
        ("ProjectRole", "projections", "DynamoProjections", READING),
        ("ApiRole", "places", "DynamoPlaces", WAITING),
        ("IngestRole", "subjects", "DynamoSubjects", GIVING),
        ("ApiRole", "subjects", "DynamoSubjects", GIVING),
        ("ApiRole", "subjects", "DynamoSubjects", ERASING),
        ("DetectRole", "subjects", "DynamoSubjects", 'adapter.find("acme", ["u"])'),
        ("DeliverRole", "subjects", "DynamoSubjects", 'adapter.find("acme", ["u"])'),
        ("StreamTaskTaskRole", "subjects", "DynamoSubjects", 'adapter.find("acme", ["u"])'),
        ("StreamFunctionRole", "subjects", "DynamoSubjects", 'adapter.find("acme", ["u"])'),
        ("ProjectRole", "summaries", "DynamoSummaries", SUMMARISING),
        ("CheckpointRole", "orgs", "DynamoOrgs", "adapter.all()"),
        ("CheckpointRole", "trees", "DynamoTrees", GROWING),
        ("CheckpointRole", "endpoints", "DynamoEndpoints", 'adapter.all("acme")'),
        ("StreamTaskTaskRole", "trees", "DynamoTrees", PROVING),
        ("StreamFunctionRole", "trees", "DynamoTrees", PROVING),
    ],
)
def test_what_a_role_may_do_in_the_state_table_is_what_its_adapters_do(
    role: str, module: str, adapter: str, does: str
) -> None:
    journaled = ("endpoints", "privacy", "receipts", "subjects", "trees")
    journal = 'MagicMock(put_request=lambda *_: {"TableName": "journal"})'
    beside = f"[{journal}]" if module in journaled else "[]"
    code = WRITTEN.format(module=module, adapter=adapter, beside=beside, does=does)
    calls = json.loads(run(code, lock="functions", environment={}))
    assert calls
    [grants] = [each for (_, _, name), each in ON_TABLES.items() if name == role]
    for method, partition in calls:
        action = method if method[0].isupper() else method.title().replace("_", "")
        granted = [
            kind
            for name, actions in grants.items()
            if name.partition(":")[0] == "State" and action in actions
            for kind in (name.removeprefix("State: ").split(", ") if ":" in name else ["*"])
        ]
        assert [kind for kind in granted if fnmatch(partition, kind)], (action, partition)


def test_what_the_expire_function_may_write_is_what_its_steps_write() -> None:
    """A transaction's parts are each allowed by their own action and key."""
    written = json.loads(run(EXPIRED, lock="functions", environment={}))
    assert {action for action, _ in written} == {"PutItem", "DeleteItem"}
    grants = ON_TABLES["default", "pipeline", "ExpireRole"]
    for action, partition in written:
        assert action in grants["State: " + partition.replace("acme", "*")], partition


EXPIRED = """
import json
from unittest.mock import MagicMock
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.domain.approvals import Approval, Call, Expiry
from tocsin.services.approvals.expiring import Expiring
from tocsin.services.approvals.steps import Steps

class Store(DynamoApprovals):
    def get(self, org, ids):
        return {"apr_1": approval}

def transact(TransactItems):
    for item in TransactItems:
        [(action, asked)] = item.items()
        if asked["TableName"] == "state":
            key = asked.get("Key") or asked["Item"]
            written.append([action + "Item", key["pk"]["S"]])

written = []
client = MagicMock(transact_write_items=transact)
journal = MagicMock(put_request=lambda *_: {"TableName": "journal"})
call = Call(tool="t", agent="a", owner="o")
approval = Approval(org="acme", id="apr_1", call=call, digest=b"", rule_digest=b"", key_id="k",
                    created_at_ms=0, expires_at_ms=100, change="c", on_expiry=Expiry.ESCALATE)
for now_ms in (60, 100):
    clock = MagicMock(now_ms=lambda: now_ms)
    Expiring(Steps(Store(client, "state", journal), clock), MagicMock()).look("acme", "apr_1")
print(json.dumps(written))
"""


def test_what_the_detect_function_may_write_is_what_it_writes() -> None:
    written = json.loads(run(DETECTED, lock="functions", environment={}))
    assert {action for action, _ in written} == {"PutItem", "UpdateItem", "DeleteItem"}
    grants = ON_TABLES["default", "pipeline", "DetectRole"]
    for action, partition in written:
        [kinds] = [
            kinds for kinds, actions in grants.items() if actions == {action} and "#" in kinds
        ]
        assert partition.replace("acme", "*") in kinds.removeprefix("State: ").split(", ")
    partitions = {partition for _, partition in written}
    assert {"detected", "detect#acme", "anomaly#acme", "suspended#acme"} <= partitions


DETECTED = """
import json
from unittest.mock import MagicMock
from tocsin.adapters.dynamodb.detections import DynamoDetections
from tocsin.adapters.dynamodb.sessions import DynamoSessionStates
from tocsin.domain.detect.anomaly import Anomaly
from tocsin.domain.detect.cursor import Cursor
from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.kinds import Kind, Severity
from tocsin.domain.ids import new_batch_id
from tocsin.domain.sessions import SessionState, SessionStatus

def transact(TransactItems):
    for item in TransactItems:
        [(action, asked)] = item.items()
        if asked["TableName"] == "state":
            key = asked.get("Key") or asked["Item"]
            written.append([action + "Item", key["pk"]["S"]])

written = []
client = MagicMock(
    transact_write_items=transact,
    put_item=lambda Item, **_: written.append(["PutItem", Item["pk"]["S"]]),
    delete_item=lambda Key, **_: written.append(["DeleteItem", Key["pk"]["S"]]),
)
journal = MagicMock(put_request=lambda *_: {"TableName": "journal"})
change = new_batch_id(1_774_000_000_000, bytes(10))
anomaly = Anomaly(org="acme", id="evt_1", kind=Kind.SILENCE, severity=Severity.WARNING,
                  subject=Subject("agent", "a"), at_ms=1, change=change)
detections = DynamoDetections(client, "state", journal)
now = Cursor(1, b"h", b"s", 0, change)
detections.put("acme", "01-a", b"s", 1)
detections.drop("acme", ["01-b"])
detections.advance("acme", Cursor(), now, (MagicMock(), b""), [anomaly])
session = SessionState(org="acme", id="s", status=SessionStatus.SUSPENDED, change=change)
DynamoSessionStates(client, "state", journal).write(session, "", MagicMock(), b"")
print(json.dumps(written))
"""


def test_what_the_deliver_function_may_write_is_what_its_adapters_write() -> None:
    """Also where it pauses an endpoint, and where it finds the links' approval to be overdue."""
    written = json.loads(run(DELIVERED, lock="deliver", environment={}))
    grants = ON_TABLES["default", "pipeline", "DeliverRole"]
    used = set()
    for action, partition in written:
        [kinds] = [
            kinds
            for kinds, actions in grants.items()
            if kinds.startswith("State: ") and action in actions
        ]
        [kind] = [
            kind for kind in kinds.removeprefix("State: ").split(", ") if fnmatch(partition, kind)
        ]
        used.add((action, kind))
    assert used == {
        (action, kind)
        for kinds, actions in grants.items()
        for action in actions
        for kind in kinds.removeprefix("State: ").split(", ")
        if kinds.startswith("State: ")
    }


DELIVERED = """
import json
from dataclasses import replace
from unittest.mock import MagicMock
from tocsin.adapters.dynamodb.approvals import DynamoApprovals
from tocsin.adapters.dynamodb.deliveries import DynamoDeliveries
from tocsin.adapters.dynamodb.endpoints import DynamoEndpoints
from tocsin.domain.approvals import Approval, Call, Status, Step
from tocsin.domain.deliveries import Attempt, Outcome, Progress, Replay
from tocsin.domain.endpoints import Endpoint, Status as Active

class Client:
    meta = MagicMock()

    def transact_write_items(self, TransactItems, **_):
        for item in TransactItems:
            [(action, asked)] = item.items()
            if asked["TableName"] == "state":
                key = asked.get("Key") or asked["Item"]
                written.append([action + "Item", key["pk"]["S"]])

    def __getattr__(self, name):
        def call(**request):
            key = request.get("Key") or request["Item"]
            written.append([name.replace("_", " ").title().replace(" ", ""), key["pk"]["S"]])
            return {"Attributes": {}}
        return call

written = []
client, journal = Client(), MagicMock(put_request=lambda *_: {"TableName": "journal"})
batch = MagicMock(org="acme")
endpoints = DynamoEndpoints(client, "state", journal)
endpoint = Endpoint(org="acme", id="ep_1", url="https://a.example", change="b")
endpoints.save("acme", "ep_1", "a", Progress(through_seq=1, change="b"))
endpoints.save_replay("acme", "ep_1", Replay("r", 1, 2))
endpoints.drop_replay("acme", "ep_1", "r")
endpoints.write(replace(endpoint, status=Active.PAUSED), "a", batch, b"")
attempt = Attempt(1, 1, "evt_1", "tool_call", 10, 1, Outcome.FAILED, 500, 1, given_up=True)
DynamoDeliveries(client, "state").put("acme", "ep_1", [attempt], 1)
call = Call(tool="t", agent="a", owner="o")
approval = Approval(org="acme", id="apr_1", call=call, digest=b"", rule_digest=b"", key_id="k",
                    created_at_ms=0, expires_at_ms=100, change="c")
approvals = DynamoApprovals(client, "state", journal)
for now in (approval, replace(approval, status=Status.EXPIRED)):
    approvals.write("acme", Step(approvals=(now,), was={"apr_1": "b"}), batch, b"")
print(json.dumps(written))
"""


def test_nobody_may_write_an_org_nor_a_key_but_who_issues_them_or_ends_them() -> None:
    may = [("ApiRole", {"PutItem"}), ("ProjectRole", {"PutItem"})]
    for (_, _, role), grants in ON_TABLES.items():
        for name, actions in grants.items():
            if actions & WRITING and name.startswith("State"):
                kinds = name.removeprefix("State: ").split(", ")
                assert name != "State", role
                keys = [kind for kind in kinds if fnmatch("key#acme", kind)]
                assert not keys or (role, actions) in may
                assert not [kind for kind in kinds if fnmatch("org", kind)], role


@pytest.mark.parametrize("fixture", ELSEWHERE)
def test_a_role_may_do_nothing_else(request: pytest.FixtureRequest, fixture: str) -> None:
    templates = request.getfixturevalue(fixture)
    granted: dict[str, set[str]] = {}
    for part in templates.by_part:
        for role in templates.of(part, "AWS::IAM::Role"):
            granted[role[:-8]] = {  # without CDK's hash
                action
                for actions, _ in _statements(templates, part, role)
                for action in actions
                if not action.startswith("dynamodb:")
            }
    assert granted == ELSEWHERE[fixture]


@pytest.mark.parametrize("fixture", ["default", "small", "telling", "localstack"])
def test_every_wildcard_has_a_reason(request: pytest.FixtureRequest, fixture: str) -> None:
    templates = request.getfixturevalue(fixture)
    for part in templates.by_part:
        for actions, resources in _statements(templates, part):
            assert not [action for action in actions if "*" in action]
            if any(_wild(resource) for resource in resources):
                assert set(actions) <= set(WILDCARDS), (part, actions)


def test_no_reason_is_left_over(default: Templates, small: Templates, telling: Templates) -> None:
    used = {
        action
        for templates in (default, small, telling)
        for part in templates.by_part
        for actions, resources in _statements(templates, part)
        for action in actions
        if any(_wild(resource) for resource in resources)
    }
    assert used == set(WILDCARDS)


def test_no_managed_policy_grants_more(default: Templates, small: Templates) -> None:
    for templates in (default, small):
        for _, id, resource in templates.everything():
            assert "ManagedPolicyArns" not in resource.get("Properties", {}), id


@pytest.mark.parametrize(
    ("part", "prefix", "user"),
    [
        ("pipeline", "FanoutRole", "publisher"),
        ("pipeline", "SweeperRole", "publisher"),
        ("stream-fargate", "StreamTaskTaskRole", "subscriber"),
    ],
)
def test_valkey_is_entered_as_one_user(
    default: Templates, part: str, prefix: str, user: str
) -> None:
    [connect] = [
        resources
        for actions, resources in _statements(default, part, prefix)
        if actions == ["elasticache:Connect"]
    ]
    assert len(connect) == 2  # the cache, the user
    assert f":user:tocsin-dev-{user}" in json.dumps(connect)


def test_the_publisher_writes_its_own_bucket_and_reads_one_archive(default: Templates) -> None:
    on = {
        action: json.dumps(resource)
        for actions, [resource] in _statements(default, "dashboard", "DashboardPublisherRole")
        for action in actions
    }
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:ListBucket"):
        assert "DashboardBucket" in on[action]
    assert ".zip" in on["s3:GetObject"]
    assert "*" not in on["s3:GetObject"]


ON_QUEUES = {
    ("api", "ApiRole"): {"Timers": SEND},
    ("pipeline", "ExpireRole"): {"Timers": SEND | TAKE},
    ("pipeline", "ProjectRole"): {"Wakes": SEND, "Tails": SEND | TAKE},
    ("pipeline", "DeliverRole"): {"Wakes": SEND | TAKE, "SlowWakes": SEND | TAKE},
}


def test_a_role_may_do_on_queues_what_its_adapters_do(default: Templates) -> None:
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for part in default.by_part:
        for role in default.of(part, "AWS::IAM::Role"):
            for actions, resources in _statements(default, part, role):
                of_queues = {each for each in actions if each.startswith("sqs:")}
                for resource in resources if of_queues else []:
                    [queue] = re.findall("FnGetAtt([A-Za-z]+)Queue", json.dumps(resource))
                    on = found.setdefault((part, role[:-8]), {})
                    on.setdefault(queue, set()).update(of_queues)
    assert found == ON_QUEUES


def test_mail_is_sent_from_one_address_and_exports_go_to_named_buckets_of_the_account(
    telling: Templates, default: Templates
) -> None:
    """What else its role may do is as without; a message that is whole is allowed as a raw one.

    https://github.com/anymail/django-anymail/issues/384
    """
    more = [
        each
        for each in _allowed(telling, "pipeline", "DeliverRole")
        if each not in _allowed(default, "pipeline", "DeliverRole")
    ]
    partition, account = {"Ref": "AWS::Partition"}, {"Ref": "AWS::AccountId"}

    def arn(*parts: Any) -> dict[str, Any]:
        return {"Fn::Join": ["", ["arn:", partition, *parts]]}

    kinds = ("identity", "configuration-set")
    assert more == [
        {
            "Effect": "Allow",
            "Action": ["ses:SendEmail", "ses:SendRawEmail"],
            "Resource": [arn(":ses:us-east-1:", account, f":{kind}/*") for kind in kinds],
            "Condition": {"StringEquals": {"ses:FromAddress": "tocsin@example.com"}},
        },
        {
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": [arn(f":s3:::{bucket}/*") for bucket in ("acme-events", "acme-audit")],
            "Condition": {"StringEquals": {"s3:ResourceAccount": account}},
        },
    ]
    for templates in (telling, default):
        everything = json.dumps(templates.by_part)
        assert ("ses:Send" in everything) is (templates is telling)


def test_what_a_tree_holds_and_who_signs_it_is_the_checkpoint_functions_alone() -> None:
    """Of all roles: who could write both could sign another past than there was."""
    for (_, _, role), grants in ON_TABLES.items():
        for name, actions in grants.items():
            if actions & WRITING and name.startswith("State"):
                kinds = name.removeprefix("State: ").split(", ")
                for partition in ("tree#acme", "checkpoint#acme"):
                    allowed = [kind for kind in kinds if fnmatch(partition, kind)]
                    assert not allowed or role == "CheckpointRole", (role, name)
    for roles in ELSEWHERE.values():
        assert [role for role, actions in roles.items() if actions & SIGN] == ["CheckpointRole"]


@pytest.mark.parametrize("fixture", ELSEWHERE)
def test_the_key_signs_in_one_way_for_one_role(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    templates = request.getfixturevalue(fixture)
    found = [
        each
        for each in _allowed(templates, "pipeline", "CheckpointRole")
        if "kms:" in json.dumps(each["Action"])
    ]
    [key] = templates.of("data", "AWS::KMS::Key")
    [arn] = [
        output["Export"]["Name"]
        for output in templates.by_part["data"]["Outputs"].values()
        if output["Value"] == {"Fn::GetAtt": [key, "Arn"]} and "Export" in output
    ]
    common = {"Effect": "Allow", "Resource": {"Fn::ImportValue": arn}}
    algorithm = {"StringEquals": {"kms:SigningAlgorithm": "ED25519_SHA_512"}}
    assert found == [
        {**common, "Action": "kms:Sign", "Condition": algorithm},
        {**common, "Action": "kms:GetPublicKey"},
    ]
    asked = json.loads(run(SIGNED, lock="deliver", environment={}))
    assert asked["SigningAlgorithm"] == "ED25519_SHA_512"


def test_other_keys_sign_in_the_same_way_and_an_archive_is_added_to(telling: Templates) -> None:
    """The environment's own key, which does not sign then, is kept and exported all the same."""
    function = telling.one("pipeline", "AWS::Lambda::Function", "Checkpoint")
    variables = function["Environment"]["Variables"]
    keys = variables["TOCSIN_SIGNING_KEY"].split()
    assert len(keys) == 2
    assert variables["TOCSIN_ARCHIVE"] == "acme-evidence"
    found = {
        str(each["Action"]): (each["Resource"], each.get("Condition"))
        for each in _allowed(telling, "pipeline", "CheckpointRole")
        if re.match("kms|s3", str(each["Action"]))
    }

    def under(path: str) -> dict[str, Any]:
        bucket = f":s3:::acme-evidence{path}"
        return {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, bucket]]}

    algorithms = ["ED25519_SHA_512", "ML_DSA_SHAKE_256"]
    account = {"StringEquals": {"s3:ResourceAccount": {"Ref": "AWS::AccountId"}}}
    assert found == {
        "kms:Sign": (keys, {"StringEquals": {"kms:SigningAlgorithm": algorithms}}),
        "kms:GetPublicKey": (keys, None),
        "s3:PutObject": (under("/*"), account),
        "s3:PutObjectLegalHold": (
            under("/tocsin/*/entries/*"),
            {"StringEquals": account["StringEquals"] | {"s3:object-lock-legal-hold": "ON"}},
        ),
        "s3:GetObject": (under("/tocsin/*/checkpoint"), account),
        "s3:ListBucket": (under(""), {**account, "StringLike": {"s3:prefix": "tocsin/*"}}),
    }
    assert telling.one("data", "AWS::KMS::Key")


SIGNED = """
import json
from unittest.mock import MagicMock
from tocsin.adapters import kms
client = MagicMock()
public = bytes.fromhex("302a300506032b6570032100") + bytes(32)
client.get_public_key.return_value = {"PublicKey": public}
kms.KmsSigner(client, "key").sign(b"")
print(json.dumps(client.sign.call_args.kwargs, default=repr))
"""


def test_the_account_decides_who_uses_the_key_and_can_not_lose_it(default: Templates) -> None:
    """The default policy, without which no IAM policy counts, not even the root user's.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    [statement] = default.one("data", "AWS::KMS::Key")["KeyPolicy"]["Statement"]
    root = ["arn:", {"Ref": "AWS::Partition"}, ":iam::", {"Ref": "AWS::AccountId"}, ":root"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"AWS": {"Fn::Join": ["", root]}},
        "Action": "kms:*",
        "Resource": "*",  # of a key's own policy: the key
    }


def test_the_apis_functions_do_not_know_valkey(default: Templates) -> None:
    assert "elasticache" not in json.dumps(default.by_part["api"])


def _statements(
    templates: Any, part: str, prefix: str = ""
) -> Iterator[tuple[list[str], list[Any]]]:
    """Yield actions and resources of what is allowed by the policies of the roles so named."""
    for statement in _allowed(templates, part, prefix):
        yield _list(statement["Action"]), _list(statement["Resource"])


def _allowed(templates: Any, part: str, prefix: str) -> Iterator[dict[str, Any]]:
    for resource in templates.of(part, "AWS::IAM::Policy").values():
        roles = [role["Ref"] for role in resource["Properties"]["Roles"]]
        if any(role.startswith(prefix) for role in roles):
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Allow":
                    yield statement


def _only(condition: Any) -> str:
    """Name the items of a table to which a statement is confined, by their partition keys."""
    if condition is None:
        return ""
    [(operator, [(key, values)])] = [(each, conds.items()) for each, conds in condition.items()]
    assert (operator, key) == ("ForAllValues:StringLike", "dynamodb:LeadingKeys")
    return ": " + ", ".join(values)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _wild(resource: Any) -> bool:
    return "*" in json.dumps(resource)
