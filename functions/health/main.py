"""The health Lambda's entry: wired once, in the init phase."""

from functools import partial

from adapters.wiring import health_hub
from health.handler import check_integration

handler = partial(check_integration, hub=health_hub())
