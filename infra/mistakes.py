"""A mistake in the configuration: where it is, what is wrong, and what to do, in the words of who reads it."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from infra.yaml_lines import Place


class Mistake(NamedTuple):
    """One thing to mend."""

    place: Place
    what: str
    remedy: str


class ConfigurationError(Exception):
    """A configuration that cannot be deployed: one line per mistake, each with file, line, path, fault and remedy."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


def told(model: type[BaseModel], error: ErrorDetails, at: Place = ()) -> Mistake:
    """A mistake that a pydantic model found. `at` is the place of the model's own value in the file."""
    inner = tuple(part for part in error["loc"] if part != "[key]")
    place = (*at, *inner)
    if "[key]" in error["loc"]:
        rule = "2 to 30 small letters, digits and hyphens, a letter first, no hyphen last"
        return Mistake(place, "is not a name", f"names are {rule}")
    around = _model(model, inner[:-1])
    match error["type"]:
        case "extra_forbidden":
            return Mistake(place, "is not a setting", _known(str(inner[-1]), around))
        case "missing":
            return Mistake(place, "is missing", f"add it: {_meaning(around, inner)}")
        case "too_short":
            return Mistake(place, "is empty", f"add at least one; {_meaning(around, inner)}")
        case "dict_type" | "model_type":
            return Mistake(place, "is not a set of settings", "write `name: value` lines below it, indented")
        case "value_error":  # one of our own validators, which says what it was given
            return Mistake(place, error["msg"].removeprefix("Value error, "), _meaning(around, inner))
    what = error["msg"][0].lower() + error["msg"][1:]
    return Mistake(place, f"{_shown(error['input'])}{what}", _meaning(around, inner))


def _shown(value: Any) -> str:
    plain = isinstance(value, str | int | float | bool) and len(str(value)) <= 60
    return f"{value!r}: " if plain else ""


def _known(name: str, model: type[BaseModel] | None) -> str:
    names = list(model.model_fields) if model else []
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"remove it; settings here: {', '.join(names)}"


def _meaning(model: type[BaseModel] | None, place: Place) -> str:
    field = model.model_fields.get(str(place[-1])) if model and place else None
    return (field.description if field else None) or "see config/example.yaml"


def _model(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    """The model of what stands at `place`, which may lead through mappings and lists of models."""
    kind: Any = model
    for part in place:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields: Mapping[str, FieldInfo] = kind.model_fields
            kind = fields[str(part)].annotation if str(part) in fields else None
        else:
            kind = (get_args(kind) or (None,))[-1]
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
