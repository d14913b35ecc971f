"""The delivery Lambda's entry: wired once, in the init phase."""

from functools import partial

from adapters.wiring import delivery_hub
from delivery.handler import apply_batch

handler = partial(apply_batch, hub=delivery_hub())
