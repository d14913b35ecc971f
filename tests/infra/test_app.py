"""`python -m infra.app`, as the CDK command line runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.slow


def run(context: dict[str, str], out: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(out),
    }
    return subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_mistakes_are_told_in_plain_text_and_nothing_is_synthesized(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").write_text("stage: staging\nintegrations: {}\nflows: {}\n")

    ended = run({"stage": "staging", "config": str(tmp_path)}, tmp_path / "out")

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == [
        f"{tmp_path}/staging.yaml:2: integrations: is empty; add at least one; see config/example.yaml",
        f"{tmp_path}/staging.yaml:3: flows: is empty; add at least one; see config/example.yaml",
    ]
    assert not (tmp_path / "out" / "manifest.json").exists()
