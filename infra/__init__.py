"""The infrastructure as code, for AWS and for the local AWS."""

import os
import sys
from pathlib import Path

# jsii, on which aws_cdk stands, starts the `node` that PATH names when aws_cdk is imported; ours lies beside our Python.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
