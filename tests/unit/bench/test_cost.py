"""The cost model's arithmetic, by hand, and what its prices say of themselves."""

import json
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bench.cost.bill import Bill, Line
from bench.cost.checkpoints import WITNESS, org_months
from bench.cost.components import lines
from bench.cost.deployed import Deployed
from bench.cost.months import break_even
from bench.cost.prices import FOLDER, Prices
from bench.cost.tap import read_units
from bench.cost.use import Run, Use, billed_ms
from infra.config import Config
from tocsin.local.functions import FUNCTIONS

FILES = sorted(FOLDER.glob("*.json"))
DEPLOYED = replace(
    Deployed.read(Config(tracing=False)),
    memory_mb=dict.fromkeys(
        ("ingest", "fanout", "project", "detect", "sweeper", "checkpoint"), 1024
    ),
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_price_has_a_date_and_a_source(path: Path) -> None:
    content = json.loads(path.read_text())
    assert path.stem == f"{content['region']}-{date.fromisoformat(content['date'])}"
    for name, price in content["prices"].items():
        assert price["usd"] >= 0 and price["per"] >= 1 and price["unit"], name
        assert price["source"].startswith("https://"), name
        assert price["seen"] is None or price["seen"].startswith("http"), name
        assert price["seen"] or "check" in price["note"], name


def test_the_newest_prices_are_for_one_of_each() -> None:
    prices = Prices.newest()
    assert prices.date == json.loads(FILES[-1].read_text())["date"]
    assert prices.usd("lambda_requests", 1_000_000) == pytest.approx(0.20)


def test_every_line_has_a_price() -> None:
    by_name = Prices.newest().by_name
    assert {line.price for line in lines(_run(), DEPLOYED)} <= by_name.keys()


def test_what_is_deployed_is_read_from_the_stacks() -> None:
    deployed = Deployed.read(Config(batch_window_seconds=0))
    assert set(deployed.memory_mb) == {*FUNCTIONS, "stream"}
    assert deployed.period_ms(deployed.fanout_window_seconds) == 250
    assert deployed.period_ms(2) == 2_000
    assert json.loads(deployed.access_line)["status"] == "200"


def test_a_share_of_a_core_takes_longer_and_waiting_does_not() -> None:
    use = Use(invocations=2, cpu_ms=10, waits_ms=5)
    assert billed_ms(use, 1_769) == 10 + 5 + 1  # each is rounded up: half a millisecond
    assert billed_ms(use, 3_538) == 10 + 5 + 1  # one thread has no use of a second core
    assert billed_ms(replace(use, waits_ms=0), 1_769 // 4) == pytest.approx(41, rel=0.01)


def test_a_hundred_events_make_a_million() -> None:
    bill = Bill(lines(_run(), DEPLOYED), _prices(http_api_requests=2e-6))
    assert bill.by_component["gateway (HTTP API)"] == pytest.approx(2 * 2.0)  # two steps each
    bill = Bill(lines(_run(), DEPLOYED), _prices(dynamodb_write_units=1e-6))
    assert bill.by_component["journal"] == pytest.approx(3.0)
    assert bill.by_component["seal: segments"] == pytest.approx(0.1)
    # 10,000 seconds: a mark of 2 units each minute, a sweep each five.
    assert bill.by_component["seal: marks"] == pytest.approx(2 * 10_000 / 60 * 1e-6)
    assert bill.by_component["sweeper"] == pytest.approx(10_000 / 300 * 1e-6)
    assert bill.total == pytest.approx(sum(bill.by_component.values()))
    # A checkpoint a minute, and what more the tree has for a hundred events.
    assert bill.by_component["checkpoints: writes"] == pytest.approx(
        (4 * 10_000 / 60 + 2 * 1e6 / 100) * 1e-6
    )
    bill = Bill(lines(_run(), DEPLOYED), _prices(kms_signatures=1.0))
    assert bill.by_component["checkpoints: signatures"] == pytest.approx(10_000 / 60)
    bill = Bill(lines(_run(), DEPLOYED), _prices(lambda_requests=1e-6))
    assert bill.by_component["ingest: requests"] == pytest.approx(1.0)
    assert bill.by_component["fanout: requests"] == pytest.approx(0.01)
    bill = Bill(lines(_run(), DEPLOYED), _prices(lambda_gb_seconds=1.0))
    assert bill.by_component["ingest: GB-seconds"] == pytest.approx(
        1e6 * (0.010 + 0.0005) * 1.0  # 10 ms of waiting at 1 GB
    )


def test_an_org_is_signed_for_in_each_minute_in_which_it_moves_and_looked_at_in_the_others() -> (
    None
):
    minutes = 730 * 60
    months = org_months(_run(), DEPLOYED)
    bills = {name: Bill(of, _prices(kms_signatures=1.0)) for name, of in months.items()}
    assert [bill.total for bill in bills.values()] == [0, minutes, minutes]
    bills = {name: Bill(of, _prices(dynamodb_read_units=1.0)) for name, of in months.items()}
    assert [bill.total for bill in bills.values()] == [
        pytest.approx(2 * minutes),  # its tree and its ledger's head; not the list of orgs
        pytest.approx(3 * minutes),
        pytest.approx(3 * minutes + 5 * 100 * 60 * minutes / 100),
    ]
    bills = {name: Bill(of, _prices(lambda_requests=1.0)) for name, of in months.items()}
    assert [bill.total for bill in bills.values()] == [0, 0, 0]
    bills = {name: Bill(of, _prices(s3_puts=1.0)) for name, of in months.items()}
    assert [sum(bill.apart.values()) for bill in bills.values()] == [
        0,
        3 * minutes,
        pytest.approx(3 * minutes + 100 * 60 * minutes / 256),
    ]


def test_storage_and_the_edge_stand_apart() -> None:
    prices = _prices(dynamodb_storage=1.0, cloudfront_requests=1e-6)
    bill = Bill(lines(_run(), DEPLOYED), prices)
    assert bill.total == 0
    assert bill.apart["CloudFront: what is sent"] == pytest.approx(1.0)
    assert bill.apart["storage: journal, a month"] == pytest.approx(1_000 * 1e6 / 2**30)


def test_one_request_a_second_and_a_twentieth_of_the_rest_are_traced() -> None:
    traced = replace(DEPLOYED, config=Config(tracing=True))
    bill = Bill(lines(_run(), traced), _prices(traces=1.0))
    a_second = (1 + 0.05 * 99) + 1 + 1 / 300 + 1 / 60  # ingest, fan-out, sweeper, checkpoint
    assert bill.by_component["traces"] == pytest.approx(a_second * 10_000)


def test_a_bill_adds_up_its_lines() -> None:
    of = [Line("a", "x", 2), Line("a", "y", 3), Line("b", "x", 5), Line("c", "y", 7, apart=True)]
    bill = Bill(of, Prices("2026-01-01", {"x": 10.0, "y": 1.0}))
    assert bill.by_component == {"a": 23, "b": 50} and bill.apart == {"c": 7}
    assert bill.total == 73 and bill.quantity("x") == 7 and bill.usd("a", "b") == 73


def test_the_dearer_host_pays_off_where_both_cost_the_same() -> None:
    viewers = break_even(fixed=2, viewer=10, host_fixed=20, host_viewer=1)
    assert viewers == 2
    assert 2 + 10 * viewers == 20 + 1 * viewers


KEY = {"pk": {"S": "key#org"}, "sk": {"S": "1"}}
SEGMENT = {"pk": {"S": "segment#org"}, "sk": {"N": "1"}, "leaves": {"B": b"x" * 5_000}}
SMALL = {"pk": {"S": "segment#org"}, "sk": {"N": "2"}}
_QUERY: dict[str, Any] = {"ExpressionAttributeValues": {":pk": {"S": "segment#org"}}}


@pytest.mark.parametrize(
    ("operation", "asked", "answered", "units"),
    [
        ("GetItem", {"Key": KEY, "ConsistentRead": True}, {}, {"key": 1}),
        ("GetItem", {"Key": KEY}, {"Item": KEY}, {"key": 0.5}),
        ("Query", {**_QUERY, "ConsistentRead": True}, {"Items": []}, {"segment": 1}),
        (  # together, not each
            "Query",
            {**_QUERY, "ConsistentRead": True},
            {"Items": [SEGMENT, SMALL]},
            {"segment": 2},
        ),
        (  # each, and what is not there
            "BatchGetItem",
            {"RequestItems": {"t": {"Keys": [SMALL, SMALL, SMALL], "ConsistentRead": True}}},
            {"Responses": {"t": [SEGMENT, SMALL]}},
            {"segment": 4},
        ),
        ("PutItem", {}, {}, {}),
    ],
)
def test_reads_are_counted_by_the_developer_guide(
    operation: str, asked: dict[str, Any], answered: dict[str, Any], units: dict[str, float]
) -> None:
    assert read_units(operation, asked, answered) == units


def test_a_witness_is_waited_for_and_its_line_is_written_where_something_happens() -> None:
    minutes = 730 * 60
    months = org_months(_run(), DEPLOYED)
    idle, *moving = (Bill(of, _prices(lambda_gb_seconds=1.0)) for of in months.values())
    assert idle.apart[WITNESS] == 0
    for bill in moving:
        gb = DEPLOYED.memory_mb["checkpoint"] / 1_024
        assert bill.apart[WITNESS] == pytest.approx(minutes * 0.2 * gb)
    _, *moving = (Bill(of, _prices(dynamodb_write_units=1.0)) for of in months.values())
    assert [bill.apart[WITNESS] for bill in moving] == [3 * minutes, 3 * minutes]


def _run() -> Run:
    """A second: 100 requests of one event and 600 KB, 3 units each; one seal; nothing else."""
    return Run(
        size=1,
        events=100,
        sent_bytes=100 * 600 * 1024,
        uses={
            "ingest": Use(100, waits_ms=1_000, writes=Counter(journal=300)),
            "fanout": Use(1, writes=Counter(segment=10)),
        },
        mark_units=2,
        swept_events=100,
        checkpointed_events=100,
        idle_checkpoint=Use(1, reads=Counter(org=1, tree=1, segment=1)),
        little_checkpoint=Use(
            1, reads=Counter(org=1, tree=1, segment=2), writes=Counter(tree=4), signatures=1
        ),
        checkpoint=Use(
            1, reads=Counter(org=1, tree=1, segment=7), writes=Counter(tree=6), signatures=1
        ),
        idle_sweep=Use(1, writes=Counter(sweep=1)),
        sweep=Use(1, writes=Counter(sweep=1)),
        stored_bytes={"storage: journal": 1_000},
    )


def _prices(**known: float) -> Prices:
    """These; all else is free."""
    return Prices("2026-01-01", dict.fromkeys(Prices.newest().by_name, 0.0) | known)
