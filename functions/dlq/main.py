"""The dlq Lambda's entry: wired once, in the init phase."""

from functools import partial

from adapters.wiring import dlq_hub
from dlq.handler import record_batch

handler = partial(record_batch, hub=dlq_hub())
