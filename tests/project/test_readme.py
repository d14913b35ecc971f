"""What the README and the docs tell people to type and to open exists."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from connectors import connector_names

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted(ROOT.glob("functions/connectors/*/README.md")),
]
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
FOLDERS = ("functions/", "infra/", "cli/", "config/", "tests/", "docs/", "benchmarks/")
MADE_BY_USERS = {"config/staging.yaml"}
SHAPES = re.compile(r"[<>*{}…]")  # config/<stage>.yaml is a shape, not a path


def typed(page: Path) -> list[str]:
    """Every line of a code block and every code span of a page."""
    text = page.read_text("utf-8")
    blocks = [line.split("#")[0].strip() for block in FENCE.findall(text) for line in block.splitlines()]
    return [line for line in blocks + SPAN.findall(FENCE.sub("", text)) if line]


def all_typed() -> list[tuple[Path, str]]:
    return [(page, line) for page in PAGES for line in typed(page)]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_make_target_that_is_named_exists() -> None:
    named = {target for _, line in all_typed() for target in re.findall(r"^make ([a-z][a-z-]*)", line)}

    assert named >= {"run", "demo", "test", "test-fast", "check", "deploy", "destroy", "help"}
    assert named - make_targets() == set()


def test_every_path_that_is_named_exists() -> None:
    words = {word.rstrip("/.,") for _, line in all_typed() for word in line.split() if word.startswith(FOLDERS)}
    paths = {word for word in words if not SHAPES.search(word)} - MADE_BY_USERS

    assert len(paths) > 10
    assert {path for path in paths if not (ROOT / path).exists()} == set()


COMMAND = re.compile(r"(?:^|\.venv/bin/)hub((?: [a-z][a-z-]*)+)")


def commands() -> set[tuple[str, ...]]:
    """Every `hub …` that a page names, as far as its words can be commands (at most two)."""
    found = set()
    for _, line in all_typed():
        for words in COMMAND.findall(line):
            found.add(tuple(words.split()[:2]))
    return found


def test_the_readme_names_commands() -> None:
    assert {
        ("send", "shop-eu"),
        ("config", "check"),
        ("secrets", "set"),
        ("setup", "erp"),
        ("events", "show"),
    } <= commands()


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_every_hub_command_that_is_named_exists(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [words[0], "--help"])

    assert result.exit_code == 0, result.output
    nested = CliRunner().invoke(app, [*words, "--help"])
    assert nested.exit_code == 0, nested.output


def test_every_connector_is_described_where_users_look() -> None:
    assert {page.parent.name for page in PAGES if page.parent.parent.name == "connectors"} == set(connector_names())
