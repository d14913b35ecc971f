"""`hub config`: says whether a stage's configuration is right, before anything is deployed."""

from collections.abc import Iterator
from itertools import permutations

import typer
from rich.console import Console

from cli.stage import ConfigOption, StageOption, settings_of
from hub.config import Config
from infra.ownership import divided

app = typer.Typer(help="Check a stage's configuration.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Check a stage's configuration."""


@app.command("check")
def check(stage: StageOption = None, config: ConfigOption = None) -> None:
    """Print every mistake in the configuration, with file, path and remedy, and what is right but idle. Exit code 1
    where there is a mistake."""
    settings = settings_of(stage, config)
    Console().print(
        f"The configuration of stage {settings.stage} is right: "
        f"integrations {', '.join(settings.integrations)}; flows {', '.join(settings.flows)}.",
        soft_wrap=True,
        highlight=False,
    )
    for told in [*_idle(settings), *_perhaps_the_same(settings)]:
        Console().print(f"Look at {told}", style="yellow", soft_wrap=True, highlight=False, markup=False)


def _idle(settings: Config) -> Iterator[str]:
    for name, flow in settings.flows.items():
        if not divided(settings, flow).actions:
            yield (
                f"flow {name}: no event of {flow.source} leads to an action of {flow.destination}, so that all of them end "
                "as ignored. That is right where they are only to be received."
            )


def _perhaps_the_same(settings: Config) -> Iterator[str]:
    """A system that is written to, and one that writes to its source, are often two names of one."""
    for there, back in permutations(settings.flows.values(), 2):
        stated = settings.integrations[back.source].same_as
        if there.source == back.destination and back.source != there.destination and not stated:
            yield (
                f"integration {back.source}: events of it go to {back.destination}, whose own go to {there.destination}. If "
                f"{back.source} is the same system, add `same_as: {there.destination}`: only then it is checked who owns "
                "what both write, and nothing goes round in circles."
            )
