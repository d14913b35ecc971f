"""What a source's connector does with a body before it knows a record in it: JSON, then the connector's own shape."""

import json
from decimal import Decimal, InvalidOperation
from threading import Lock
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hub.errors import Unreadable

BUILDING = Lock()
PROBLEMS_TOLD = 3  # of a body with many of them

ShapeT = TypeVar("ShapeT", bound=BaseModel)


def json_object(body: bytes, remedy: str = "") -> dict[str, Any]:
    """The JSON object that a body is, its numbers in Decimal; raises Unreadable, whose sentence ends with `remedy`."""
    try:
        content = json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, InvalidOperation) as error:  # the last: 1e99999999999999999999
        raise Unreadable(f"the body is not JSON: {type(error).__name__}{remedy}") from error
    if not isinstance(content, dict):
        raise Unreadable(f"the body is JSON, but not an object{remedy}")
    return content


def shaped(shape: type[ShapeT], content: dict[str, Any], remedy_of_missing: str = "") -> ShapeT:
    """The content as a shape; raises Unreadable that names the fields, and never repeats what they hold.

    Shapes may be declared with `defer_build`: one is then built at its first use, since a start would else build all.
    """
    if not shape.__pydantic_complete__:
        with BUILDING:  # entities are read by several threads
            shape.model_rebuild()
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_input=False)
        told = [f"{'.'.join(map(str, each['loc']))}: {_problem(each, remedy_of_missing)}" for each in problems]
        more = f"; and {len(told) - PROBLEMS_TOLD} more" if len(told) > PROBLEMS_TOLD else ""
        raise Unreadable("; ".join(told[:PROBLEMS_TOLD]) + more) from None  # its cause would repeat the body


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _problem(error: Any, remedy_of_missing: str) -> str:
    if error["type"] == "missing":
        return f"is missing{remedy_of_missing}"
    return str(error["msg"]).removeprefix("Value error, ")
