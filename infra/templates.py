"""A configuration as CloudFormation templates, for whoever reads them rather than deploys."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.config import Config
from infra.bundle import Kind


@contextmanager
def templates(config: Config) -> Iterator[Path]:
    """Within: the folder of the templates, synthesized now; takes some seconds. They do not depend on the functions' code."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where jsii finds node
    import aws_cdk as cdk  # starts node, so only where it is needed

    from infra.app import compose

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        app = cdk.App(outdir=str(out))
        compose(app, config, stand_ins(Path(folder, "code")))
        app.synth()
        yield out


def stand_ins(folder: Path) -> Path:
    """What stands in for the bundles: their folders, with nothing worth running in them."""
    for kind in Kind:
        (folder / kind).mkdir(parents=True)
        (folder / kind / "main.py").write_text(f"handler = print  # {kind}\n")
    return folder
