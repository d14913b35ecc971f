"""A dashboard as one picture, and as one HTML page that needs nothing from elsewhere."""

import html
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from cli.dashboard import drawn
from cli.dashboard.calculated import lines_of
from cli.dashboard.recorded import Metrics

COLUMN_INCHES, ROW_INCHES, DPI = 0.8, 0.52, 100
HEAD_INCHES = 0.35  # a widget's title
FOOT_INCHES = 0.62  # the labels of a graph's time axis and its legend
BACKGROUND = "#f2f3f3"
STYLE = """
body{margin:16px;background:#f2f3f3;color:#16191f;font:14px/1.4 system-ui,sans-serif}
main{display:grid;grid-template-columns:repeat(24,1fr);gap:10px;max-width:1900px}
section{background:#fff;border:1px solid #d5dbdb;border-radius:6px;padding:8px 12px;overflow:auto}
section.text{background:none;border:none;padding:0}
h1{margin:0;font-size:24px}h2{margin:0 0 6px;font-size:13px}p{margin:4px 0;color:#687078}
svg{width:100%;height:auto;display:block}
table{border-collapse:collapse;font-size:12px;width:100%}th{text-align:left;color:#687078;font-weight:400}
td,th{padding:2px 10px 2px 0;vertical-align:top;border-bottom:1px solid #f2f3f3}
.numbers{display:flex;flex-wrap:wrap;gap:8px 28px}.numbers b{font-size:28px;font-weight:400;display:block}
.numbers span{color:#687078;font-size:12px}
.chip{color:#fff;border-radius:4px;padding:1px 6px;font-size:11px;font-weight:700;margin-right:6px}
ul{list-style:none;margin:0;padding:0;columns:2;font-size:12px}li{margin:3px 0;break-inside:avoid}
footer{color:#687078;margin-top:10px;font-size:12px}
"""


def picture(name: str, body: Mapping[str, Any], data: Metrics, path: Path) -> None:
    """Write a dashboard as PNG."""
    widgets = body["widgets"]
    rows = max(each["y"] + each["height"] for each in widgets) + 1
    width, height = 24 * COLUMN_INCHES, rows * ROW_INCHES
    figure = Figure(figsize=(width, height), facecolor=BACKGROUND)
    FigureCanvasAgg(figure)
    for widget in widgets:
        left, top = widget["x"] * COLUMN_INCHES, height - widget["y"] * ROW_INCHES
        wide, high = widget["width"] * COLUMN_INCHES, widget["height"] * ROW_INCHES
        is_text = widget["type"] == "text"
        if not is_text:
            figure.patches.append(_card(figure, (left, top - high, wide, high), (width, height)))
            title = widget["properties"]["title"]
            figure.text((left + 0.16) / width, (top - 0.12) / height, title, va="top", fontsize=9, fontweight="bold", color=drawn.INK)  # fmt: skip
        is_graph = widget["properties"].get("view") == "timeSeries"
        inner = (
            left + (0.55 if is_graph else 0.2),
            top - high + (FOOT_INCHES if is_graph else 0.12),
            wide - (0.95 if is_graph else 0.4),
            high - HEAD_INCHES * (not is_text) - (FOOT_INCHES if is_graph else 0.12) - 0.06,
        )
        axes = figure.add_axes((inner[0] / width, inner[1] / height, inner[2] / width, inner[3] / height))
        axes.set_facecolor("none")
        drawn.draw(axes, widget, data)
    figure.text(0.2 / width, 0.12 / height, _foot(name, data), fontsize=8, color=drawn.FAINT)
    figure.savefig(path, dpi=DPI, facecolor=BACKGROUND)


def _card(figure: Figure, box: tuple[float, float, float, float], whole: tuple[float, float]) -> FancyBboxPatch:
    (left, bottom, wide, high), (width, height) = box, whole
    gap = 0.05
    return FancyBboxPatch(
        ((left + gap) / width, (bottom + gap) / height),
        (wide - 2 * gap) / width,
        (high - 2 * gap) / height,
        boxstyle="square,pad=0",
        facecolor="white",
        edgecolor=drawn.EDGE,
        linewidth=0.8,
        transform=figure.transFigure,
        figure=figure,
        zorder=-1,
    )


def page(name: str, body: Mapping[str, Any], data: Metrics, path: Path) -> None:
    """Write a dashboard as HTML."""
    cells = "\n".join(_section(widget, data) for widget in body["widgets"])
    path.write_text(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(name)}</title>'
        f"<style>{STYLE}</style></head><body><main>\n{cells}\n</main>"
        f"<footer>{html.escape(_foot(name, data))}</footer></body></html>\n",
        "utf-8",
    )


def _section(widget: Mapping[str, Any], data: Metrics) -> str:
    properties = widget["properties"]
    place = f"grid-column:span {widget['width']}"
    if widget["type"] == "text":
        heading, *rest = properties["markdown"].split("\n")
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(rest))
        return f'<section class="text" style="{place}"><h1>{html.escape(heading.lstrip("# "))}</h1><p>{html.escape(plain)}</p></section>'
    return f'<section style="{place}"><h2>{html.escape(properties["title"])}</h2>{_inner(widget, data)}</section>'


def _inner(widget: Mapping[str, Any], data: Metrics) -> str:
    properties = widget["properties"]
    if widget["type"] == "alarm":
        chips = (
            f'<li><span class="chip" style="background:{fill}">{html.escape(state)}</span>{html.escape(name)}</li>'
            for name, state, fill in drawn.states_of(properties, data)
        )
        return f"<ul>{''.join(chips)}</ul>"
    if widget["type"] == "log":
        columns, rows = drawn.rows_of(properties, data)
        head = "".join(f"<th>{html.escape(each)}</th>" for each in columns)
        lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<table><tr>{head}</tr>{lines}</table>" if rows else "<p>nothing found</p>"
    if properties["view"] == "singleValue":
        lines = "".join(
            f"<div><b>{drawn.number(drawn.latest(line))}</b><span>{html.escape(line.label)}</span></div>"
            for line in lines_of(properties, data)
        )
        return f'<div class="numbers">{lines}</div>'
    return _svg(widget, data)


def _svg(widget: Mapping[str, Any], data: Metrics) -> str:
    wide, high = widget["width"] * COLUMN_INCHES, widget["height"] * ROW_INCHES
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "hub", "font.family": "sans-serif"}):
        figure = Figure(figsize=(wide, high))
        axes = figure.add_axes((0.09, FOOT_INCHES / high, 0.85, 1 - (FOOT_INCHES + 0.1) / high))
        drawn.draw(axes, widget, data)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return re.sub(
        r"\b(id=\"|#)(?=[a-z])", rf"\g<1>w{widget['x']}-{widget['y']}-", text
    )  # ids are the page's, not the picture's


def _foot(name: str, data: Metrics) -> str:
    return f"{name} · {data.of} · {drawn.at(data.begin)} to {drawn.at(data.end)} UTC"
