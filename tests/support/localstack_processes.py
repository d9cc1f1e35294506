"""LocalStack without Docker, from its own environment, with the plugins in ``tests/localstack``."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from support.waiting import HANG_SECONDS, until
from tocsin.local import leash
from tocsin.local.addresses import LOOPBACK, reserve

__all__ = ["started"]

_PYTHON = Path(__file__).parents[2] / ".venv-localstack" / "bin" / "python"
_OUTPUT_SHOWN_BYTES = 4_000


@contextmanager
def started() -> Iterator[str]:
    """Yield the URL of a LocalStack whose files and processes are gone when it has stopped."""
    if not _PYTHON.exists():
        raise RuntimeError(f"{_PYTHON} is missing: run `make .venv-localstack/.ready`")
    folder = Path(tempfile.mkdtemp(prefix="localstack-"))
    held = reserve(0)
    address = f"{LOOPBACK}:{held.getsockname()[1]}"
    try:
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 (our own installation)
                [
                    *(sys.executable, "-I", "-S", leash.__file__, str(os.getpid())),
                    *(str(_PYTHON), "-m", "localstack_process"),
                ],
                env=_env(folder, address),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            _until_ready(f"http://{address}", process, folder / "output")
            yield f"http://{address}"
        finally:
            _stop(process)
    finally:
        held.close()
        shutil.rmtree(folder, ignore_errors=True)


def _env(folder: Path, address: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "TZ": "UTC",  # moto writes times without a zone
        "GATEWAY_LISTEN": address,
        "LOCALSTACK_HOST": address,
        "SQS_ENDPOINT_STRATEGY": "path",  # the other ones need names that resolve
        # An idle stream is looked at again within a second, not within ten.
        "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "1",
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "PROVIDER_OVERRIDE_DYNAMODB": "moto",
        "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "moto",
        "PROVIDER_OVERRIDE_S3": "private",
        "FILESYSTEM_ROOT": str(folder / "root"),
        "OVERRIDE_IN_DOCKER": "0",  # a container around the tests is not LocalStack's own
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "EAGER_SERVICE_LOADING": "0",
    }


def _until_ready(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    def ready() -> bool:
        if process.poll() is not None:
            said = output.read_bytes()[-_OUTPUT_SHOWN_BYTES:].decode(errors="replace")
            raise RuntimeError(f"LocalStack ended with {process.returncode}:\n{said}")
        with suppress(httpx.HTTPError):
            return httpx.get(f"{url}/_localstack/health", timeout=30).is_success
        return False

    until(ready, "LocalStack answers")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(HANG_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
