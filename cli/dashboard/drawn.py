"""Draws widgets with matplotlib: graphs, numbers, the colours of alarms, tables and words."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import FuncFormatter

from cli.dashboard.calculated import Line, lines_of
from cli.dashboard.queried import answered, groups_of
from cli.dashboard.recorded import Metrics

INK, FAINT, EDGE = "#16191f", "#687078", "#d5dbdb"
PALETTE = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#7f7f7f")
STATES = {"OK": ("#1d8102", "OK"), "ALARM": ("#d13212", "ALARM"), "INSUFFICIENT_DATA": ("#879596", "no data")}
MOST_IN_LEGEND = 8
CHARACTERS = 128  # of a table's row
DAY_SECONDS = 86_400
MOST_PERIODS_APART = 6


def number(value: float) -> str:
    """A number as people read it: 0.043, 12.5, 1,204, 3.4 M."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:,.1f} M"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def at(seconds: float) -> str:
    """A moment as the dashboards show it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %H:%M")


def colour(line: Line, place: int) -> str:
    """A line's own colour, or one of the palette's."""
    return line.color or PALETTE[place % len(PALETTE)]


def graph(axes: Axes, properties: Mapping[str, Any], data: Metrics) -> None:
    """A time series: lines, or stacked bars; and the threshold of its alarm, if one is drawn."""
    lines = [line for line in lines_of(properties, data) if line.series]
    period = int(properties["period"])
    _frame(axes, data, period)
    right = axes.twinx() if any(line.on_the_right for line in lines) else None
    _plot(axes, [line for line in lines if not line.on_the_right], properties["stacked"], period, 0)
    if right:
        _plot(right, [line for line in lines if line.on_the_right], False, period, 1)
        right.tick_params(labelsize=7, colors=FAINT, length=0)
        right.spines[:].set_visible(False)
        right.set_ylim(bottom=0)
    top = max((value for line in lines if not line.on_the_right for value in line.series.values()), default=0.0)
    for note in properties.get("annotations", {}).get("horizontal", []):
        if top >= note["value"] * 0.3:  # else it would flatten what is drawn
            axes.axhline(note["value"], color=note["color"], linewidth=0.9, linestyle="--")
            axes.annotate(note["label"], (1, note["value"]), xycoords=("axes fraction", "data"), fontsize=6.5, ha="right", va="bottom", color=note["color"])  # fmt: skip
    axes.set_ylim(bottom=0, top=None if top else 1)
    if not lines:
        axes.text(0.5, 0.5, "nothing counted", transform=axes.transAxes, ha="center", color=FAINT, fontsize=8)
        return
    handles = [handle for each in (axes, right) if each for handle in each.get_legend_handles_labels()[0]]
    labels = [label for each in (axes, right) if each for label in each.get_legend_handles_labels()[1]]
    shown = labels[:MOST_IN_LEGEND] + (
        [f"… and {len(labels) - MOST_IN_LEGEND} more"] if len(labels) > MOST_IN_LEGEND else []
    )
    handles = handles[: len(shown)]
    axes.legend(handles, shown, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=6 if sum(len(each) for each in shown) < 50 else 4, fontsize=6.5, frameon=False, handlelength=1.2, columnspacing=1.2, labelcolor=INK)  # fmt: skip


def _frame(axes: Axes, data: Metrics, period: int) -> None:
    begin, end = data.begin, data.end
    if period >= DAY_SECONDS:  # whole days, of which the last has only begun
        begin, end = begin - begin % period - period // 2, end - end % period + period // 2 + period
    axes.set_xlim(_moment(begin), _moment(end))  # type: ignore[arg-type]  # matplotlib takes datetimes
    locator = AutoDateLocator(minticks=3, maxticks=7, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC, show_offset=False))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.tick_params(labelsize=7, colors=FAINT, length=0)
    axes.grid(axis="y", color=EDGE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(EDGE)


def _plot(axes: Axes, lines: Sequence[Line], stacked: bool, period: int, place: int) -> None:
    if not stacked:
        for offset, line in enumerate(lines):
            times, heights = _with_gaps(line.series, period)
            marker = "o" if len(line.series) < 60 else None
            axes.plot(times, heights, color=colour(line, place + offset), label=line.label, linewidth=1.4, marker=marker, markersize=2.6)  # type: ignore[arg-type]  # fmt: skip
        return
    below: dict[int, float] = {}
    for offset, line in enumerate(lines):
        moments = list(line.series)
        heights = [line.series[moment] for moment in moments]
        axes.bar(
            [_moment(moment) for moment in moments],  # type: ignore[arg-type]
            heights,
            width=period / DAY_SECONDS * (0.5 if period >= DAY_SECONDS else 0.9),
            bottom=[below.get(moment, 0.0) for moment in moments],
            color=colour(line, place + offset),
            label=line.label,
            align="center" if period >= DAY_SECONDS else "edge",
        )
        for moment, height in zip(moments, heights, strict=True):
            below[moment] = below.get(moment, 0.0) + height


def _with_gaps(series: Mapping[int, float], period: int) -> tuple[list[datetime], list[float]]:
    """A line ends where nothing was counted for a while: what was not measured is not drawn."""
    times: list[datetime] = []
    heights: list[float] = []
    before: int | None = None
    for moment, value in series.items():
        if before is not None and moment - before > MOST_PERIODS_APART * period:
            times.append(_moment(before + period))
            heights.append(math.nan)
        times.append(_moment(moment))
        heights.append(value)
        before = moment
    return times, heights


def numbers(axes: Axes, properties: Mapping[str, Any], data: Metrics) -> None:
    """The latest value of each line, large."""
    axes.axis("off")
    lines = lines_of(properties, data)
    columns = min(len(lines), 6)
    for place, line in enumerate(lines):
        x = (place % columns + 0.5) / columns
        value = number(latest(line))
        axes.text(x, 0.58, value, transform=axes.transAxes, ha="center", va="center", fontsize=25, color=INK)
        axes.text(x, 0.2, _wrapped(line.label, 20), transform=axes.transAxes, ha="center", va="center", fontsize=9, color=FAINT)  # fmt: skip


def latest(line: Line) -> float:
    """The last value of a line, nan where there is none."""
    return line.series[max(line.series)] if line.series else math.nan


def states_of(properties: Mapping[str, Any], data: Metrics) -> list[tuple[str, str, str]]:
    """The alarms of a widget, those that ring first: name, state in words, colour."""
    named = [arn.rsplit(":", 1)[-1] for arn in properties["alarms"]]
    order = list(STATES)
    told = [(name, data.alarm(name)) for name in named]
    told.sort(key=lambda each: (each[1] != "ALARM", order.index(each[1])))
    return [(name, STATES[state][1], STATES[state][0]) for name, state in told]


def alarms(axes: Axes, properties: Mapping[str, Any], data: Metrics) -> None:
    """A chip for each alarm."""
    axes.axis("off")
    told = states_of(properties, data)
    names = _without_common_start([name for name, _, _ in told])
    columns = 1 if len(told) <= 4 else 2 if len(told) <= 14 else 3
    rows = max(math.ceil(len(told) / columns), 4)
    for place, (name, (_, state, fill)) in enumerate(zip(names, told, strict=True)):
        x, y = (place // rows) / columns, 1 - (place % rows + 0.5) / rows
        axes.text(x + 0.01, y, state, transform=axes.transAxes, va="center", fontsize=7.5, color="white", fontweight="bold", bbox={"boxstyle": "round,pad=0.35", "facecolor": fill, "edgecolor": "none"})  # fmt: skip
        axes.text(
            x + (0.11 if columns == 1 else 0.095),
            y,
            _cut(name, 76 // columns),
            transform=axes.transAxes,
            va="center",
            fontsize=8,
            color=INK,
        )


def _without_common_start(names: Sequence[str]) -> list[str]:
    """`hub-production-` says nothing where all begin so."""
    heads = {re.match(r"hub-[a-z0-9]+-", name) for name in names}
    starts = {head[0] for head in heads if head}
    return [name.removeprefix(next(iter(starts))) for name in names] if len(starts) == 1 else list(names)


def rows_of(properties: Mapping[str, Any], data: Metrics) -> tuple[list[str], list[list[str]]]:
    """A table's headings and cells. A column in which nothing stands is left out."""
    query = properties["query"]
    columns, rows = answered(query, data.lines(groups_of(query)))
    columns = [name for name in columns if any(row.get(name) not in (None, "") for row in rows)] or columns
    return columns, [[_cell(name, row.get(name, "")) for name in columns] for row in rows]


