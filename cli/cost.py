"""`hub cost`: what a stage costs at a number of events a day, by component, how that grows, and what it costs idle."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from cli.costs.deployment import deployment_of
from cli.costs.model import DAY_SECONDS, STORAGE, Cost, Counts, Deployment, Prices, checked, cost, idle, naive
from cli.stage import ConfigOption, StageOption, settings_of

FOLDER = Path(__file__).with_name("costs")
RATES = (1.0, 10.0, 100.0, 1_000.0)  # events per second
MILLION = 1_000_000.0


def read_prices() -> Prices:
    """The prices that are kept with the hub."""
    return Prices(**checked(tomllib.loads((FOLDER / "prices.toml").read_text("utf-8")), Prices))  # type: ignore[arg-type]


def read_counts() -> Counts:
    """What `make bench` counted."""
    return Counts(**checked(json.loads((FOLDER / "counts.json").read_text("utf-8")), Counts))  # type: ignore[arg-type]


def show_cost(
    events_per_day: Annotated[float, typer.Option("--events-per-day", min=1, help="Of all sources together.")] = 10_000,
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show what a stage costs per month at so many events a day, by component; per million events at growing rates,
    beside a naive design; and what it costs while nothing comes. Nothing is asked of AWS."""
    settings = settings_of(stage, config)
    deployed, counts, prices = deployment_of(settings), read_counts(), read_prices()
    asked = cost(deployed, counts, prices, events_per_day / DAY_SECONDS)
    growing = [cost(deployed, counts, prices, rate) for rate in RATES]
    nothing = idle(deployed, counts, prices)
    if as_json:
        typer.echo(json.dumps(_as_json(asked, growing, nothing, deployed, counts, prices), indent=2))
        return
    _print(settings.stage, events_per_day, asked, growing, nothing, deployed, counts, prices)


def _as_json(
    asked: Cost, growing: list[Cost], nothing: Mapping[str, float], deployed: Deployment, counts: Counts, prices: Prices
) -> dict[str, Any]:
    return {
        "per_month": _told(asked),
        "per_million_events": [
            {"events_per_second": each.traffic.events_per_second, "usd": round(each.per_million(), 4)}
            | {"without_storage": round(each.per_million(without=STORAGE), 4), **_told(each)}
            for each in growing
        ],
        "idle_per_month": {**_rounded(nothing), "total": round(sum(nothing.values()), 4)},
        "deployment": asdict(deployed),
        "counts": asdict(counts),
        "prices": asdict(prices),
    }


def _told(each: Cost) -> dict[str, Any]:
    batches = {"batch": round(each.traffic.batch, 2), "full_batches": each.traffic.full_batches}
    return {
        "events": _rounded(each.events),
        "fixed": _rounded(each.fixed),
        "total": round(each.per_month, 4),
        **batches,
    }


def _rounded(components: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in components.items()}


def _print(
    stage: str,
    events_per_day: float,
    asked: Cost,
    growing: list[Cost],
    nothing: Mapping[str, float],
    deployed: Deployment,
    counts: Counts,
    prices: Prices,
) -> None:
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, title=f"Stage {stage}, USD", title_justify="left")
    table.add_column("component")
    heads = [f"{events_per_day:,.0f} a day,\nper month", *(f"{rate:,g}/s, per\nmillion" for rate in RATES)]
    for head in heads:
        table.add_column(head, justify="right")
    for kind in ("events", "fixed"):
        for name in getattr(asked, kind):
            shares = [getattr(each, kind)[name] / _millions(each) for each in growing]
            said = f"{name} (fixed)" if kind == "fixed" else name
            table.add_row(said, *(f"{value:,.2f}" for value in (getattr(asked, kind)[name], *shares)))
        table.add_section()
    table.add_row("all", f"{asked.per_month:,.2f}", *(f"{each.per_million():,.2f}" for each in growing), style="bold")
    beside = [f"{each.per_million(without=STORAGE):,.2f}" for each in growing]
    table.add_row("all but storage", f"{asked.per_month - asked.events[STORAGE]:,.2f}", *beside)
    plain = [
        sum(naive(prices, counts, rate).values()) / (_millions(each)) for rate, each in zip(RATES, growing, strict=True)
    ]
    table.add_row("a naive design (without storage)", "", *(f"{value:,.2f}" for value in plain), style="dim")
    table.add_row(
        "events per batch",
        f"{asked.traffic.batch:.1f}",
        *(f"{each.traffic.batch:.1f}" for each in growing),
        style="dim",
    )
    console.print(table)
    parts = ", ".join(f"{name.lower()} {value:,.2f}" for name, value in nothing.items() if value)
    idle_told = f"Idle it costs {sum(nothing.values()):,.2f} USD a month: {parts}."
    full = (
        f"{deployed.flows} flows × {deployed.max_concurrency} functions × {deployed.workers} workers; where batches are full, "
        "more may come than these bring into the destinations: give the flows more of them, if the destinations bear it."
    )
    assumed = (
        f"Prices of {prices.region}, read on {prices.read_on}; counts of {counts.measured_on} (make bench); a call to the "
        f"destination is assumed to take {counts.erpnext_call_seconds * 1000:.0f} ms. The free tier is not taken off."
    )
    for line in (idle_told, full, assumed):
        console.print(line, soft_wrap=True)


def _millions(each: Cost) -> float:
    """The millions of events of its month."""
    return each.per_month / each.per_million()
