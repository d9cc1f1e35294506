"""A custom resource: has CodeBuild build an image, unless the registry has it, and waits for it.

Runs in Lambda as inline code, which is given ``cfnresponse``.
"""

import os
import time
from typing import Any

import boto3  # type: ignore[import-not-found]
import cfnresponse  # type: ignore[import-not-found]


def handler(event: dict[str, Any], context: Any) -> None:
    """Answer CloudFormation when the image with the tag in ``event`` is there."""
    tag = event["ResourceProperties"]["Tag"]
    try:
        if event["RequestType"] != "Delete" and not is_there(tag):
            build(tag)
        cfnresponse.send(event, context, cfnresponse.SUCCESS, {}, tag)
    except Exception as error:  # else CloudFormation would wait for an hour
        cfnresponse.send(event, context, cfnresponse.FAILED, {}, tag, reason=str(error))


def is_there(tag: str) -> bool:
    """Whether the repository has the image: a rollback needs no build."""
    ecr = boto3.client("ecr")
    try:
        ecr.describe_images(repositoryName=os.environ["REPOSITORY"], imageIds=[{"imageTag": tag}])
    except ecr.exceptions.ImageNotFoundException:
        return False
    return True


def build(tag: str) -> None:
    """Build the image and wait; raises RuntimeError when that fails."""
    codebuild = boto3.client("codebuild")
    started = codebuild.start_build(
        projectName=os.environ["PROJECT"],
        environmentVariablesOverride=[{"name": "TAG", "value": tag}],
    )
    build_id = started["build"]["id"]
    while (status := status_of(build_id)) == "IN_PROGRESS":  # this function's timeout ends it
        time.sleep(5)
    if status != "SUCCEEDED":
        raise RuntimeError(f"the build of the stream's image ended as {status}: {build_id}")


def status_of(build_id: str) -> str:
    """Return a build's status, in CodeBuild's words."""
    found = boto3.client("codebuild").batch_get_builds(ids=[build_id])
    return str(found["builds"][0]["buildStatus"])
