"""The lines of a widget: its metrics, its metric math and its searches, worked out on metric data.

Of CloudWatch's metric math this knows what the hub's dashboards use.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cli.dashboard.recorded import Metrics, Series, key_of

SEARCH = re.compile(r"SEARCH\('\{(?P<schema>[^}]+)\} (?P<terms>.*)', '(?P<stat>[^']+)', (?P<period>\d+)\)$")
TERM = re.compile(r'(\w+)="([^"]*)"')
OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right if right else float("nan"),
}
Value = Series | float


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a widget. `color` is "" where the widget leaves it open."""

    label: str
    series: Series
    color: str = ""
    on_the_right: bool = False


def lines_of(properties: Mapping[str, Any], data: Metrics) -> list[Line]:
    """The visible lines of a metric widget."""
    known: dict[str, Value] = {}
    metric_ids: set[str] = set()
    lines = []
    previous: list[Any] = []
    for row in properties["metrics"]:
        options = dict(row[-1]) if isinstance(row[-1], dict) else {}
        period = int(options.get("period", properties.get("period", 300)))
        found: list[tuple[str, Series]]
        if "expression" in options:
            found = _calculated(options, known, metric_ids, data, period)
        else:
            parts = [each for each in row if not isinstance(each, dict)]
            parts = [previous[at] if each == "." else each for at, each in enumerate(parts)]
            previous = parts
            key = key_of(parts[0], parts[1], dict(zip(parts[2::2], parts[3::2], strict=True)))
            stat = options.get("stat", properties.get("stat", "Average"))
            series = data.series(key, stat, period, options.get("region", ""))
            found = [(options.get("label", parts[1]), series)]
            metric_ids.add(options.get("id", ""))
        if options.get("id") and found:
            known[options["id"]] = found[0][1]
        if options.get("visible", True):
            right = options.get("yAxis") == "right"
            lines += [Line(label, series, options.get("color", ""), right) for label, series in found]
    return lines


def _calculated(
    options: Mapping[str, Any], known: Mapping[str, Value], metric_ids: set[str], data: Metrics, period: int
) -> list[tuple[str, Series]]:
    text, label = options["expression"], options.get("label", "")
    if search := SEARCH.match(text):
        return _searched(search, label, data)
    value = _Math(known, metric_ids, data, period).value(ast.parse(text, mode="eval").body)
    return [(label or text, value if isinstance(value, dict) else {data.end: value})]


def _searched(search: re.Match[str], label: str, data: Metrics) -> list[tuple[str, Series]]:
    namespace, *dimensions = search["schema"].split(",")
    terms = dict(TERM.findall(search["terms"]))
    name = terms.pop("MetricName", None)
    found: list[tuple[str, Series]] = []
    for key in data.found(namespace, frozenset(dimensions)):
        values = dict(key[2])
        if (name is None or key[1] == name) and all(values.get(each) == wanted for each, wanted in terms.items()):
            series = data.series(key, search["stat"], int(search["period"]))
            told = " ".join(value for each, value in key[2] if each not in terms)
            found.append((f"{label} {told}".strip(), series))
    return sorted(found)


class _Math:
    """Evaluates one expression. Raises ValueError for what it does not know: a dashboard must not show a wrong number."""

    def __init__(self, known: Mapping[str, Value], metric_ids: set[str], data: Metrics, period: int) -> None:
        self._known, self._metric_ids, self._data, self._period = known, metric_ids, data, period

    def value(self, node: ast.expr) -> Value:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        if isinstance(node, ast.Name):
            return self._known[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return _joined(OPERATORS[type(node.op)], self.value(node.left), self.value(node.right))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._called(node.func.id, node.args)
        raise ValueError(f"metric math that this does not know: {ast.unparse(node)}")

    def _called(self, function: str, arguments: Sequence[ast.expr]) -> Value:
        if function == "SUM":
            return _sum(self._list(arguments[0]))
        (first, *others) = [self.value(each) for each in arguments]
        if function == "TIME_SERIES":
            return first
        if not isinstance(first, dict):
            raise ValueError(f"{function} takes a time series")
        if function == "FILL":
            (value,) = others
            return {at: first.get(at, _number(value)) for at in self._periods()}
        if function == "EPOCH":
            return {at: float(at) for at in first}
        if function == "MAX":
            return max(first.values(), default=float("nan"))
        if function == "DIFF":
            ordered = sorted(first.items())
            pairs = pairwise(ordered)
            return {at: value - before for (_, before), (at, value) in pairs}
        raise ValueError(f"metric math that this does not know: {function}")

    def _list(self, node: ast.expr) -> list[Series]:
        if isinstance(node, ast.List):
            values = [self.value(each) for each in node.elts]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "METRICS":
            (part,) = [each.value for each in node.args if isinstance(each, ast.Constant)]
            values = [value for name, value in self._known.items() if name in self._metric_ids and str(part) in name]
        else:
            values = [self.value(node)]
        return [value for value in values if isinstance(value, dict)]

    def _periods(self) -> range:
        begin = self._data.begin - self._data.begin % self._period
        return range(begin, self._data.end + 1, self._period)


def _number(value: Value) -> float:
    if isinstance(value, dict):
        raise ValueError("a number was expected, not a time series")
    return value


def _joined(join: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Two series are joined where both have a value, as CloudWatch does."""
    if isinstance(left, dict) and isinstance(right, dict):
        return {at: join(left[at], right[at]) for at in left if at in right}
    if isinstance(left, dict):
        return {at: join(value, _number(right)) for at, value in left.items()}
    if isinstance(right, dict):
        return {at: join(_number(left), value) for at, value in right.items()}
    return join(left, right)


def _sum(several: Sequence[Series]) -> Series:
    moments = sorted({at for each in several for at in each})
    return {at: sum(each.get(at, 0.0) for each in several) for at in moments}
