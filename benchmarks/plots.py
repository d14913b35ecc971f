"""Draws latency and throughput over load."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # no screen
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator

INK, HUB, PLAIN, LATE = "#333333", "#1f6fb4", "#999999", "#d1603d"


def draw(details: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what was measured, and say which files that made."""
    drawn = []
    if loads := details.get("pipeline"):
        drawn.append(_pipeline(loads, folder / "pipeline.png"))
    if sites := details.get("throughput"):
        drawn.append(_throughput(sites, folder / "throughput.png"))
    if costs := details.get("cost"):
        drawn.append(_cost(costs, folder / "cost.png"))
    return drawn


def _pipeline(loads: list[dict[str, Any]], file: Path) -> Path:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    senders = [each["senders"] for each in loads]
    left.plot(senders, [each["accepted_per_second"] for each in loads], "o-", color=HUB, label="accepted (2xx)")
    left.plot(
        senders, [each["applied_per_second"] for each in loads], "s--", color=LATE, label="applied, in the ledger"
    )
    left.set(title="Throughput on the local AWS", ylabel="events per second")
    for name, style, colour, label in (
        ("ack_p50", "o-", HUB, "acknowledged, p50"),
        ("ack_p99", "o:", HUB, "acknowledged, p99"),
        ("way_p50", "s-", LATE, "in the ledger, p50"),
        ("way_p99", "s:", LATE, "in the ledger, p99"),
    ):
        right.plot(senders, [each[name] for each in loads], style, color=colour, label=label)
    right.set(title="Latency on the local AWS", ylabel="milliseconds", yscale="log")
    for axes in (left, right):
        axes.set_xlabel("senders at once")
        axes.set_xscale("log", base=2)
        axes.set_xticks(senders, [str(each) for each in senders])
        _tidy(axes)
    left.set_ylim(bottom=0)
    right.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    right.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    return _saved(figure, file)


def _throughput(sites: dict[str, dict[str, Any]], file: Path) -> Path:
    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    places = range(len(sites))
    for shift, name, colour, label in (
        (-0.2, "plain_per_second", PLAIN, "a plain closed loop"),
        (0.2, "hub_per_second", HUB, "through the hub"),
    ):
        bars = axes.bar(
            [place + shift for place in places],
            [each[name] for each in sites.values()],
            0.38,
            color=colour,
            label=label,
        )
        axes.bar_label(bars, fmt="%.1f", color=INK, padding=2)
    named = [f"{name.replace(', ', chr(10), 1)}\n{each['share']:.0%}" for name, each in sites.items()]
    axes.set_xticks(list(places), named, fontsize=9)
    axes.set(title="New orders into the same ERPNext", ylabel="orders per second")
    axes.margins(y=0.15)
    _tidy(axes, below=0.2)
    return _saved(figure, file)


def _cost(costs: dict[str, dict[str, float]], file: Path) -> Path:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    rates = [float(rate) for rate in costs]
    axes.plot(rates, [each["all"] for each in costs.values()], "s--", color=LATE, label="with 90 days of storage")
    axes.plot(rates, [each["without_storage"] for each in costs.values()], "o-", color=HUB, label="without storage")
    axes.set(title="Modelled cost", xlabel="events per second", ylabel="USD per million events", xscale="log")
    axes.set_ylim(bottom=0)
    axes.set_xticks(rates, [f"{rate:,g}" for rate in rates])
    _tidy(axes)
    return _saved(figure, file)


def _tidy(axes: Any, below: float = 0.16) -> None:
    axes.minorticks_off()
    axes.grid(axis="y", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -below), ncols=2)  # below: it hides nothing


def _saved(figure: Any, file: Path) -> Path:
    figure.savefig(file, dpi=130)
    plt.close(figure)
    return file
