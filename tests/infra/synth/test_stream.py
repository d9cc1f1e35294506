"""The stream service, on either host."""

import json
import re

from infra import assets
from support.templates import Synthesize, Templates

LIVENESS = "/livez"  # asked for inside the VPC alone


def test_tasks_need_no_nat_and_drain(default: Templates) -> None:
    service = default.one("stream-fargate", "AWS::ECS::Service")
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "ENABLED"
    assert json.dumps(network["Subnets"]).count("PublicSubnet") == 2
    deployment = service["DeploymentConfiguration"]
    assert deployment["MinimumHealthyPercent"] == 100
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    task = default.one("stream-fargate", "AWS::ECS::TaskDefinition")
    assert task["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
    [container] = task["ContainerDefinitions"]
    recipe = (assets.ROOT / "infra" / "image" / "Dockerfile").read_text()
    [graceful] = re.findall(r'"--timeout-graceful-shutdown", "(\d+)"', recipe)
    assert int(graceful) < container["StopTimeout"]  # then it would be killed
    assert container["ReadonlyRootFilesystem"] is True


def test_the_load_balancer_has_no_public_address(default: Templates) -> None:
    balancer = default.one("stream-fargate", "AWS::ElasticLoadBalancingV2::LoadBalancer")
    assert balancer["Scheme"] == "internal"
    assert json.dumps(balancer["Subnets"]).count("IsolatedSubnet") == 2


def test_idle_connections_are_closed_by_the_client_first(default: Templates) -> None:
    """Whoever waits longer would be sent a request on a connection that is gone."""
    origin = default.one("edge", "AWS::CloudFront::Distribution")["DistributionConfig"]["Origins"]
    [cloudfront] = [each["VpcOriginConfig"] for each in origin if "VpcOriginConfig" in each]
    balancer = default.one("stream-fargate", "AWS::ElasticLoadBalancingV2::LoadBalancer")
    attributes = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    recipe = (assets.ROOT / "infra" / "image" / "Dockerfile").read_text()
    [uvicorn] = re.findall(r'"--timeout-keep-alive", "(\d+)"', recipe)
    idle = int(attributes["idle_timeout.timeout_seconds"])
    assert cloudfront["OriginKeepaliveTimeout"] < idle < int(uvicorn)


def test_its_own_settings_can_be_set(synthesize: Synthesize) -> None:
    templates = synthesize(stream_options={"max_streams_per_org": "100"})
    [container] = templates.one("stream-fargate", "AWS::ECS::TaskDefinition")[
        "ContainerDefinitions"
    ]
    assert {"Name": "TOCSIN_MAX_STREAMS_PER_ORG", "Value": "100"} in container["Environment"]


def test_a_service_without_its_ledger_is_not_restarted(default: Templates) -> None:
    group = default.one("stream-fargate", "AWS::ElasticLoadBalancingV2::TargetGroup")
    assert group["HealthCheckPath"] == LIVENESS
    assert group["Matcher"] == {"HttpCode": "200"}


def test_the_health_check_is_one_that_a_load_balancer_takes(default: Templates) -> None:
    """Nothing but the service itself refuses these: the schema has the types alone.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Matcher.html
    """
    group = default.one("stream-fargate", "AWS::ElasticLoadBalancingV2::TargetGroup")
    for code in re.split("[,-]", group["Matcher"]["HttpCode"]):
        assert 200 <= int(code) <= 499
    assert 5 <= group["HealthCheckIntervalSeconds"] <= 300
    assert 2 <= group["HealthCheckTimeoutSeconds"] <= 120
    assert group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]
    assert 1 <= len(group["HealthCheckPath"]) <= 1024
    assert 2 <= group.get("HealthyThresholdCount", 5) <= 10
    assert 2 <= group.get("UnhealthyThresholdCount", 2) <= 10
    attributes = {each["Key"]: each["Value"] for each in group["TargetGroupAttributes"]}
    assert 0 <= int(attributes["deregistration_delay.timeout_seconds"]) <= 3_600
    balancer = default.one("stream-fargate", "AWS::ElasticLoadBalancingV2::LoadBalancer")
    attributes = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    assert 1 <= int(attributes["idle_timeout.timeout_seconds"]) <= 4_000


