"""The webhook Lambda's entry: wired once, in the init phase."""

from functools import partial

from adapters.webhook_wiring import webhook_hub
from webhooks.handler import serve

handler = partial(serve, hub=webhook_hub())
