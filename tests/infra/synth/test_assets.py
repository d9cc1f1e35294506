"""What is uploaded: no more than is used, the same for the same tree, and enough to run."""

import os
import shutil
from pathlib import Path

import pytest
from aws_cdk import FileSystem

from infra import assets
from support.layers import HOST, Lock, run
from support.templates import WITNESS

FUNCTIONS = (
    *("ingest", "api", "fanout", "project", "detect", "deliver"),
    *("sweeper", "expire", "checkpoint"),
)
LOCKS: dict[str, Lock] = {"api": "api", "checkpoint": "deliver", "deliver": "deliver"}
VARIABLES = {
    "AWS_REGION": "us-east-1",  # Lambda sets both
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_SERVICE_NAME": "test",
    "TOCSIN_JOURNAL_TABLE": "journal",
    "TOCSIN_LEDGER_TABLE": "ledger",
    "TOCSIN_STATE_TABLE": "state",
    "TOCSIN_EXPIRY_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/timers",
    **{
        f"TOCSIN_{name}_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/000000000000/{name}"
        for name in ("WAKES", "SLOW_WAKES", "TAILS")
    },
    "TOCSIN_VALKEY_URL": "valkey://127.0.0.1:1",
    "TOCSIN_SIGNING_KEY": "arn:aws:kms:us-east-1:000000000000:key/a",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, to be edited."""
    unused = shutil.ignore_patterns("__pycache__")
    for folder in ("functions", "layers/tocsin", "infra/image", "requirements"):
        shutil.copytree(assets.ROOT / folder, tmp_path / folder, ignore=unused)
    return tmp_path


def _hashes(root: Path) -> dict[str, str]:
    folders = {name: assets.function(name, root) for name in FUNCTIONS}
    folders |= {"stream": assets.web_function("stream", root), "image": assets.image(root)}
    folders |= {"shared": assets.shared(root)}
    return {name: FileSystem.fingerprint(str(folder)) for name, folder in folders.items()}


def test_the_same_tree_gives_the_same_hashes(tree: Path) -> None:
    before = _hashes(tree)
    for path in tree.rglob("*.py"):
        os.utime(path, (0, 0))
    assert _hashes(tree) == before == _hashes(assets.ROOT)


def test_packages_are_the_same_wherever_they_are_built(tree: Path) -> None:
    again = assets.dependencies("functions", HOST, tree)
    built = assets.dependencies("functions", HOST)
    assert again != built
    assert FileSystem.fingerprint(str(again)) == FileSystem.fingerprint(str(built))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_editing_a_handler_changes_its_own_asset_alone(tree: Path, name: str) -> None:
    before = _hashes(tree)
    with (tree / "functions" / name / "handler.py").open("a") as handler:
        handler.write("# edited\n")
    after = _hashes(tree)
    assert {asset for asset in before if before[asset] != after[asset]} == {name}


def test_editing_the_command_line_changes_no_asset(tree: Path) -> None:
    before = _hashes(tree)
    with (tree / "layers" / "tocsin" / "cli" / "keys.py").open("a") as command:
        command.write("# edited\n")
    assert _hashes(tree) == before


def test_a_handlers_zip_holds_its_handler_alone() -> None:
    folder = assets.function("expire")
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "functions/__init__.py",
        "functions/expire/__init__.py",
        "functions/expire/handler.py",
    }


def test_the_shared_layer_leaves_out_what_runs_elsewhere() -> None:
    package = assets.shared() / "python" / "tocsin"
    assert (package / "domain" / "chain.py").exists()
    assert not [name for name in ("client", "cli", "local") if (package / name).exists()]


def test_the_dependency_layer_holds_packages_for_arm_and_nothing_of_their_installation() -> None:
    packages = assets.dependencies("functions", "aarch64-manylinux_2_28") / "python"
    libraries = {path.name for path in packages.rglob("*.so")}
    assert libraries
    assert all("aarch64" in name for name in libraries if "cpython" in name)
    assert not [*packages.rglob("RECORD"), *packages.rglob("INSTALLER"), *packages.glob("bin")]
    assert (packages / "botocore" / "data" / "dynamodb").is_dir()
    assert not (packages / "botocore" / "data" / "ec2").exists()


HANDLER = "from functions.{name} import handler; handler.service()"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_layers_are_enough_for_a_handler(name: str) -> None:
    code = HANDLER.format(name=name)
    lock = LOCKS.get(name, "functions")
    run(code, lock=lock, environment=VARIABLES, code_folders=[assets.function(name)])


def test_the_layers_are_enough_to_sign_and_to_archive() -> None:
    code = """
from tocsin.adapters import kms, s3_archive
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.notes import signed
kms.client(), s3_archive.client()
class Signer:
    key = Verifier("log", KeyType.ED25519, bytes(32))
    sign = staticmethod(lambda message: bytes(64))
print(len(signed("log\\n0\\n", [Signer], 0).data))
print(Signer.key.verify(b"log\\n0\\n", b"x" * 64))  # as is done before the next one
print(Verifier("log", KeyType.ML_DSA_44, bytes(1312)).can_verify)
"""
    size, verified, known = run(code, lock="deliver", environment=VARIABLES).split()
    assert int(size) > 0
    assert (verified, known) == ("False", "True")


def test_the_layers_are_enough_to_write_parquet() -> None:
    code = """
from tocsin.wire.notify.parquet import written
print(written([{"class_uid": 6003, "api": {"request": {"data": {"a": 1}}}}])[:4].decode())
"""
    assert run(code, lock="deliver", environment=VARIABLES).strip() == "PAR1"


@pytest.mark.parametrize("lock", ["functions", "api", "deliver"])
@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_the_layers_of_a_function_are_no_more_than_lambda_unpacks(lock: str, machine: str) -> None:
    """250 MB with the function's own code, which is less than one of them.

    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """
    layers = [assets.shared(), assets.dependencies(lock, f"{machine}-manylinux_2_28")]
    files = [path for layer in layers for path in layer.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 249 * 1024 * 1024


def test_the_layers_are_enough_to_have_checkpoints_cosigned() -> None:
    environment = {
        **VARIABLES,
        "TOCSIN_SIGNING_KEY": "arn:aws:kms:us-east-1:123456789012:key/a",
        "TOCSIN_WITNESSES": f"witness {WITNESS}",
    }
    code = """
from functions.checkpoint import handler
from tocsin.adapters import s3_archive
from tocsin.wire.log.witnesses import appointed
import os
handler.service(), s3_archive.client()
[ann] = appointed(os.environ["TOCSIN_WITNESSES"])
print(ann.key.can_verify, ann.key.verify(b"log\\n0\\n", bytes(72)))
"""
    folders = [assets.function("checkpoint")]
    printed = run(code, lock="deliver", environment=environment, code_folders=folders)
    assert printed.split() == ["True", "False"]


def test_only_who_delivers_or_signs_can_call_more_than_tables_and_queues() -> None:
    locks = {"functions": set[str](), "api": set(), "deliver": {"kms", "s3", "sesv2"}}
    for lock, more in locks.items():
        data = assets.dependencies(lock, HOST) / "python" / "botocore" / "data"
        services = {path.name for path in data.iterdir() if path.is_dir()}
        assert services == {"dynamodb", "sqs"} | more


def test_what_the_api_needs_is_in_no_other_functions_layer() -> None:
    packages = assets.dependencies("functions", HOST) / "python"
    assert not [name for name in ("fastapi", "mangum", "starlette") if (packages / name).exists()]


def test_what_writes_parquet_is_in_the_layer_of_who_delivers_alone() -> None:
    locks = ("functions", "api", "stream", "deliver")
    packages = {lock: assets.dependencies(lock, HOST) / "python" / "arro3" for lock in locks}
    assert {lock for lock in locks if packages[lock].exists()} == {"deliver"}


def test_the_layers_are_enough_for_the_stream_service() -> None:
    code = "from functions.stream.app import app; import httptools, uvicorn, uvloop"
    folders = [assets.web_function("stream")]
    run(code, lock="stream", environment=VARIABLES, code_folders=folders)


def test_the_image_holds_what_its_recipe_copies() -> None:
    folder = assets.image()
    recipe = (folder / "Dockerfile").read_text()
    for line in recipe.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            assert (folder / line.split()[1]).exists(), line
    assert (folder / "functions" / "stream" / "app.py").exists()
    assert not (folder / "tocsin" / "local").exists()


def test_bytecode_is_not_from_this_machine() -> None:
    packages = assets.dependencies("functions", HOST) / "python"
    [compiled] = (packages / "__pycache__").glob("six.*.pyc")
    assert b"/opt/python/six.py" in compiled.read_bytes()
    assert str(Path.cwd()).encode() not in compiled.read_bytes()
