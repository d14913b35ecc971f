"""The webhook Lambda's entry: wired once, in the init phase."""

import gc

gc.disable()  # what a start loads stays: to look for garbage in it takes a thirtieth of the start
from functools import partial  # noqa: E402

from adapters.webhook_wiring import webhook_hub  # noqa: E402
from webhooks.handler import serve  # noqa: E402

handler = partial(serve, hub=webhook_hub())
gc.enable()
