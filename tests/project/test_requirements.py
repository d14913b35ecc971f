"""Whatever is installed is pinned by hash, names no address, and comes from the *.in files that people edit."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
COMPILED = sorted(REQUIREMENTS.glob("*.txt"))
PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", flags=re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((REQUIREMENTS / f"{name}.txt").read_text()))


def asked_for(name: str) -> set[str]:
    lines = [line.split("#")[0].strip() for line in (REQUIREMENTS / f"{name}.in").read_text().splitlines()]
    return {re.split(r"[\[=<>;\s]", line)[0].lower() for line in lines if line and not line.startswith("-")}


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_every_package_is_pinned_and_hashed(path: Path) -> None:
    entries = [entry for entry in re.split(r"\n(?=\S)", path.read_text().strip()) if not entry.startswith("#")]

    assert entries
    assert [entry for entry in entries if not PIN.match(entry) or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("path", [*COMPILED, ROOT / "package-lock.json"], ids=lambda path: path.name)
def test_no_address_is_written_down(path: Path) -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links|\"resolved\"", path.read_text())


@pytest.mark.parametrize("name", [path.stem for path in COMPILED])
def test_what_is_asked_for_is_compiled(name: str) -> None:
    assert asked_for(name)
    assert asked_for(name) <= set(pins(name))


def test_tests_run_with_the_versions_that_are_deployed() -> None:
    assert pins("lambda").items() <= pins("dev").items()
    assert pins("webhook").items() <= pins("webhook-keys").items() <= pins("lambda").items()


def test_the_local_aws_lends_functions_nothing_that_they_should_bring() -> None:
    brought = set(pins("lambda")) - {"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"}

    assert brought & set(pins("local-aws")) == {"h11"}  # of the emulator's own web server


def test_node_packages_are_pinned() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    assert package["dependencies"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in package["dependencies"]} == (
        package["dependencies"]
    )
    assert all("integrity" in entry for name, entry in locked.items() if name)
