"""Reads `config/<stage>.yaml`: the whole of it is judged at once, and every mistake comes with its remedy."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hub.config import Config
from infra.checks import sense
from infra.mistakes import ConfigurationError, Mistake, told
from infra.yaml_lines import NotReadable, Place, read_yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"
SCHEMA = CONFIG / "schema.json"


def load(path: Path) -> Config:
    """Read a configuration; raises ConfigurationError with all its mistakes, in the order of the file."""
    file = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    try:
        document = read_yaml(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{file}: {error.strerror}; copy config/example.yaml to it and adapt it"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{file}: is not UTF-8 text; save it as UTF-8"]) from error
    except NotReadable as error:
        raise ConfigurationError([_line(file, error.line, error.place, error.what, error.remedy)]) from error
    mistakes = dict.fromkeys([*_shape(document.value), *sense(document.value)])
    if mistakes:
        by_line = sorted(mistakes, key=lambda mistake: document.line(mistake.place))
        raise ConfigurationError([_line(file, document.line(one.place), *one) for one in by_line])
    return Config.model_validate(document.value)


def load_stage(stage: str, folder: Path = CONFIG) -> Config:
    """Read the configuration of a stage; raises ConfigurationError, also where the file is another stage's."""
    path = folder / f"{stage}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.yaml") if file.stem != "example")) or "none"
        raise ConfigurationError(
            [
                f"there is no stage {stage!r}: {path} does not exist; stages: {there}; copy config/example.yaml to add one"
            ]
        )
    config = load(path)
    if config.stage != stage:
        raise ConfigurationError(
            [f"{path}: stage: is {config.stage!r} in the file of stage {stage!r}; write stage: {stage}"]
        )
    return config


def schema() -> str:
    """The JSON schema of a configuration, by which editors complete and check it while it is written.

    It knows no connector: adding one is adding its folder, and what a connector takes is checked at synthesis.
    """
    facts = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def _shape(value: Any) -> Iterator[Mistake]:
    try:
        Config.model_validate(value)
    except ValidationError as error:
        for item in error.errors():
            if item["loc"] or item["type"] != "value_error":  # how flows and integrations join is judged by `sense`
                yield told(Config, item)


def _line(file: Path, line: int, place: Place, what: str, remedy: str) -> str:
    path = ".".join(str(part) for part in place)
    return f"{file}:{line}: {path}{': ' if path else ''}{what}; {remedy}"


if __name__ == "__main__":
    if sys.argv[1:] != ["schema"]:
        sys.exit("usage: python -m infra.configuration schema")
    SCHEMA.write_text(schema(), "utf-8")
    print(f"wrote {SCHEMA}")
