"""The CDK app: `cdk synth -c stage=<stage>` turns `config/<stage>.yaml` and the manifests into templates.

Needs no credentials and looks nothing up.
"""

import os
import sys
from pathlib import Path

import aws_cdk as cdk

from hub.config import Config
from hub.manifest import ManifestError
from infra.bundle import BundleFailed, Target, bundles
from infra.configuration import CONFIG, ROOT, load_stage
from infra.mistakes import ConfigurationError
from infra.platform import platform_of
from infra.rules import check
from infra.stack import HubStack

DEFAULT_STAGE = "local"


def compose(app: cdk.App, config: Config, code: Path) -> HubStack:
    """Put one stage of the hub into `app`, with the bundles in `code`; raises ConfigurationError."""
    check(app)
    return HubStack(app, config, platform_of(config.stage), code)


def main() -> int:
    """Synthesize the stage that the context or HUB_STAGE names; a mistake in its configuration is told in plain text.

    The context's `config` is another folder of configurations than `config/`.
    """
    app = cdk.App()
    stage = app.node.try_get_context("stage") or os.environ.get("HUB_STAGE") or DEFAULT_STAGE
    try:
        config = load_stage(str(stage), Path(app.node.try_get_context("config") or CONFIG))
        target = Target.LOCAL if config.stage == DEFAULT_STAGE else Target.AWS
        compose(app, config, bundles(target, ROOT / "build" / target.value))
    except (ConfigurationError, ManifestError, BundleFailed) as error:
        print(error, file=sys.stderr)
        return 1
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
