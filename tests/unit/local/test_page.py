"""The dashboard's files as `make up` serves them."""

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tocsin.local import page


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(Starlette(routes=page.routes(tmp_path / "dashboard")))


def build(folder: Path) -> None:
    (folder / "dashboard" / "assets").mkdir(parents=True)
    (folder / "dashboard" / "index.html").write_text("<!doctype html>")
    (folder / "dashboard" / "assets" / "main-1.js").write_text("1")
    (folder / "dashboard-headers.json").write_text(json.dumps({"X-Frame-Options": "DENY"}))


def test_the_page_is_asked_for_anew_and_its_assets_never(
    client: TestClient, tmp_path: Path
) -> None:
    build(tmp_path)
    for path in ("/", "/index.html"):
        answer = client.get(path)
        assert (answer.text, answer.headers["Cache-Control"]) == ("<!doctype html>", "no-cache")
        assert answer.headers["X-Frame-Options"] == "DENY"
    answer = client.get("/assets/main-1.js")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert client.head("/").status_code == 200


@pytest.mark.parametrize(
    "name", ["main-2.js", "%2e%2e", "..%2findex.html", "%00", "a" * 300, "x%2fy", "é"]
)
def test_nothing_else_is_served(client: TestClient, tmp_path: Path, name: str) -> None:
    build(tmp_path)
    (tmp_path / "dashboard" / "assets" / "folder").mkdir()
    for each in (name, "folder"):
        answer = client.get(f"/assets/{each}")
        assert answer.status_code == 404


def test_where_it_is_not_built_the_command_that_builds_it_is_said(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 503
    assert "make build/dashboard/index.html" in answer.text
