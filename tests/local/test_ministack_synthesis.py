"""What the local AWS gets is what the CDK command line would synthesize, made again only when a source has changed."""

import json
from pathlib import Path

import pytest

from infra.bundle import ROOT
from infra.configuration import CONFIG
from infra.local.synthesis import SynthesisFailed, synthesize


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "local.yaml").write_text((CONFIG / "local.yaml").read_text())
    return folder


@pytest.mark.slow
def test_it_is_made_once_and_again_after_a_change_of_the_configuration(tmp_path: Path, config: Path) -> None:
    out = synthesize("local", tmp_path / "cdk.out", config)
    first = (out / "manifest.json").stat()
    unchanged = (synthesize("local", out, config) / "manifest.json").stat()
    with (config / "local.yaml").open("a") as file:
        file.write("\nlog_level: WARNING\n")
    synthesize("local", out, config)

    assert unchanged.st_mtime_ns == first.st_mtime_ns
    assert "WARNING" in (out / "hub-local.template.json").read_text()


@pytest.mark.slow
def test_the_feature_flags_of_the_command_line_count_here_too(tmp_path: Path, config: Path) -> None:
    out = synthesize("local", tmp_path / "cdk.out", config)
    artifacts = json.loads((out / "manifest.json").read_text())["artifacts"]
    report = next(artifact for artifact in artifacts.values() if artifact["type"] == "cdk:feature-flag-report")
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    seen = {name: flag.get("userValue") for name, flag in report["properties"]["flags"].items() if name in context}

    assert len(seen) > 3
    assert seen == {name: context[name] for name in seen}


@pytest.mark.slow
def test_a_mistake_in_the_configuration_is_told_as_the_app_tells_it(tmp_path: Path, config: Path) -> None:
    with (config / "local.yaml").open("a") as file:
        file.write("\nlog_levl: WARNING\n")

    with pytest.raises(SynthesisFailed, match=r"local\.yaml.*log_levl") as refusal:
        synthesize("local", tmp_path / "cdk.out", config)

    assert "Traceback" not in str(refusal.value)
