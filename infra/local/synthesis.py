"""Synthesizes a stage as the CDK command line would, and only when something that it is made from has changed."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.bundle import ROOT
from infra.configuration import CONFIG

MADE_FROM = ("functions", "infra")  # folders; whatever is in them may change the template or the bundle
AND_FROM = (
    "cdk.json",
    "package-lock.json",
    "requirements/dev.txt",
    "requirements/lambda.txt",
    "requirements/local-aws.txt",
)


class SynthesisFailed(Exception):
    """The CDK app refused its configuration or failed; the message is what it said."""


def synthesize(stage: str, out: Path, folder: Path = CONFIG) -> Path:
    """Make `out` the cloud assembly of the stage and return it; at once when `out` is already that of these sources.

    `folder` holds the stage's configuration. Raises SynthesisFailed.
    """
    fingerprint = _fingerprint(stage, folder)
    mark = out.with_name(f"{out.name}.fingerprint")
    if mark.is_file() and mark.read_text() == fingerprint and (out / "manifest.json").is_file():
        return out
    mark.unlink(missing_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    context = json.loads((ROOT / "cdk.json").read_text())["context"] | {
        "stage": stage,
        "config": str(folder),
    }
    app = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=ROOT,
        env={**os.environ, "CDK_CONTEXT_JSON": json.dumps(context), "CDK_OUTDIR": str(out)},
        capture_output=True,
        text=True,
        check=False,
    )
    if app.returncode:
        raise SynthesisFailed((app.stderr or app.stdout).strip())
    mark.write_text(fingerprint)
    return out


def _fingerprint(stage: str, folder: Path) -> str:
    digest = hashlib.sha256(f"{stage} {sys.version}\n".encode())
    for path in [*sorted(_sources()), folder / f"{stage}.yaml"]:
        if path.is_file():
            digest.update(f"\n{path}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for folder in MADE_FROM:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
    yield from (ROOT / name for name in AND_FROM)
