"""`hub dashboard render`: each dashboard as a picture and a page, from its definition and metric data."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.dashboard.definitions import Definitions, in_templates, synthesized
from cli.dashboard.live import Live
from cli.dashboard.logged import Logged
from cli.dashboard.recorded import Metrics, read
from cli.dashboard.states import states
from cli.failure import Failed
from cli.stage import LOCAL, ConfigOption, StageOption, open_stage, settings_of

SAMPLE = Path(__file__).with_name("sample.json")

app = typer.Typer(help="Draw the hub's dashboards.", no_args_is_help=True)


@app.callback()
def _only() -> None:
    """Draw the hub's dashboards."""


@app.command("render")
def render(
    out: Annotated[Path, typer.Option("--out", help="The folder for the pictures and pages.")],
    dashboard: Annotated[str | None, typer.Option("--dashboard", help="Only this one, such as hub-local-erp.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Recorded metric data; without it, that of a run of the local hub.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="CloudWatch's own data instead.")] = False,
    hours: Annotated[
        float | None, typer.Option("--hours", min=0.1, help="How far back: 3 with --live, else all that is recorded.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", help="The last moment (UTC) that is shown, of what is recorded.")
    ] = None,
    templates: Annotated[
        Path | None, typer.Option("--templates", help="Synthesized templates (cdk.out), instead of synthesizing now.")
    ] = None,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Draw each dashboard as its template defines it: <name>.png, and <name>.html, which needs nothing else."""
    from cli.dashboard.pages import page, picture  # loads matplotlib

    settings = settings_of(stage, config)
    defined = in_templates(templates, settings.stage) if templates else synthesized(settings)
    shown = {name: body for name, body in defined.dashboards.items() if dashboard in (None, name)}
    if not shown:
        raise Failed(f"There is no dashboard {dashboard!r}; there are: {', '.join(defined.dashboards)}.")
    if live:
        opened = open_stage(stage, config)
        source: Metrics
        clients, now = (opened.cloudwatch(), opened.logs()), datetime.now(UTC)
        if settings.stage == LOCAL:  # the local AWS makes no metrics of logs
            source = Logged(*clients, now, hours or 3, LOCAL, defined)
        else:
            source = Live(*clients, now, hours or 3)
    else:
        source = _recorded(data or SAMPLE, defined, hours, until)
    out.mkdir(parents=True, exist_ok=True)
    for name, body in shown.items():
        picture(name, body, source, out / f"{name}.png")
        page(name, body, source, out / f"{name}.html")
        typer.echo(f"{out / name}.png and .html: {len(body['widgets'])} widgets")


def _recorded(path: Path, defined: Definitions, hours: float | None, until: datetime | None) -> Metrics:
    """Recorded data, or a part of it; the states of its alarms follow from their definitions where none are recorded."""
    found = read(path)
    if until:
        found = replace(found, end=int(until.replace(tzinfo=UTC).timestamp()), alarms={})
    if hours:
        found = replace(found, begin=int(found.end - hours * 3600))
    return replace(found, alarms={**states(defined, found), **found.alarms})
