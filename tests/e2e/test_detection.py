"""`make up` shows an anomaly: a history is imported, and a spike follows on it."""

import json
import os
import subprocess
import sys

import pytest

from support.product import Product
from support.waiting import HANG_SECONDS

pytestmark = pytest.mark.xdist_group("product")


def test_a_spike_after_a_history_is_an_anomaly(product: Product) -> None:
    command = [sys.executable, "-m", "tocsin.cli"]
    env = os.environ | {"TOCSIN_HOME": str(product.home)}
    wait = ["tail", "--after", "0", "--json", "--until", "anomaly.detected"]
    tail = subprocess.Popen(  # noqa: S603 (our own program)
        [*command, *wait, "--timeout", str(HANG_SECONDS)],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    with tail:
        subprocess.run([*command, "demo", "spike"], env=env, check=True, timeout=HANG_SECONDS)  # noqa: S603
        printed = tail.communicate()[0]
    assert tail.returncode == 0
    assert json.loads(printed.splitlines()[-1])["type"] == "anomaly"