def _cell(column: str, value: Any) -> str:
    return at(float(value)) if column == "last" and isinstance(value, int | float) else str(value)


def table(axes: Axes, properties: Mapping[str, Any], data: Metrics) -> None:
    """A table of text."""
    axes.axis("off")
    columns, rows = rows_of(properties, data)
    if not rows:
        axes.text(0.5, 0.5, "nothing found", transform=axes.transAxes, ha="center", color=FAINT, fontsize=8)
        return
    widest = [max(len(row[place]) for row in [columns, *rows]) for place in range(len(columns))]
    widths = [min(width, 24) for width in widest]
    longest = widest.index(max(widest))  # it gets what the others leave
    widths[longest] = min(widest[longest], CHARACTERS - sum(width + 2 for width in widths) + widths[longest])
    x, total = 0.0, max(sum(width + 2 for width in widths), CHARACTERS)
    for place, (heading, width) in enumerate(zip(columns, widths, strict=True)):
        axes.text(x, 1, heading, transform=axes.transAxes, va="top", fontsize=7, color=FAINT)
        for line, row in enumerate(rows[:10], 1):
            axes.text(x, 1 - line * 0.088, _cut(row[place], width), transform=axes.transAxes, va="top", fontsize=6.8, color=INK, family="monospace" if place == 0 else None)  # fmt: skip
        x += (width + 2) / total


def words(axes: Axes, properties: Mapping[str, Any], _data: Metrics) -> None:
    """Markdown's headings and words; its links without their targets."""
    axes.axis("off")
    heading, *rest = properties["markdown"].split("\n")
    axes.text(0.0, 0.72, heading.lstrip("# "), transform=axes.transAxes, va="center", fontsize=15, fontweight="bold", color=INK)  # fmt: skip
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(rest))
    axes.text(0.0, 0.22, plain, transform=axes.transAxes, va="center", fontsize=8.5, color=FAINT)


def draw(axes: Axes, widget: Mapping[str, Any], data: Metrics) -> None:
    """Any widget."""
    properties = widget["properties"]
    by_kind = {"text": words, "alarm": alarms, "log": table}
    if widget["type"] == "metric":
        (numbers if properties["view"] == "singleValue" else graph)(axes, properties, data)
    else:
        by_kind[widget["type"]](axes, properties, data)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _wrapped(text: str, most: int) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
