"""The sync Lambda's entry: wired once, in the init phase."""

from functools import partial

from adapters.wiring import sync_hub
from sync.handler import sync

handler = partial(sync, hub=sync_hub())
