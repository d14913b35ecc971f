"""Synthesized once per session: what production and the local stage get, and a hub of 30 × 30."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.config import Config
from infra.configuration import CONFIG, load
from infra.templates import stand_ins
from tests.infra.templates import Templates

ROOT = Path(__file__).resolve().parent.parent.parent

Synthesize = Callable[[Config], Templates]


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands in for the bundles: templates do not depend on their content."""
    return stand_ins(tmp_path_factory.mktemp("code"))


@pytest.fixture(scope="session")
def synthesize(code: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Synthesize a configuration in this process; raises what the app raises."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where jsii finds node

    def synthesize(config: Config) -> Templates:
        import aws_cdk as cdk  # starts node, so only where it is needed

        from infra.app import compose

        folder = tmp_path_factory.mktemp("assembly")
        app = cdk.App(outdir=str(folder))
        compose(app, config, code)
        app.synth()
        return Templates(folder, f"hub-{config.stage}")

    return synthesize


@pytest.fixture(scope="session")
def example() -> Config:
    """The documented configuration of a production stage."""
    return load(CONFIG / "example.yaml")


@pytest.fixture(scope="session")
def production(synthesize: Synthesize, example: Config) -> Templates:
    """The templates of config/example.yaml."""
    return synthesize(example)


@pytest.fixture(scope="session")
def local(code: Path, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The templates of config/local.yaml, synthesized by a process that knows no AWS account, region or home."""
    folder = tmp_path_factory.mktemp("local")
    program = (
        "import sys, aws_cdk as cdk\n"
        "from pathlib import Path\n"
        "from infra.app import compose\n"
        "from infra.configuration import load_stage\n"
        "app = cdk.App(outdir=sys.argv[1])\n"
        "compose(app, load_stage('local'), Path(sys.argv[2]))\n"
        "app.synth()\n"
    )
    environment: dict[str, Any] = {
        "PATH": str(Path(sys.executable).parent),
        "HOME": str(folder / "nobody"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    subprocess.run(
        [sys.executable, "-c", program, str(folder), str(code)], cwd=ROOT, env=environment, check=True, timeout=120
    )
    return Templates(folder, "hub-local")


@pytest.fixture(scope="session")
def crowd(example: Config) -> Config:
    """30 integrations that each start 30 flows, with names as long as the configuration allows."""
    erp, shop = example.integrations["erp"], example.integrations["shop-eu"]
    flow = example.flows["shop-eu-to-erp"]
    shops = [f"shop-{number:02d}-with-the-longest-name"[:30] for number in range(30)]
    return example.model_copy(
        update={
            "stage": "production123456",
            "integrations": {"erp": erp, **dict.fromkeys(shops, shop)},
            "flows": {
                f"flow-{number:02d}-{each:02d}-with-the-longest-name"[:30]: flow.model_copy(update={"source": source})
                for number, source in enumerate(shops)
                for each in range(30)
            },
        }
    )


@pytest.fixture(scope="session")
def crowded(synthesize: Synthesize, crowd: Config) -> Templates:
    """The templates of 30 × 30."""
    return synthesize(crowd)
