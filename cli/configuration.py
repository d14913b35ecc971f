"""`hub config`: says whether a stage's configuration is right, before anything is deployed."""

import typer
from rich.console import Console

from cli.stage import ConfigOption, StageOption, settings_of

app = typer.Typer(help="Check a stage's configuration.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Check a stage's configuration."""


@app.command("check")
def check(stage: StageOption = None, config: ConfigOption = None) -> None:
    """Print every mistake in the configuration, with file, path and remedy. Exit code 1 where there is one."""
    settings = settings_of(stage, config)
    Console().print(
        f"The configuration of stage {settings.stage} is right: "
        f"integrations {', '.join(settings.integrations)}; flows {', '.join(settings.flows)}.",
        soft_wrap=True,
        highlight=False,
    )
