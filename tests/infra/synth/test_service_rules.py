"""Rules that only the services enforce, half-way through a deployment.

cfn-lint (``test_rules.py``) knows the schemas: types, patterns and most ranges. What is here they
don't say; each rule names the page that does. Names are tried at their longest.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from infra.config import Config
from support.templates import Synthesize, Templates

LONGEST = "a" + 5 * "-bc"  # sixteen characters, as many as an environment's name may have
QUEUES = ("Timers", "Wakes", "SlowWakes", "Tails")
ORIGINS = tuple(f"https://dashboard-{number:02}.example.com" for number in range(40))


@pytest.fixture(scope="module")
def long(synthesize: Synthesize) -> Templates:
    """Everything that is switched on, under the longest names and lists."""
    return synthesize(
        environment=LONGEST,
        tracing=True,
        allowed_origins=ORIGINS,
        stream_options={"max_streams_per_org": "100"},
        alarm_email="ops@example.com",
        public_url=f"https://{'a' * 249}.com",
        batch_window_seconds=10,
        mail_from=f"tocsin@{'a' * 243}.com",
        export_buckets=tuple(f"{number}{'b' * 62}" for number in range(4)),
    )


@pytest.fixture(scope="module")
def long_lambda(synthesize: Synthesize) -> Templates:
    return synthesize(
        environment=LONGEST, preset="try", tracing=True, allowed_origins=ORIGINS, bus="valkey"
    )


@pytest.fixture(params=["long", "long_lambda", "default", "small"])
def templates(request: pytest.FixtureRequest) -> Templates:
    found: Templates = request.getfixturevalue(request.param)
    return found


def _all(templates: Templates, type: str) -> Iterator[dict[str, Any]]:
    for _, _, resource in templates.everything():
        if resource["Type"] == type:
            yield resource["Properties"]


def _longest(value: Any) -> str:
    """Return a value with the most that CloudFormation could fill in for names of resources."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(map(_longest, parts))
    return 128 * "x"


def test_a_functions_variables_fit(templates: Templates) -> None:
    """All of them have 4 KB: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    functions = list(_all(templates, "AWS::Lambda::Function"))
    assert functions
    for function in functions:
        variables = function.get("Environment", {}).get("Variables", {})
        assert sum(len(name) + len(_longest(value)) for name, value in variables.items()) <= 4_096
        assert not [name for name in variables if not re.fullmatch("[a-zA-Z][a-zA-Z0-9_]+", name)]
        assert function["Timeout"] <= 900
        assert len(function.get("Layers", [])) <= 5


def test_more_variables_than_fit_are_refused_before_anything_is_made() -> None:
    many = tuple(f"https://{number}.{'a' * 50}.example.com" for number in range(60))
    with pytest.raises(ValidationError, match="4 KB"):
        Config(allowed_origins=many)
    with pytest.raises(ValidationError, match="4 KB"):
        Config(stream_options={"stream_types": "x" * 3_000})


def test_policies_fit(templates: Templates) -> None:
    """10,240 characters for all of a role's inline ones, without white space; a topic's 30 KB.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    size: dict[str, int] = {}
    for policy in _all(templates, "AWS::IAM::Policy"):
        text = json.dumps(policy["PolicyDocument"], separators=(",", ":"))
        for role in policy["Roles"]:
            size[role["Ref"]] = size.get(role["Ref"], 0) + len(text)
    assert size
    assert max(size.values()) <= 10_240


def test_alarms_are_such_as_cloudwatch_takes(templates: Templates) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    alarms = list(_all(templates, "AWS::CloudWatch::Alarm"))
    assert alarms
    for alarm in alarms:
        assert len(alarm["AlarmDescription"]) <= 1_024
        assert len(alarm.get("AlarmName", "")) <= 255
        assert len(alarm["AlarmActions"]) <= 5
        for metric in _alarmed(alarm):
            assert metric["Period"] in (10, 20, 30) or metric["Period"] % 60 == 0
            # A day, or a week for periods of an hour and more.
            assert alarm["EvaluationPeriods"] * metric["Period"] <= 86_400
            assert ("Statistic" in metric) is not ("ExtendedStatistic" in metric)
            assert re.fullmatch(r"p\d+(\.\d+)?", metric.get("ExtendedStatistic", "p90"))
            assert len(metric["Dimensions"]) <= 30
            assert len(metric["Namespace"]) <= 255


