"""The arithmetic of what deliveries cost and how soon they come, by hand."""

from collections import Counter
from dataclasses import replace

import pytest

from bench.cost.bill import Bill
from bench.cost.deployed import Deployed
from bench.cost.prices import Prices
from bench.cost.use import Use
from bench.deliveries.cost import Spent, lines
from bench.deliveries.model import Step, percentiles
from infra.config import Config

DEPLOYED = replace(Deployed.read(Config()), memory_mb={"project": 1024, "deliver": 512})


def _spent() -> Spent:
    return Spent(
        deliveries=10,
        out_bytes=12_000,
        sqs_requests=3,
        waking=Use(invocations=1, waits_ms=10),
        delivering=Use(
            invocations=1,
            waits_ms=100,
            writes=Counter({"endpoint": 2, "delivery": 1}),
            reads=Counter({"endpoint": 2, "segment": 6, "journal": 1, "org": 1}),
        ),
    )


def test_every_line_has_a_price() -> None:
    assert {line.price for line in lines(_spent(), DEPLOYED)} <= Prices.newest().by_name.keys()


def test_what_a_wake_takes_is_shared_by_its_deliveries_and_data_stands_apart() -> None:
    prices = Prices.newest()
    bill = Bill(lines(_spent(), DEPLOYED), prices)
    assert bill.by_component["SQS: wakes"] == pytest.approx(prices.usd("sqs_requests", 300_000))
    writes = bill.usd("writes: cursors", "writes: attempts")
    assert writes == pytest.approx(prices.usd("dynamodb_write_units", 300_000))
    reads = bill.usd("reads: endpoints", "reads: ledger", "reads: journal", "reads: orgs")
    assert reads == pytest.approx(prices.usd("dynamodb_read_units", 1_000_000))
    assert bill.apart.keys() == {"data out"}
    assert "data out" not in bill.by_component


def test_a_step_has_the_percentiles_that_it_was_given() -> None:
    assert percentiles([Step("a call", 10.0, 40.0)]) == pytest.approx((10, 40), rel=0.05)
    assert percentiles([Step("a window", 1_000.0, 1_000.0)]) == pytest.approx((1_000, 1_000))
    assert percentiles([Step("a poll", most=250.0)]) == pytest.approx((125, 247.5), rel=0.05)


def test_rare_things_seldom_come_together() -> None:
    each = Step("a call", 10.0, 40.0)
    _, alone = percentiles([each])
    _, together = percentiles([each, each])
    assert alone < together < 2 * alone
