"""The files Lambda's entry: wired once, in the init phase."""

from functools import partial

from adapters.wiring import files_hub
from files.handler import take_files

handler = partial(take_files, hub=files_hub())
