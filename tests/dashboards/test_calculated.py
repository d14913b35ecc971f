"""The lines of a widget: statistics, metric math and searches, as CloudWatch works them out."""

import math
from typing import Any

import pytest

from cli.dashboard.calculated import lines_of
from cli.dashboard.queried import answered, groups_of
from cli.dashboard.recorded import Recorded, key_of, statistic

STAGE = {"stage": "test"}


def data(**values: list[tuple[int, list[float]]]) -> Recorded:
    return Recorded(0, 1_200, "a test", {key_of("ErpHub", name, STAGE): points for name, points in values.items()})


def widget(*rows: list[Any], period: int = 300) -> dict[str, Any]:
    return {"metrics": list(rows), "period": period, "stat": "Sum"}


def metric(name: str, **options: Any) -> list[Any]:
    return ["ErpHub", name, "stage", "test", options]


@pytest.mark.parametrize(
    ("stat", "value"),
    [
        ("Sum", 10),
        ("Average", 2.5),
        ("Maximum", 4),
        ("Minimum", 1),
        ("SampleCount", 4),
        ("p50", 2.5),
        ("p100", 4),
        ("p0", 1),
    ],
)
def test_a_statistic_is_of_every_value(stat: str, value: float) -> None:
    assert statistic(stat, [4, 1, 3, 2]) == value


def test_an_unknown_statistic_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown statistic 'tm90'"):
        statistic("tm90", [1])


def test_values_are_put_together_by_period() -> None:
    (line,) = lines_of(
        widget(metric("Failed", stat="Average", label="rate")), data(Failed=[(0, [0, 1]), (60, [1]), (300, [0])])
    )

    assert line.label == "rate"
    assert line.series == {0: pytest.approx(2 / 3), 300: 0}


def test_what_lies_outside_the_time_that_is_shown_is_left_out() -> None:
    (line,) = lines_of(widget(metric("Failed")), data(Failed=[(1_201, [1]), (900, [1])]))

    assert line.series == {900: 1}


def test_metric_math_joins_what_has_a_value_at_the_same_time() -> None:
    found = data(A=[(0, [10]), (300, [20])], B=[(0, [5])])
    rows = [
        metric("A", id="a", visible=False),
        metric("B", id="b", visible=False),
        [{"expression": "100*b/a", "label": "%"}],
    ]

    (line,) = lines_of(widget(*rows), found)
    assert line.series == {0: 50}


def test_a_division_by_zero_is_no_number() -> None:
    (line,) = lines_of(
        widget(metric("A", id="a", visible=False), [{"expression": "1/a", "label": ""}]), data(A=[(0, [0])])
    )

    assert math.isnan(line.series[0])


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ("SUM([a,b])", {0: 15, 300: 20}),
        ('SUM(METRICS("a"))', {0: 10, 300: 20}),
        ("FILL(b,0)", {0: 5, 300: 0, 600: 0, 900: 0, 1200: 0}),
        ("DIFF(a)", {300: 10}),
        ("TIME_SERIES(MAX(EPOCH(FILL(b,0)))-MAX(EPOCH(a)))", {1200: 900}),
        ("a-1", {0: 9, 300: 19}),
    ],
)
def test_metric_math(text: str, series: dict[int, float]) -> None:
    rows = [metric("A", id="a", visible=False), metric("B", id="b", visible=False)]

    (line,) = lines_of(
        widget(*rows, [{"expression": text, "label": "x"}]), data(A=[(0, [10]), (300, [20])], B=[(0, [5])])
    )
    assert line.series == series


@pytest.mark.parametrize("text", ["ANOMALY_DETECTION_BAND(a)", "a if a else a", "RATE(a)"])
def test_metric_math_that_is_not_known_is_refused_and_never_drawn_wrongly(text: str) -> None:
    with pytest.raises(ValueError, match="does not know"):
        lines_of(widget(metric("A", id="a"), [{"expression": text, "label": ""}]), data(A=[(0, [1])]))


def test_a_search_finds_metrics_by_their_dimensions() -> None:
    def of(reason: str, stage: str = "test") -> dict[str, str]:
        return {"stage": stage, "integration": "shop", "reason": reason}

    values = {
        key_of("ErpHub", "Refused", of("BadSignature")): [(0, [2.0])],
        key_of("ErpHub", "Refused", of("Stale")): [(0, [1.0])],
        key_of("ErpHub", "Refused", of("Stale", "other")): [(0, [9.0])],
        key_of("ErpHub", "NotAccepted", of("Stale")): [(0, [9.0])],
        key_of("ErpHub", "Refused", {"stage": "test", "integration": "shop"}): [(0, [3.0])],
    }
    search = 'SEARCH(\'{ErpHub,integration,reason,stage} MetricName="Refused" stage="test" integration="shop"\', \'Sum\', 300)'

    lines = lines_of(widget([{"expression": search, "label": ""}]), Recorded(0, 600, "", values))
    assert [(line.label, line.series) for line in lines] == [("BadSignature", {0: 2}), ("Stale", {0: 1})]


LINES = [
    {"group": "/g", "at": 10, "flow": "a", "category": "TIMEOUT", "reason": "no answer"},
    {"group": "/g", "at": 30, "flow": "a", "category": "TIMEOUT", "reason": "no answer"},
    {"group": "/g", "at": 20, "flow": "b", "category": "INVALID", "error": "no item", "outcome": "dead"},
    {"group": "/g", "at": 40, "flow": "b", "outcome": "applied"},
]


def test_a_query_counts_by_what_it_names() -> None:
    query = (
        "SOURCE '/g' | SOURCE '/h' | filter ispresent(category) | fields coalesce(reason, error) as trouble "
        "| stats count(*) as times, max(@timestamp) as last by flow, category, trouble | sort times desc | limit 10"
    )

    columns, rows = answered(query, LINES)
    assert groups_of(query) == ["/g", "/h"]
    assert columns == ["flow", "category", "trouble", "times", "last"]
    assert [list(row.values()) for row in rows] == [
        ["a", "TIMEOUT", "no answer", 2, 30],
        ["b", "INVALID", "no item", 1, 20],
    ]


def test_a_query_keeps_what_it_asks_for() -> None:
    _, rows = answered('filter outcome in ["applied", "unchanged"] | stats count(*) as times by flow', LINES)

    assert rows == [{"flow": "b", "times": 1}]


@pytest.mark.parametrize("query", ["parse @message", "filter a like /x/", "fields strlen(a) as b"])
def test_a_query_that_is_not_known_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="does not know"):
        answered(query, LINES)
