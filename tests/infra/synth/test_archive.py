"""The archive's bucket, by Object Lock's own rules."""

import json
import re

import pytest
from pydantic import ValidationError

from infra.config import Config
from support.templates import Synthesize, Templates

BUCKET = "AWS::S3::Bucket"


def test_there_is_none_unless_it_is_chosen(default: Templates) -> None:
    assert default.of("data", BUCKET) == {}
    function = default.one("pipeline", "AWS::Lambda::Function", "Checkpoint")
    assert "TOCSIN_ARCHIVE" not in function["Environment"]["Variables"]


def test_each_version_is_locked_for_some_days(small: Templates) -> None:
    """Object Lock is for versioned buckets, and only there from the beginning.

    A default retention needs a mode, and days or years, not both.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-defaultretention.html
    """
    bucket = small.one("data", BUCKET)
    assert bucket["ObjectLockEnabled"] is True
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3650}},
    }
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert "LifecycleConfiguration" not in bucket


def test_it_stays_when_its_stack_goes(small: Templates) -> None:
    """CloudFormation deletes empty buckets alone, and what is locked can't be removed before."""
    [bucket] = small.of("data", BUCKET).values()
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_checkpoint_function_puts_evidence_there(small: Templates) -> None:
    function = small.one("pipeline", "AWS::Lambda::Function", "Checkpoint")
    assert "Archive" in str(function["Environment"]["Variables"]["TOCSIN_ARCHIVE"])


@pytest.mark.parametrize(
    ("setting", "value"),
    [("archive", "maybe"), ("archive_days", 0), ("archive_days", 36_501)],  # S3 takes 100 years
)
def test_what_s3_would_refuse_is_refused(setting: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({setting: value})


def test_there_is_one_bucket() -> None:
    with pytest.raises(ValidationError, match="choose one"):
        Config(archive="governance", archive_bucket="acme-evidence")


def test_an_archive_is_ended_by_the_pipeline_first_and_can_begin_again(
    small: Templates, synthesize: Synthesize
) -> None:
    """The order of docs/deploy.md: CloudFormation withdraws no export that a stack imports."""
    without = synthesize(stream="lambda", bus="ledger")
    withdrawn = _exports(small) - _exports(without)
    assert withdrawn
    assert all("Archive" in name for name in withdrawn)
    assert _imports(small, "pipeline") >= withdrawn  # so all at once would be refused
    for part in without.by_part:
        assert not _imports(without, part) & withdrawn
    for part in set(small.by_part) - {"pipeline"}:  # none but that must go before
        assert not _imports(small, part) & withdrawn
    assert _exports(without) <= _exports(small)  # on again, the data come first
    [bucket] = small.of("data", BUCKET).values()
    assert "BucketName" not in bucket["Properties"]  # another one then: the old one is there still


def _exports(templates: Templates) -> set[str]:
    outputs = templates.by_part["data"].get("Outputs", {}).values()
    return {output["Export"]["Name"] for output in outputs if "Export" in output}


def _imports(templates: Templates, part: str) -> set[str]:
    return set(re.findall(r'"Fn::ImportValue": "([^"]+)"', json.dumps(templates.by_part[part])))