def test_no_task_is_stopped_to_even_out_the_zones(default: Templates) -> None:
    """A new service does it by default, and it cuts streams.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
    """
    service = default.one("stream-fargate", "AWS::ECS::Service")
    assert service["AvailabilityZoneRebalancing"] == "DISABLED"


def test_tasks_follow_connections(synthesize: Synthesize) -> None:
    templates = synthesize(stream_tasks_min=2, stream_tasks_max=8, connections_per_task=1234)
    target = templates.one("stream-fargate", "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 8)
    policy = templates.one(
        "stream-fargate",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "StreamServiceTaskCountTargetConnections",
    )["TargetTrackingScalingPolicyConfiguration"]
    assert policy["TargetValue"] == 1234
    metric = policy["CustomizedMetricSpecification"]
    assert (metric["Namespace"], metric["MetricName"]) == ("tocsin-dev", "Connections")
    assert metric["Statistic"] == "Average"  # of the tasks, each of which counts itself
    assert metric["Dimensions"] == [{"Name": "service", "Value": "stream"}]


def test_the_image_is_built_where_there_is_no_docker(default: Templates) -> None:
    project = default.one("stream-fargate", "AWS::CodeBuild::Project")
    assert project["Environment"]["Type"] == "ARM_CONTAINER"
    [built] = default.of("stream-fargate", "Custom::StreamImage")
    [container] = default.one("stream-fargate", "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    assert {"Ref": built} in container["Image"]["Fn::Join"][1]  # the service waits for it


def test_ten_images_are_kept_and_no_attestation_counts_as_one(default: Templates) -> None:
    """The registry's rule counts every manifest, and an attestation is one.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
    https://docs.docker.com/build/building/variables/#buildx_no_default_attestations
    """
    repository = default.one("stream-fargate", "AWS::ECR::Repository")
    [rule] = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert rule["selection"]["countNumber"] == 10
    environment = default.one("stream-fargate", "AWS::CodeBuild::Project")["Environment"]
    variables = {each["Name"]: each["Value"] for each in environment["EnvironmentVariables"]}
    assert variables["BUILDX_NO_DEFAULT_ATTESTATIONS"] == "1"


def test_the_image_is_built_by_docker_where_that_is(synthesize: Synthesize) -> None:
    templates = synthesize(image="docker", bus="ledger")
    types = {each["Type"] for each in templates.of("stream-fargate").values()}
    assert not types & {"AWS::CodeBuild::Project", "AWS::ECR::Repository", "AWS::Lambda::Function"}
    assets = json.loads((templates.folder / "tocsin-dev-stream-fargate.assets.json").read_bytes())
    [image] = assets["dockerImages"].values()
    assert image["source"]["platform"] == "linux/arm64"


def test_lambda_streams_what_the_service_sends_as_it_comes(small: Templates) -> None:
    methods = small.of("stream-lambda", "AWS::ApiGateway::Method").values()
    [integration] = [
        each["Properties"]["Integration"]
        for each in methods
        if each["Properties"]["Integration"]["Type"] == "AWS_PROXY"
    ]
    assert integration["ResponseTransferMode"] == "STREAM"
    assert "response-streaming-invocations" in json.dumps(integration["Uri"])
    api = small.one("stream-lambda", "AWS::ApiGateway::RestApi")
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}


def test_lambda_ends_a_stream_before_it_would_be_cut(small: Templates) -> None:
    function = small.one("stream-lambda", "AWS::Lambda::Function")
    variables = function["Environment"]["Variables"]
    assert int(variables["TOCSIN_STREAM_MAX_SECONDS"]) < function["Timeout"] <= 900
    assert int(variables["TOCSIN_STREAM_MAX_BYTES"]) < 200 * 1024 * 1024
    assert "ReservedConcurrentExecutions" not in function


def test_lambda_starts_the_same_application(small: Templates) -> None:
    function = small.one("stream-lambda", "AWS::Lambda::Function")
    asset = small.asset("stream-lambda", function["Code"]["S3Key"])
    run = asset / function["Handler"]
    assert run.stat().st_mode & 0o111
    assert "functions.stream.app:app" in run.read_text()
    assert (asset / "functions" / "stream" / "app.py").exists()
    assert function["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/bootstrap"
    assert "LambdaAdapterLayerArm64" in json.dumps(function["Layers"])
