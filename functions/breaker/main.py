"""The breaker Lambda's entry: wired once, in the init phase."""

from functools import partial

from adapters.wiring import breaker_hub
from breaker.handler import tend_destination

handler = partial(tend_destination, hub=breaker_hub())
