"""The sync Lambda's entry: wired once, in the init phase."""

import gc

gc.disable()  # what a start loads stays: to look for garbage in it takes a thirtieth of the start
from functools import partial  # noqa: E402

from adapters.wiring import sync_hub  # noqa: E402
from sync.handler import sync  # noqa: E402

handler = partial(sync, hub=sync_hub())
gc.enable()