def _alarmed(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what it is about: a metric, or at most ten of an expression, all by one period.

    A name begins with a small letter, and one alone is what the alarm looks at.
    """
    if "Metrics" not in alarm:
        return [alarm]
    queries = alarm["Metrics"]
    assert len(queries) <= 20
    assert all(re.fullmatch("[a-z][a-zA-Z0-9_]*", each["Id"]) for each in queries)
    assert [each.get("ReturnData", True) for each in queries].count(True) == 1
    found = [each["MetricStat"] for each in queries if "MetricStat" in each]
    assert len({each["Period"] for each in found}) == 1
    assert len(found) <= 10
    return [
        {**each["Metric"], "Period": each["Period"], "Statistic": each["Stat"]} for each in found
    ]


def test_the_dashboard_is_such_as_cloudwatch_takes(templates: Templates) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html

    Its widgets are 500 at most, its metrics 2,500.
    """
    [board] = _all(templates, "AWS::CloudWatch::Dashboard")
    assert re.fullmatch("[A-Za-z0-9_-]{1,255}", board["DashboardName"])
    body = json.loads(_longest(board["DashboardBody"]))
    assert len(body["widgets"]) <= 500
    assert all(each["width"] + each["x"] <= 24 for each in body["widgets"])


def test_elasticaches_names_are_short_and_without_stray_hyphens(long: Templates) -> None:
    """Forty characters; the first a letter; no hyphen at the end and no two in a row.

    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.Create.html
    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html
    """
    cache = long.one("bus", "AWS::ElastiCache::ServerlessCache")
    names = [cache["ServerlessCacheName"], long.one("bus", "AWS::ElastiCache::UserGroup")]
    names[1] = names[1]["UserGroupId"]
    names += [user["UserId"] for user in _all(long, "AWS::ElastiCache::User")]
    assert len(names) == 4
    for name in names:
        assert re.fullmatch(r"[a-z](-?[a-z0-9])*", name), name
        assert len(name) <= 40
    assert len(cache["Description"]) <= 255
    assert 2 <= len(cache["SubnetIds"]) <= 3


def test_security_groups_are_described_in_the_characters_that_ec2_takes(long: Templates) -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html"""
    allowed = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}"
    groups = list(_all(long, "AWS::EC2::SecurityGroup"))
    rules = [*_all(long, "AWS::EC2::SecurityGroupIngress")]
    rules += [*_all(long, "AWS::EC2::SecurityGroupEgress")]
    for group in groups:
        assert re.fullmatch(allowed, group["GroupDescription"])
        rules += group.get("SecurityGroupIngress", []) + group.get("SecurityGroupEgress", [])
    assert len(rules) > len(groups) > 2
    for rule in rules:
        assert re.fullmatch(allowed, rule["Description"])


def test_the_task_is_of_a_size_that_fargate_has(default: Templates) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html"""
    sizes = {"256": {512, 1024, 2048}, "512": {1024, 2048, 3072, 4096}}
    task = default.one("stream-fargate", "AWS::ECS::TaskDefinition")
    assert int(task["Memory"]) in sizes[task["Cpu"]]
    [container] = task["ContainerDefinitions"]
    assert container["StopTimeout"] <= 120
    assert all(each["HardLimit"] <= 1_048_576 for each in container["Ulimits"])


def test_cloudfront_waits_no_longer_than_it_can(templates: Templates) -> None:
    """1 to 120 seconds, for both timeouts; a comment has 128 characters; 75 behaviours.

    https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CustomOriginConfig.html
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
    """
    config = templates.one("edge", "AWS::CloudFront::Distribution")["DistributionConfig"]
    assert len(config["Comment"]) <= 128
    assert len(config["CacheBehaviors"]) < 75
    assert len(config["Origins"]) <= 25
    for origin in config["Origins"]:
        settings = origin.get("VpcOriginConfig") or origin.get("CustomOriginConfig", {})
        assert 1 <= settings.get("OriginReadTimeout", 30) <= 120
        assert 1 <= settings.get("OriginKeepaliveTimeout", 5) <= 120
    for origin in _all(templates, "AWS::CloudFront::VpcOrigin"):
        assert len(origin["VpcOriginEndpointConfig"]["Name"]) <= 64


def test_headers_are_such_as_cloudfront_adds(templates: Templates) -> None:
    """Security headers and those of CORS have fields of their own, and are refused as custom ones.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/understanding-response-headers-policies.html
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html
    """
    own = {"content-security-policy", "referrer-policy", "strict-transport-security"}
    own |= {"x-content-type-options", "x-frame-options", "x-xss-protection", "server-timing"}
    found = templates.one("edge", "AWS::CloudFront::ResponseHeadersPolicy")
    policy = found["ResponseHeadersPolicyConfig"]
    security = policy["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    assert 0 < len(security) <= 1_783
    custom = {
        each["Header"].lower(): each["Value"] for each in policy["CustomHeadersConfig"]["Items"]
    }
    assert 0 < len(custom) <= 10
    assert not custom.keys() & own
    assert not [name for name in custom if name.startswith("access-control-")]
    assert max(map(len, custom.values())) <= 1_783
    assert sum(len(name) + len(value) for name, value in custom.items()) <= 10_240


def test_cloudfronts_names_are_short(templates: Templates) -> None:
    """https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_OriginAccessControlConfig.html"""
    access = templates.one("edge", "AWS::CloudFront::OriginAccessControl")
    headers = templates.one("edge", "AWS::CloudFront::ResponseHeadersPolicy")
    assert len(access["OriginAccessControlConfig"]["Name"]) <= 64
    name = headers["ResponseHeadersPolicyConfig"]["Name"]
    assert re.fullmatch("[A-Za-z0-9_-]{1,128}", name)


def test_gateways_give_up_when_they_can(long: Templates, long_lambda: Templates) -> None:
    """An HTTP API after 30 seconds; a REST API that streams after 15 minutes.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
    https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html
    """
    for integration in _all(long, "AWS::ApiGatewayV2::Integration"):
        assert integration.get("TimeoutInMillis", 30_000) <= 30_000
    [streamed] = [
        method["Integration"]
        for method in _all(long_lambda, "AWS::ApiGateway::Method")
        if method["Integration"]["Type"] == "AWS_PROXY"
    ]
    assert streamed["ResponseTransferMode"] == "STREAM"
    assert streamed["TimeoutInMillis"] <= 900_000


def test_an_http_api_can_not_be_told_which_bodies_are_binary(default: Templates) -> None:
    """It decides by the content type, in both payload formats: gzip travels as application/gzip.

    ``ContentHandlingStrategy`` is for WebSocket APIs, ``binaryMediaTypes`` for REST APIs:
    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html
    """
    for integration in _all(default, "AWS::ApiGatewayV2::Integration"):
        assert integration["IntegrationType"] == "AWS_PROXY"
        assert not integration.keys() & {"ContentHandlingStrategy", "RequestParameters"}
    assert "BinaryMediaTypes" not in default.one("api", "AWS::ApiGatewayV2::Api")


def test_streams_are_read_in_such_steps_as_lambda_takes(templates: Templates) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    mappings = [
        mapping
        for mapping in _all(templates, "AWS::Lambda::EventSourceMapping")
        if "StartingPosition" in mapping
    ]
    assert len(mappings) == 3
    for mapping in mappings:
        assert 1 <= mapping["BatchSize"] <= 10_000
        assert 0 <= mapping["MaximumBatchingWindowInSeconds"] <= 300
        assert 1 <= mapping["ParallelizationFactor"] <= 10
        for filter in mapping["FilterCriteria"]["Filters"]:
            assert len(filter["Pattern"]) <= 4_096


def test_queues_are_such_as_sqs_takes(templates: Templates) -> None:
    """Delays up to 15 minutes, 12 hours of invisibility, 14 days of retention, 20 s of waiting.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    """
    queues = list(_all(templates, "AWS::SQS::Queue"))
    assert len(queues) == 2 * len(QUEUES)
    for queue in queues:
        assert 0 <= queue.get("DelaySeconds", 0) <= 900
        assert 0 <= queue.get("VisibilityTimeout", 30) <= 43_200
        assert 60 <= queue["MessageRetentionPeriod"] <= 1_209_600
        assert 0 <= queue.get("ReceiveMessageWaitTimeSeconds", 0) <= 20
        assert queue["SqsManagedSseEnabled"] is True
        assert 1 <= queue.get("RedrivePolicy", {}).get("maxReceiveCount", 5) <= 1_000


@pytest.mark.parametrize("name", QUEUES)
def test_dead_letters_are_kept_longer_than_they_can_have_waited(
    templates: Templates, name: str
) -> None:
    """Their time counts from when they were sent first.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
    """
    queue = templates.one("data", "AWS::SQS::Queue", f"{name}Queue")
    dead = templates.one("data", "AWS::SQS::Queue", f"{name}Dead")
    assert queue["MessageRetentionPeriod"] < dead["MessageRetentionPeriod"] == 1_209_600
    target = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
    assert target.startswith(f"{name}Dead")
    # Fewer than five lets messages of a throttled function die:
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5


@pytest.mark.parametrize("name", QUEUES)
def test_a_message_can_be_tried_often_enough_before_it_is_forgotten(
    templates: Templates, name: str
) -> None:
    queue = templates.one("data", "AWS::SQS::Queue", f"{name}Queue")
    tries = queue["RedrivePolicy"]["maxReceiveCount"]
    assert 900 + tries * queue["VisibilityTimeout"] < queue["MessageRetentionPeriod"]


def _taken(templates: Templates) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Yield each mapping of a queue, with the queue and the function that it leads to."""
    for mapping in _all(templates, "AWS::Lambda::EventSourceMapping"):
        if "StartingPosition" not in mapping:
            source = json.dumps(mapping["EventSourceArn"])
            [name] = [name for name in QUEUES if f"FnGetAtt{name}Queue" in source]
            queue = templates.one("data", "AWS::SQS::Queue", f"{name}Queue")
            function = templates.of("pipeline")[mapping["FunctionName"]["Ref"]]
            yield mapping, queue, function["Properties"]


def test_messages_stay_invisible_for_six_timeouts(templates: Templates) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    taken = list(_taken(templates))
    assert len(taken) == len(QUEUES)
    for _, queue, function in taken:
        assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]


def test_who_sends_itself_messages_is_not_stopped_as_a_loop(templates: Templates) -> None:
    """Lambda ends a chain of some sixteen messages, and drops the last, unless told otherwise.

    An approval's timer is set every 15 minutes for days, and an endpoint that lags behind is woken
    for as long: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """
    allowed = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for function in _all(templates, "AWS::Lambda::Function")
        if function.get("RecursiveLoop") == "Allow"
    }
    taking = set()
    for mapping, _, function in _taken(templates):
        variables = function["Environment"]["Variables"]
        queue = json.dumps(mapping["EventSourceArn"]).partition("FnGetAtt")[2].partition("Arn")[0]
        if any(queue in json.dumps(each) for each in variables.values()):
            taking.add(variables["POWERTOOLS_SERVICE_NAME"])
    assert allowed == taking == {"deliver", "expire", "project"}


def test_queues_are_read_in_such_steps_as_lambda_takes(templates: Templates) -> None:
    """Ten messages without a window; 2 to 1,000 invocations at once, for each mapping.

    No function reserves any, of which its mappings would have to take less in all:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html

    https://docs.aws.amazon.com/lambda/latest/api/API_ScalingConfig.html
    """
    taken = list(_taken(templates))
    assert len(taken) == len(QUEUES)
    for mapping, _, function in taken:
        assert mapping["BatchSize"] <= 10
        assert not mapping.get("MaximumBatchingWindowInSeconds")
        assert 2 <= mapping["ScalingConfig"]["MaximumConcurrency"] <= 1_000
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert "ReservedConcurrentExecutions" not in function


def test_queues_are_shut_to_requests_in_the_clear(templates: Templates) -> None:
    policies = list(_all(templates, "AWS::SQS::QueuePolicy"))
    assert len(policies) == 2 * len(QUEUES)
    for policy in policies:
        [denied] = policy["PolicyDocument"]["Statement"]
        assert (denied["Effect"], denied["Action"]) == ("Deny", "sqs:*")
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_builder_has_as_long_as_what_waits_for_it(default: Templates) -> None:
    """A resource's provider must answer in time, an hour at most; a function has 15 minutes.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
    """
    builder = default.one("stream-fargate", "AWS::Lambda::Function", "StreamImageBuilder")
    project = default.one("stream-fargate", "AWS::CodeBuild::Project")
    waits = int(default.one("stream-fargate", "Custom::StreamImage")["ServiceTimeout"])
    assert 60 * project["TimeoutInMinutes"] < builder["Timeout"] <= min(waits, 900)
    assert 5 <= project["TimeoutInMinutes"] <= 2_160
    assert len(project["Description"]) <= 255


def test_the_publisher_has_as_long_as_what_waits_for_it(templates: Templates) -> None:
    publisher = templates.one("dashboard", "AWS::Lambda::Function")
    waits = int(templates.one("dashboard", "Custom::DashboardFiles")["ServiceTimeout"])
    assert 75 < publisher["Timeout"] < waits  # it may wait 75 seconds for its role


def test_codebuild_may_ask_about_the_bucket_of_its_source(default: Templates) -> None:
    """https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html"""
    on = {}
    for policy in default.of("stream-fargate", "AWS::IAM::Policy").values():
        if policy["Properties"]["Roles"][0]["Ref"].startswith("StreamImageProjectRole"):
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for action in actions if isinstance(actions, list) else [actions]:
                    on[action] = json.dumps(statement["Resource"])
    assert ".zip" in on["s3:GetObject"]
    for action in ("s3:GetBucketAcl", "s3:GetBucketLocation"):
        assert "assets-" in on[action]
        assert ".zip" not in on[action]


def test_stacks_are_within_cloudformations_limits(templates: Templates) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
    for path in templates.folder.glob("*.template.json"):
        assert re.fullmatch("[a-zA-Z][a-zA-Z0-9-]{0,127}", path.name.removesuffix(".template.json"))
        assert path.stat().st_size <= 1_000_000
    for template in templates.by_part.values():
        assert len(template["Description"]) <= 1_024
        assert len(template["Resources"]) <= 500
        assert len(template.get("Outputs", {})) <= 200
        for output in template.get("Outputs", {}).values():
            assert len(output.get("Description", "")) <= 1_024


def test_tags_are_such_as_every_service_takes(templates: Templates) -> None:
    """https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html"""
    for _, id, resource in templates.everything():
        tags = resource.get("Properties", {}).get("Tags", [])
        pairs = tags.items() if isinstance(tags, dict) else [(t["Key"], t["Value"]) for t in tags]
        assert len(pairs) <= 50
        for key, value in pairs:
            assert re.fullmatch(r"[\w .:/=+\-@]{1,128}", key), id
            assert re.fullmatch(r"[\w .:/=+\-@]{0,256}", value), id
            assert not key.lower().startswith("aws:")
