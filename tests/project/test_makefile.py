"""The commands of the README exist, explain themselves, and say in one sentence what a machine lacks."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
WITHOUT_SETUP = {"help", "setup", "environments", "lock", "clean"}  # these need nothing installed, or install it


def rules() -> dict[str, str]:
    """The targets that people call, with what each depends on."""
    return dict(re.findall(r"^([a-z-]+): ?([^#\n]*)", MAKEFILE, flags=re.MULTILINE))


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as a person would, though `make test` may have started this."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=own, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make setup` reads first, in a folder where nothing is installed."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "uv.txt").write_text("this is no requirement\n")
    return tmp_path


def test_without_a_target_it_lists_every_target_with_its_purpose() -> None:
    listed = make(ROOT).stdout
    targets = set(rules()) - {"environments"}

    assert {"run", "demo", "test", "check", "deploy", "destroy"} <= targets
    assert {target for target in targets if not re.search(rf"^  {target} +\S", listed, flags=re.MULTILINE)} == set()


def test_every_command_sets_itself_up() -> None:
    assert {target for target, needs in rules().items() if "setup" not in needs.split()} == WITHOUT_SETUP


def test_the_commands_of_the_readme_exist() -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)\b", (ROOT / "README.md").read_text()))

    assert named
    assert named <= set(rules())


def test_synth_says_what_it_has_written(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "cdk.out").mkdir()
    for name in (
        "hub-staging.template.json",
        "hubstagingshopeu1.nested.template.json",
        "hubother2.nested.template.json",
    ):
        (tmp_path / "cdk.out" / name).touch()

    said = make(tmp_path, "synth", "--assume-old=setup", "CDK=true", "STAGE=staging")

    assert said.stdout == (
        "Stage staging is written to cdk.out: hub-staging.template.json and 1 nested templates that it names.\n"
    ), said.stderr


def test_a_machine_without_a_python_that_is_new_enough_is_told_so(checkout: Path) -> None:
    answer = make(checkout, "environments", "PYTHON=")

    assert answer.returncode != 0
    assert answer.stdout == (
        "Python 3.11 or newer is needed and was not found: install it (Debian 12, Ubuntu 24.04 or newer: "
        "apt-get install python3 python3-venv), then run make again.\n"
    )


def test_a_python_without_venv_is_told_so(checkout: Path) -> None:
    python = checkout / "python-without-venv"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)

    answer = make(checkout, "environments", f"PYTHON={python}")

    assert answer.returncode != 0
    assert answer.stdout == (
        f"{python} lacks its venv module: install it (Debian or Ubuntu: apt-get install python3-venv), "
        "then run make again.\n"
    )


@pytest.mark.slow
def test_a_step_that_fails_shows_the_end_of_its_log(checkout: Path) -> None:
    answer = make(checkout, "environments")

    assert answer.returncode != 0
    assert "✗ failed: .tools: uv, which installs the rest; the end of .local/setup-.tools.log:" in answer.stdout
    assert "this is no requirement" in answer.stdout
    assert not (checkout / ".tools" / ".ready").exists()


def test_a_python_that_is_too_old_is_not_taken(tmp_path: Path) -> None:
    chosen = re.search(r"PYTHON \?= \$\(shell (.+?\bdone)\)", MAKEFILE, flags=re.DOTALL)
    assert chosen
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # what a Python 3.10 answers to the version question
    old.chmod(0o755)
    new = tmp_path / "python3.12"
    new.write_text("#!/bin/sh\nexit 0\n")
    new.chmod(0o755)
    script = chosen[1].replace("\\\n", " ").replace("$$", "$")

    answer = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert answer.stdout.strip() == "python3.12"
