"""The dashboard's bucket, and what is put there."""

import json
import re
from pathlib import Path

import pytest

from infra import assets
from support.templates import Templates

MAKEFILE = """
build/dashboard/index.html: source
\tmkdir -p build/dashboard/assets
\tcp source build/dashboard/assets/main-0123abcd.js
\techo '{"Referrer-Policy": "no-referrer"}' > build/dashboard-headers.json
\techo "a page for `cat source`" > $@
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Sources of a page, and how to build it."""
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "source").write_text("one")
    return tmp_path


def test_a_page_that_is_missing_or_old_is_built(tree: Path) -> None:
    first = assets.dashboard(tree)
    assert first.headers == {"Referrer-Policy": "no-referrer"}
    assert (first.files / first.page / "index.html").read_text() == "a page for one\n"
    assert (first.files / "assets" / "main-0123abcd.js").read_text() == "one"
    built = (tree / "build" / "dashboard" / "index.html").stat()
    assert assets.dashboard(tree).page == first.page
    assert (tree / "build" / "dashboard" / "index.html").stat().st_mtime_ns == built.st_mtime_ns
    (tree / "source").write_text("two")
    second = assets.dashboard(tree)
    assert second.page != first.page
    assert (second.files / second.page / "index.html").read_text() == "a page for two\n"


def test_each_builds_page_is_beside_the_others(default: Templates) -> None:
    key = default.one("dashboard", "Custom::DashboardFiles")["Archive"]
    archive = default.asset("dashboard", key)
    names = {str(path.relative_to(archive)) for path in archive.rglob("*") if path.is_file()}
    page = f"{assets.dashboard().page}/index.html"
    assert page in names
    assert re.fullmatch("pages/[0-9a-f]{16}/index.html", page)
    # Kept for a year by whoever has them: another content needs another name.
    others = names - {page}
    assert others
    for name in others:
        assert re.fullmatch(r"assets/\w+-[0-9A-Za-z]{8,}\.\w+", name)


def test_the_bucket_is_nobodys_but_cloudfronts(default: Templates) -> None:
    bucket = default.one("dashboard", "AWS::S3::Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "AES256" in json.dumps(bucket["BucketEncryption"])
    denied, allowed = default.one("dashboard", "AWS::S3::BucketPolicy")["PolicyDocument"][
        "Statement"
    ]
    assert (denied["Effect"], denied["Action"]) == ("Deny", "s3:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Action"] == "s3:GetObject"
    account = json.dumps(allowed["Condition"]["ArnLike"]["aws:SourceArn"])
    assert '":cloudfront::", {"Ref": "AWS::AccountId"}, ":distribution/*"' in account


def test_the_bucket_goes_with_its_stack(default: Templates) -> None:
    [bucket] = default.of("dashboard", "AWS::S3::Bucket").values()
    assert bucket["DeletionPolicy"] == "Delete"
    assert "BucketName" not in bucket["Properties"]
    assert "VersioningConfiguration" not in bucket["Properties"]  # versions would stay


def test_the_bucket_does_not_wait_for_the_distribution(default: Templates) -> None:
    """Each would wait for the other: the distribution names the bucket."""
    assert "Fn::ImportValue" not in json.dumps(default.by_part["dashboard"])
    assert "tocsin-dev-dashboard:" in json.dumps(default.of("edge"))
