"""Names say what a thing is, and files say nothing of the machine that they were written on."""

import ast
import re

import pytest

from tests.architecture.sources import ROOT, classes, modules, own_files, tree

NO_NOUNS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "base", "data"}
CODE = ("functions", "infra", "cli", "tests", "benchmarks")
# Written in pieces, so that this file does not hold what it forbids.
HOSTS = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry" + ".npmjs",
    "npmjs" + ".org",
    "registry" + ".yarnpkg",
    "jfrog" + ".io",
]
PLACES = ["/work/" + "main", "/work/" + "shared", "shared/" + "facts", "/t" + "mp/plan", "/ro" + "ot/", "/Us" + "ers/"]
TEXT = {".cfg", ".in", ".ini", ".json", ".md", ".mjs", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}


def words(name: str) -> set[str]:
    """`SqsEventQueue` and `sqs_event_queue` are the words sqs, event and queue."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)}


def test_no_file_or_folder_lacks_its_noun() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in modules(*CODE)
        for part in path.relative_to(ROOT).with_suffix("").parts
        if words(part) & NO_NOUNS
    ]

    assert not wrong


def test_no_class_lacks_its_noun() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules(*CODE)
        for name in classes(path)
        if words(name) & NO_NOUNS
    ]

    assert not wrong


def test_every_module_says_which_part_of_the_story_it_is() -> None:
    wrong = [
        str(path.relative_to(ROOT)) for path in modules(*CODE) if tree(path).body and not ast.get_docstring(tree(path))
    ]

    assert not wrong


@pytest.mark.parametrize("forbidden", [*HOSTS, *PLACES])
def test_no_file_names_a_registry_or_a_place_on_the_machine_it_was_written_on(forbidden: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in own_files()
        if path.suffix in TEXT
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if forbidden in line
    ]

    assert not wrong


def test_the_lock_file_bears_no_addresses() -> None:
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text("utf-8")


def test_files_were_looked_at() -> None:
    looked_at = {path.relative_to(ROOT).as_posix() for path in own_files()}

    assert {"README.md", "Makefile", "requirements/lambda.txt", "tests/architecture/test_names.py"} <= looked_at
    assert not [path for path in looked_at if path.startswith((".venv", "node_modules", "build", "cdk.out", ".local"))]
