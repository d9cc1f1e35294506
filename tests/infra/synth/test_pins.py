"""What is built from is named by digest or hash: the same tree builds from the same bytes."""

import re

from infra import assets

RECIPE = (assets.ROOT / "infra" / "image" / "Dockerfile").read_text()


def test_the_image_is_built_from_one_base_by_digest() -> None:
    """https://docs.docker.com/build/building/best-practices/#pin-base-image-versions"""
    bases = re.findall(r"^FROM (\S+)", RECIPE, re.MULTILINE)
    assert bases == ["$BASE", "$BASE"]
    [base] = re.findall(r"^ARG BASE=(\S+)", RECIPE, re.MULTILINE)
    assert re.fullmatch(
        r"public\.ecr\.aws/docker/library/python:3\.13-slim@sha256:[0-9a-f]{64}", base
    )
    assert RECIPE.index("ARG BASE=") < RECIPE.index("FROM ")  # else it would be one stage's


def test_uv_is_installed_by_hash_wherever_it_is_not_there() -> None:
    makefile = (assets.ROOT / "Makefile").read_text()
    installs = re.findall(r"pip install .*", makefile)
    assert [line for line in installs if "--require-hashes -r requirements/uv.txt" in line]
    assert not re.search(r"pip install (--quiet )?uv\b", makefile)
    lock = (assets.ROOT / "requirements" / "uv.txt").read_text()
    [version] = re.findall(r"^uv==(\S+)", lock, re.MULTILINE)
    assert lock.count("--hash=sha256:") > 1
    assert f"uv=={version} " in (assets.ROOT / "requirements" / "infra.txt").read_text()
