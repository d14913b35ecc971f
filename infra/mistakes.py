"""A mistake in the configuration: where it is, what is wrong, and what to do, in the words of who reads it."""

import difflib
from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

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
    inner, around = _walked(model, inner)
    place = (*at, *inner)
    if "[key]" in error["loc"]:
        if error["type"] == "enum":
            return Mistake(place, "is none", f"use one of: {error['ctx']['expected'].replace(chr(39), '')}")
        rule = "2 to 30 small letters, digits and hyphens, a letter first, no hyphen last"
        return Mistake(place, "is not a name", f"names are {rule}")
    match error["type"]:
        case "extra_forbidden":
            return Mistake(place, "is not a setting", _known(str(inner[-1]), around))
        case "missing":
            return Mistake(place, "is missing", f"add it: {_meaning(around, inner)}")
        case "too_short":
            return Mistake(place, "is empty", f"add at least one; {_meaning(around, inner)}")
        case "dict_type" | "model_type":
            return Mistake(place, "is not a set of settings", "write `name: value` lines below it, indented")
        case "union_tag_invalid" | "union_tag_not_found":
            style = str(error["ctx"]["discriminator"]).strip("'")
            tags = str(error["ctx"].get("expected_tags", "")).replace("'", "")
            return Mistake(
                (*place, style), "is missing or none of its kinds", f"use one of: {tags}" if tags else "add it"
            )
        case "value_error":  # one of our own validators, which says what it was given
            return Mistake(place, error["msg"].removeprefix("Value error, "), _meaning(around, inner))
    what = error["msg"][0].lower() + error["msg"][1:]
    return Mistake(place, f"{_shown(error['input'])}{what}", _meaning(around, inner))


def _shown(value: Any) -> str:
    plain = isinstance(value, str | int | float | bool) and len(str(value)) <= 60
    return f"{value!r}: " if plain else ""


def _known(name: str, model: type[BaseModel] | None) -> str:
    names = list(_fields(model))
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"remove it; settings here: {', '.join(names)}"


def _meaning(model: type[BaseModel] | None, place: Place) -> str:
    field = _fields(model).get(str(place[-1])) if place else None
    return (field.description if field else None) or "see config/example.yaml"


def _walked(model: type[BaseModel], place: Place) -> tuple[Place, type[BaseModel] | None]:
    """A place as it stands in the file, and the model of what holds its last part. Where settings are one of several
    kinds, pydantic adds the kind's name, which nobody wrote."""
    kind, around, written = _bare(model), None, []
    for part in place:
        members = get_args(kind) if get_origin(kind) in (Union, UnionType) else ()
        if members:
            kind = next((member for member in map(_bare, members) if _tag(member) == part), None)
            continue
        written.append(part)
        around = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        field = _fields(around).get(str(part))
        kind = _bare(field.annotation if around and field else None if around else (get_args(kind) or (None,))[-1])
    return tuple(written), around


def _bare(kind: Any) -> Any:
    """A type without what only annotates it, and without its None."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        members = [member for member in get_args(kind) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else kind
    return kind


def _tag(member: Any) -> Any:
    """What pydantic calls a member of a union: the one value of the field that tells it from others, or its type."""
    if isinstance(member, type) and issubclass(member, BaseModel):
        literals = [get_args(each.annotation) for each in member.model_fields.values()]
        return next((values[0] for values in literals if len(values) == 1), member.__name__)
    return member.__name__ if isinstance(member, type) and not get_args(member) else str(member)


def _fields(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    """A model's fields by the names that are written."""
    return {field.alias or name: field for name, field in model.model_fields.items()} if model else {}
