"""Names of a module that are loaded when they are first asked for: a cold start pays only for what it uses (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late_names(module: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """What a module takes for its `__getattr__`: name → the module that it stands in."""

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return find
