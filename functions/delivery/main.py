"""The delivery Lambda's entry: wired once, in the init phase."""

import gc

gc.disable()  # what a start loads stays: to look for garbage in it takes a thirtieth of the start
from functools import partial  # noqa: E402

from adapters.wiring import delivery_hub  # noqa: E402
from delivery.handler import apply_batch  # noqa: E402

handler = partial(apply_batch, hub=delivery_hub())
gc.enable()
