"""What a stage costs: the model adds up and grows as it should, and the command tells it of what is deployed."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.cost import RATES, read_counts, read_prices
from cli.costs.deployment import runs_per_month
from cli.costs.model import MONTH_SECONDS, STORAGE, Counts, Deployment, Schedule, checked, cost, idle, naive
from cli.main import app

PRICES, COUNTS = read_prices(), read_counts()
HUB = Deployment(
    sources=1,
    flows=1,
    max_concurrency=2,
    workers=2,
    webhook_memory_mb=512,
    delivery_memory_mb=256,
    queues_read=2,
    alarm_metrics=10,
    dashboards=1,
    secrets=2,
    schedules=(Schedule(43_800, 256, 1.0),),
    ledger_days=90,
    log_days=30,
)
SOME_RATES = st.floats(0.001, 5_000)
GROWN = ("sources", "queues_read", "alarm_metrics", "dashboards", "secrets")


@given(SOME_RATES, SOME_RATES)
def test_more_events_never_cost_less(one: float, other: float) -> None:
    less, more = sorted((one, other))

    assert cost(HUB, COUNTS, PRICES, less).per_month <= cost(HUB, COUNTS, PRICES, more).per_month * 1.3  # batches fill


@given(SOME_RATES)
def test_the_components_are_the_sum(rate: float) -> None:
    whole = cost(HUB, COUNTS, PRICES, rate)

    millions = rate * MONTH_SECONDS / 1e6
    assert whole.per_million() * millions == pytest.approx(sum(whole.events.values()) + sum(whole.fixed.values()))
    assert whole.per_million(without=STORAGE) * millions == pytest.approx(whole.per_month - whole.events[STORAGE])
    assert all(value >= 0 for value in (*whole.events.values(), *whole.fixed.values()))


@given(SOME_RATES, st.sampled_from(GROWN))
def test_whoever_deploys_more_pays_no_less(rate: float, what: str) -> None:
    more = replace(HUB, **{what: getattr(HUB, what) + 1})

    assert cost(more, COUNTS, PRICES, rate).per_month >= cost(HUB, COUNTS, PRICES, rate).per_month
    assert sum(idle(more, COUNTS, PRICES).values()) >= sum(idle(HUB, COUNTS, PRICES).values())


TAKEN = (
    ("write_units_per_event", "write_units_of_an_event_alone"),
    ("stored_bytes_per_event", "stored_bytes_of_an_event_alone"),
    ("delivery_log_bytes",),
)


@given(SOME_RATES, st.sampled_from(TAKEN))
def test_an_event_that_takes_twice_as_much_costs_more(rate: float, what: tuple[str, ...]) -> None:
    counts: Counts = replace(COUNTS, **{name: 2 * getattr(COUNTS, name) for name in what})

    assert cost(HUB, counts, PRICES, rate).per_month > cost(HUB, COUNTS, PRICES, rate).per_month


def test_events_that_come_alone_take_what_was_counted_of_such() -> None:
    slow, fast = (
        cost(HUB, replace(COUNTS, write_units_of_an_event_alone=alone), PRICES, rate).events["DynamoDB"]
        for rate, alone in ((0.1, 9.0), (100.0, 9.0))
    )
    of_each = (slow / (0.1 * MONTH_SECONDS), fast / (100 * MONTH_SECONDS))
    writes = PRICES.dynamodb_per_million_writes / 1e6

    assert of_each[0] > 9.0 * writes
    assert of_each[1] < (COUNTS.write_units_per_event + 1) * writes


def test_batches_fill_up_as_the_functions_get_busy() -> None:
    batches = [cost(HUB, COUNTS, PRICES, rate).traffic for rate in (0.1, 1, 5, 10, 100)]

    assert [each.batch for each in batches] == sorted(each.batch for each in batches)
    assert (batches[0].batch, batches[0].full_batches) == (1.0, False)
    assert (batches[-1].batch, batches[-1].full_batches) == (10.0, True)


@pytest.mark.parametrize("rate", RATES)
def test_a_million_events_cost_a_third_of_the_naive_design_or_less(rate: float) -> None:
    millions = rate * MONTH_SECONDS / 1e6

    ours = cost(HUB, COUNTS, PRICES, rate).per_million(without=STORAGE)
    assert ours < sum(naive(PRICES, COUNTS, rate).values()) / millions / 3


def test_a_payload_of_more_than_512_kb_is_billed_as_two_requests() -> None:
    large = replace(COUNTS, body_bytes=512 * 1024 + 1)

    once, twice = (cost(HUB, counts, PRICES, 1.0).events["API Gateway"] for counts in (COUNTS, large))
    assert twice == 2 * once


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("rate(1 minute)", 43_800),
        ("rate(5 minutes)", 8_760),
        ("rate(1 day)", 730 / 24),
        ("cron(0 6 ? * MON-FRI *)", 730 / 24 * 5 / 7),
        ("cron(0/15 * * * ? *)", 4 * 730),
        ("cron(0 6,18 * * ? *)", 2 * 730 / 24),
        ("at(2026-01-01T00:00:00)", 0),
    ],
)
def test_a_schedule_tells_how_often_it_runs(expression: str, runs: float) -> None:
    assert runs_per_month(expression) == pytest.approx(runs)


def test_what_is_no_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="no schedule"):
        runs_per_month("now and then")


def test_a_file_that_lacks_a_price_is_refused() -> None:
    with pytest.raises(ValueError, match="alarm_per_month"):
        checked({"region": "us-east-1"}, type(PRICES))


@pytest.mark.slow
def test_the_command_tells_of_what_is_deployed() -> None:
    result = CliRunner().invoke(app, ["cost", "--stage", "local", "--events-per-day", "1000", "--json"])

    told = json.loads(result.stdout)
    assert told["deployment"]["sources"] == 1
    assert told["deployment"]["delivery_memory_mb"] == 256
    assert told["deployment"]["secrets"] == 2
    assert told["deployment"]["alarm_metrics"] > 5
    assert told["idle_per_month"]["total"] == pytest.approx(
        sum(value for name, value in told["idle_per_month"].items() if name != "total"), abs=0.001
    )
    assert [each["events_per_second"] for each in told["per_million_events"]] == [1, 10, 100, 1_000]
    assert told["prices"]["read_on"]
    assert told["counts"]["measured_on"]
