"""The connectors: each is one folder here, and the folder is the list."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent


def connector_names() -> list[str]:
    """The names of all connectors, which are the folders that hold a manifest."""
    return sorted(manifest.parent.name for manifest in FOLDER.glob("*/manifest.toml"))


def manifest_path(name: str) -> Path:
    """Where the connector's manifest lies, whether or not it exists."""
    return FOLDER / name / "manifest.toml"


def connector_module(name: str) -> ModuleType:
    """The code of a connector; raises ModuleNotFoundError for an unknown one."""
    return import_module(f"connectors.{name}.connector")


def has_code(name: str) -> bool:
    """Whether a connector reads or writes records; one without code only says how deliveries are verified and named."""
    return (FOLDER / name / "connector.py").is_file()


def facts_module(name: str) -> ModuleType:
    """The code that reads what a connector's deliveries state, where its manifest says that there is some. Apart from
    the rest of the connector, since the webhook Lambda imports it."""
    return import_module(f"connectors.{name}.facts")
