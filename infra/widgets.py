"""The widgets of a CloudWatch dashboard, as its JSON wants them, placed one after the other on 24 columns.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLUMNS = 24
MINUTES_5, DAY = 300, 86_400
BLUE, GREEN, ORANGE, RED, PURPLE, GREY, TEAL = (
    "#1f77b4",
    "#2ca02c",
    "#ff7f0e",
    "#d62728",
    "#9467bd",
    "#7f7f7f",
    "#17becf",
)
Row = list[Any]


def metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    stat: str,
    label: str = "",
    **options: Any,
) -> Row:
    """One metric of a widget. Options: id, visible, color, yAxis, period, region."""
    pairs = [part for pair in sorted(dimensions.items()) for part in pair]
    return [namespace, name, *pairs, {"stat": stat, **({"label": label} if label else {}), **options}]


def expression(text: str, label: str, **options: Any) -> Row:
    """Metric math over the ids of a widget's metrics."""
    return [{"expression": text, "label": label, **options}]


@dataclass
class Page:
    """A dashboard that is being written. `region` may be a token of the CDK."""

    region: str
    widgets: list[dict[str, Any]] = field(default_factory=list)
    _x: int = 0
    _y: int = 0
    _height: int = 0

    def text(self, markdown: str, width: int = COLUMNS, height: int = 1) -> None:
        """Words; `##` for a heading."""
        self._place("text", width, height, {"markdown": markdown, "background": "transparent"})

    def graph(
        self,
        title: str,
        rows: Sequence[Row],
        *,
        width: int = 8,
        height: int = 6,
        stat: str = "Sum",
        period: int = MINUTES_5,
        stacked: bool = False,
        left: str = "",
        limit: tuple[str, float] | None = None,
        zero: bool = True,
    ) -> None:
        """Lines, or stacked areas. `limit` draws a horizontal line where an alarm rings."""
        properties: dict[str, Any] = {
            "title": title,
            "view": "timeSeries",
            "stacked": stacked,
            "region": self.region,
            "stat": stat,
            "period": period,
            "metrics": list(rows),
            "yAxis": {"left": {"label": left, "showUnits": False, **({"min": 0} if zero else {})}},
        }
        if limit:
            label, value = limit
            properties["annotations"] = {"horizontal": [{"label": label, "value": value, "color": RED}]}
        self._place("metric", width, height, properties)

    def numbers(self, title: str, rows: Sequence[Row], *, width: int = 16, height: int = 4, period: int = DAY) -> None:
        """The latest value of each, large."""
        properties = {
            "title": title,
            "view": "singleValue",
            "region": self.region,
            "stat": "Sum",
            "period": period,
            "metrics": list(rows),
            "setPeriodToTimeRange": False,
        }
        self._place("metric", width, height, properties)

    def alarms(self, title: str, arns: Sequence[str], *, width: int = 8, height: int = 4) -> None:
        """The colours of alarms: green, red, or grey while nothing is known."""
        self._place("alarm", width, height, {"title": title, "alarms": list(arns)})

    def table(self, title: str, groups: Sequence[str], query: str, *, width: int = 12, height: int = 6) -> None:
        """What Logs Insights finds in log groups."""
        sources = " | ".join(f"SOURCE '{group}'" for group in groups)
        properties = {"title": title, "region": self.region, "view": "table", "query": f"{sources} | {query}"}
        self._place("log", width, height, properties)

    def body(self, hours: int = 3) -> dict[str, Any]:
        """The dashboard, showing so many hours until somebody chooses others."""
        return {"start": f"-PT{hours}H", "periodOverride": "inherit", "widgets": self.widgets}

    def _place(self, kind: str, width: int, height: int, properties: dict[str, Any]) -> None:
        if self._x + width > COLUMNS:
            self._x, self._y, self._height = 0, self._y + self._height, 0
        self.widgets.append(
            {"type": kind, "x": self._x, "y": self._y, "width": width, "height": height, "properties": properties}
        )
        self._x += width
        self._height = max(self._height, height)
