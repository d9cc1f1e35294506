"""The custom resource that has the stream's image built: it always answers CloudFormation."""

import runpy
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol, cast

import pytest

from infra import assets


class ImageNotFound(Exception):
    pass


@dataclass
class Cloud:
    """CodeBuild, the registry and CloudFormation's answer, in memory."""

    images: set[str]
    ends_as: str
    built: list[tuple[str, str]] = field(default_factory=list)
    answers: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def exceptions(self) -> Any:
        return SimpleNamespace(ImageNotFoundException=ImageNotFound)

    def describe_images(self, *, repositoryName: str, imageIds: list[dict[str, str]]) -> None:
        if imageIds[0]["imageTag"] not in self.images:
            raise ImageNotFound

    def start_build(
        self, *, projectName: str, environmentVariablesOverride: list[dict[str, str]]
    ) -> dict[str, Any]:
        [variable] = environmentVariablesOverride
        self.built.append((projectName, f"{variable['name']}={variable['value']}"))
        return {"build": {"id": "project:1"}}

    def batch_get_builds(self, *, ids: list[str]) -> dict[str, Any]:
        return {"builds": [{"buildStatus": self.ends_as}]}

    def send(
        self,
        event: object,
        context: object,
        status: str,
        data: object,
        physical_id: str,
        reason: str | None = None,
    ) -> None:
        self.answers.append((status, physical_id, reason))


class Deploy(Protocol):
    def __call__(
        self, request: str, *, images: tuple[str, ...] = (), ends_as: str = "SUCCEEDED"
    ) -> Cloud: ...


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    def run(request: str, *, images: tuple[str, ...] = (), ends_as: str = "SUCCEEDED") -> Cloud:
        cloud = Cloud(set(images), ends_as)
        modules = cast("dict[str, Any]", sys.modules)
        monkeypatch.setitem(modules, "boto3", SimpleNamespace(client=lambda service: cloud))
        answers = SimpleNamespace(SUCCESS="SUCCESS", FAILED="FAILED", send=cloud.send)
        monkeypatch.setitem(modules, "cfnresponse", answers)
        monkeypatch.setenv("PROJECT", "project")
        monkeypatch.setenv("REPOSITORY", "repository")
        module = runpy.run_path(str(assets.ROOT / "infra" / "image" / "build.py"))
        module["handler"]({"RequestType": request, "ResourceProperties": {"Tag": "abc"}}, None)
        return cloud

    return run


def test_an_image_is_built_under_the_tag_of_its_content(deploy: Deploy) -> None:
    cloud = deploy("Create")
    assert cloud.built == [("project", "TAG=abc")]
    assert cloud.answers == [("SUCCESS", "abc", None)]


def test_an_image_that_is_there_is_not_built_again(deploy: Deploy) -> None:
    cloud = deploy("Update", images=("abc",))
    assert cloud.built == []
    assert cloud.answers == [("SUCCESS", "abc", None)]


def test_a_failed_build_fails_the_deployment_and_names_itself(deploy: Deploy) -> None:
    [(status, _, reason)] = deploy("Create", ends_as="FAILED").answers
    assert status == "FAILED"
    assert reason is not None
    assert "project:1" in reason


def test_the_end_of_the_stack_builds_nothing(deploy: Deploy) -> None:
    cloud = deploy("Delete")
    assert cloud.built == []
    assert cloud.answers == [("SUCCESS", "abc", None)]
