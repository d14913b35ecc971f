"""What runbooks and the troubleshooting page tell people to type can be typed."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app
from infra.configuration import ROOT

PAGES = sorted([*(ROOT / "docs/runbooks").glob("*.md"), ROOT / "docs/troubleshooting.md"])
TYPED = re.compile(r"^\$ hub (.*)$|`hub ([^`]+)`", flags=re.MULTILINE)


def commands() -> list[tuple[str, str, bool]]:
    """Each page's commands, and whether it is to be typed as it stands; else it may be spoken of by its name alone."""
    found = []
    for page in PAGES:
        for block, inline in TYPED.findall(page.read_text("utf-8")):
            found.append((page.name, block or inline, bool(block)))
    return found


def parse(words: list[str], *, whole: bool) -> None:
    """Raise what the command line would refuse, where words follow the name or all must be there."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "resolve_command") and words and not words[0].startswith("-"):
        _, command, words = command.resolve_command(command.context_class(command, info_name="hub"), words)
    if (whole or words) and words != ["--help"]:
        command.make_context("hub", words)


@pytest.mark.parametrize(("page", "command", "whole"), commands(), ids=lambda value: str(value))
def test_a_command_of_a_page_can_be_typed(page: str, command: str, whole: bool) -> None:
    parse(shlex.split(command, comments=True), whole=whole)


def test_pages_tell_commands() -> None:
    assert {Path(page).name for page, _, _ in commands()} == {page.name for page in PAGES}
