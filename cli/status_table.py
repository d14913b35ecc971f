"""Draws `hub status` in 80 columns: three tables, and below each what is wrong in sentences."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.flow import COLOURS as FLOW_COLOURS
from cli.flow import SAID
from cli.sync import COLOURS as STREAM_COLOURS
from cli.sync import ago

if TYPE_CHECKING:
    from cli.status import Being, Everything, Moving, Reading

COLOURS = {"healthy": "green", "degraded": "yellow", "down": "red", "unknown": "magenta"}
BARS = "▁▂▃▄▅▆▇█"
DOWN = "✗"
UNMEASURED = "·"
OLD_SECONDS = 900  # an event that waits longer is shown as trouble
LATE_SECONDS = 60
NOTABLE = {
    "slower": "its calls take longer than they did",
    "unsteady": "it was down in between, within the last checks",
    "recovering": "it is just back",
}


def drawn(everything: "Everything") -> RenderableType:
    """The whole, for a terminal."""
    now = everything.at
    parts: list[RenderableType] = [
        Text(f"Stage {everything.stage} at {now:%Y-%m-%d %H:%M:%S} UTC", style="bold"),
        Text(),
        _integrations(everything.integrations, now),
        *_sentences(_about_integrations(everything.integrations)),
        _flows(everything.flows, now),
        *_sentences(_about_flows(everything.flows)),
    ]
    if everything.streams:
        parts += [_streams(everything.streams, now), *_sentences(_about_streams(everything.streams))]
    return Group(*parts)


def sparkline(beats: Sequence[tuple[str, str, int | None]], slow_milliseconds: int) -> Text:
    """The last checks: a bar's height is the time that the call took (a full one is slow), its colour the status."""
    line = Text()
    for _, status, milliseconds in beats:
        if status == "down":
            bar = DOWN
        elif milliseconds is None:
            bar = UNMEASURED
        else:
            bar = BARS[min(len(BARS) - 1, int(milliseconds / slow_milliseconds * (len(BARS) - 1)))]
        line.append(bar, style=COLOURS[status])
    return line


def lasting(seconds: float) -> str:
    """A time in as few characters as tell it: 45 s, 12 min, 3 h, 2 d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _integrations(rows: Sequence["Being"], now: datetime) -> Table:
    table = _table("integration", "health", "trend", ">ms", ">up", ">healthy")
    for row in rows:
        up = "" if row.availability is None else f"{int(row.availability * 1000) / 10:g}%"
        table.add_row(
            row.integration,
            Text(row.status, style=COLOURS[row.status]),
            sparkline(row.beats, row.slow_milliseconds),
            "" if row.milliseconds is None else f"{row.milliseconds:,}",
            up,
            ago(row.healthy, now) or "never",
        )
    return table


def _flows(rows: Sequence["Moving"], now: datetime) -> Table:
    table = _table("flow", "state", ">waiting", ">age", ">parked", ">dead", ">applied")
    for row in rows:
        flow, age = row.flow, row.age_seconds
        is_old = age is not None and age > OLD_SECONDS
        table.add_row(
            flow.flow,
            Text(flow.state, style=FLOW_COLOURS[flow.state]),
            f"{flow.waiting + flow.in_work}",
            Text("?" if age is None else lasting(age) if age else "", style="red" if is_old else ""),
            f"{flow.parked}",
            Text(f"{flow.dead_letters}", style="red" if flow.dead_letters else ""),
            ago(row.applied, now),
        )
    return table


def _streams(rows: Sequence["Reading"], now: datetime) -> Table:
    table = _table("stream", "state", ">last run", ">late", ">rows")
    for row in rows:
        stream, late = row.stream, row.late_seconds or 0.0
        table.add_row(
            f"{stream.integration}/{stream.stream}",
            Text(stream.state, style=STREAM_COLOURS[stream.state]),
            ago(stream.last_run, now) or "never",
            Text(lasting(late) if late > LATE_SECONDS else "", style="red"),
            f"{stream.rows:,}" if stream.last_run else "",
        )
    return table


def _table(*headings: str) -> Table:
    """Right-aligned where a heading begins with >. A name that is too long for 80 columns is cut, never folded."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)  # the box itself parts columns by a space
    for place, heading in enumerate(headings):
        right = heading.startswith(">")
        table.add_column(
            heading.removeprefix(">"),
            no_wrap=place > 0,  # the first column gives way first
            overflow="ellipsis",
            justify="right" if right else "left",
        )
    return table


def _about_integrations(rows: Sequence["Being"]) -> Iterator[Text]:
    """What is true of several is said once."""
    alike: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.why:
            alike.setdefault((row.why, row.status), []).append(row.integration)
    for (why, status), integrations in alike.items():
        yield Text(f"{', '.join(integrations)}: {why}", style=COLOURS[status])
    for row in rows:
        if row.trend in NOTABLE and row.status != "unknown":
            yield Text(f"{row.integration}: {NOTABLE[row.trend]}", style="dim")


def _about_flows(rows: Sequence["Moving"]) -> Iterator[Text]:
    for row in rows:
        if row.flow.why:
            words = f"{row.flow.flow} {SAID[row.flow.state]}: {row.flow.why}"
            yield Text(words, style=FLOW_COLOURS[row.flow.state])
        if row.flow.asks:
            yield Text(row.flow.asks, style="red")


def _about_streams(rows: Sequence["Reading"]) -> Iterator[Text]:
    for row in rows:
        stream = row.stream
        if stream.why:
            verb = "is paused by" if stream.state == "paused" else "failed:"
            words = f"{stream.integration}/{stream.stream} {verb} {stream.why}"
            yield Text(words, style=STREAM_COLOURS[stream.state])


def _sentences(texts: Iterator[Text]) -> list[RenderableType]:
    found: list[RenderableType] = [Padding(text, (0, 0, 0, 2)) for text in texts]
    return [*found, Text()] if found else []
