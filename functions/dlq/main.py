"""The dlq Lambda's entry: wired once, in the init phase."""

from functools import partial

from adapters.wiring import dlq_hub
from dlq.handler import handle

handler = partial(handle, hub=dlq_hub())
