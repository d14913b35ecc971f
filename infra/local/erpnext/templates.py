"""As much of Jinja as webhook templates need: {{ }}, {% for %}, {% if %} … {% else %}, {% set %}, filters, frappe.db.

Names and attributes of a document are looked up as Frappe's Jinja does: what is not there is undefined, which is false
and renders as nothing, but is no JSON.
"""

from __future__ import annotations

import ast
import json
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from infra.local.erpnext.site import Transaction

TAG = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})", re.DOTALL)
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Gt: operator.gt, ast.Lt: operator.lt, ast.GtE: operator.ge,
    ast.LtE: operator.le, ast.In: lambda one, other: one in other, ast.NotIn: lambda one, other: one not in other,
}  # fmt: skip


class Undefined:
    """What is not there."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""


def render(template: str, names: dict[str, Any], tx: Transaction | None = None) -> str:
    """The text of a template; ValueError for one that is more than the stand-in knows, or cannot be rendered."""
    parts = [part for part in TAG.split(template) if part]
    text, rest = _block(parts, 0, dict(names), _functions(tx), ())
    if rest != len(parts):
        raise ValueError(f"the stand-in's templates do not know {parts[rest]}")
    return text


def _block(
    parts: Sequence[str], at: int, names: dict[str, Any], functions: dict[str, Any], ends: tuple[str, ...]
) -> tuple[str, int]:
    """Render until one of the tags in `ends`; the text, and where that tag is."""
    written: list[str] = []
    while at < len(parts):
        part = parts[at]
        word = _word(part)
        if word in ends:
            return "".join(written), at
        if part.startswith("{{"):
            written.append(str(_text(evaluated(_parsed(part[2:-2]), names, functions))))
        elif word == "set":
            name, _, value = _inside(part).removeprefix("set").partition("=")
            names[name.strip()] = evaluated(_parsed(value), names, functions)
        elif word == "for":
            text, at = _loop(parts, at, names, functions)
            written.append(text)
        elif word == "if":
            text, at = _branch(parts, at, names, functions)
            written.append(text)
        elif word:
            raise ValueError(f"the stand-in's templates do not know {part}")
        else:
            written.append(part)
        at += 1
    if ends:
        raise ValueError(f"a template lacks its {ends[0]}")
    return "".join(written), at


def _loop(parts: Sequence[str], at: int, names: dict[str, Any], functions: dict[str, Any]) -> tuple[str, int]:
    name, _, source = _inside(parts[at]).removeprefix("for").partition(" in ")
    rows = evaluated(_parsed(source), names, functions) or []
    end = _end(parts, at, "for")
    written: list[str] = []
    for place, row in enumerate(rows):
        inner = {**names, name.strip(): row, "loop": {"first": place == 0, "last": place == len(rows) - 1}}
        written.append(_block(parts, at + 1, inner, functions, ("endfor",))[0])
    return "".join(written), end


def _branch(parts: Sequence[str], at: int, names: dict[str, Any], functions: dict[str, Any]) -> tuple[str, int]:
    truth = bool(evaluated(_parsed(_inside(parts[at]).removeprefix("if")), names, functions))
    end, middle = _end(parts, at, "if"), _end(parts, at, "if", "else")
    if truth:
        return _block(parts, at + 1, names, functions, ("else", "endif"))[0], end
    return (_block(parts, middle + 1, names, functions, ("endif",))[0] if middle < end else ""), end


def _end(parts: Sequence[str], at: int, word: str, also: str = "") -> int:
    """Where the block that begins at `at` ends, or its `also` stands, if there is one before."""
    depth = 0
    for place in range(at, len(parts)):
        found = _word(parts[place])
        depth += (found == word) - (found == f"end{word}")
        if not depth or (depth == 1 and found and found == also):
            return place
    raise ValueError(f"a template lacks its end{word}")


def _inside(part: str) -> str:
    return part[2:-2].strip()


def _word(part: str) -> str:
    return _inside(part).partition(" ")[0] if part.startswith("{%") else ""


def _parsed(expression: str) -> ast.expr:
    try:
        return ast.parse(" ".join(expression.split()), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"the stand-in's templates do not know {expression.strip()}") from error


def evaluated(node: ast.expr, names: dict[str, Any], functions: dict[str, Any]) -> Any:
    """The value of an expression, which is written in Python's syntax: filters read as `value | name`."""

    def value(inner: ast.expr) -> Any:
        return evaluated(inner, names, functions)

    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return names.get(node.id, Undefined())
        case ast.Attribute():
            if hasattr(dict, node.attr):
                raise ValueError(f"a document's {node.attr} is a dictionary's method: write doc[{node.attr!r}]")
            return _member(value(node.value), node.attr)
        case ast.Subscript():
            return _member(value(node.value), value(node.slice))
        case ast.List() | ast.Tuple():
            return [value(each) for each in node.elts]
        case ast.Dict():
            return {value(key): value(each) for key, each in zip(node.keys, node.values, strict=True) if key}
        case ast.UnaryOp(op=ast.Not()):
            return not value(node.operand)
        case ast.BoolOp():
            found: Any = None
            for each in node.values:
                found = value(each)
                if bool(found) == isinstance(node.op, ast.Or):
                    break
            return found
        case ast.IfExp():
            return value(node.body) if value(node.test) else value(node.orelse)
        case ast.Compare(ops=[op], comparators=[other]) if type(op) in COMPARISONS:
            return COMPARISONS[type(op)](value(node.left), value(other))
        case ast.BinOp(op=ast.BitOr(), right=ast.Name(id=name)) if name in FILTERS:
            return FILTERS[name](value(node.left))
        case ast.Call() if ast.unparse(node.func) in functions:
            keywords = {each.arg: value(each.value) for each in node.keywords if each.arg}
            return functions[ast.unparse(node.func)](*(value(each) for each in node.args), **keywords)
    raise ValueError(f"the stand-in does not know this expression: {ast.unparse(node)}")


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"the stand-in does not know this expression: {name} of a {type(value).__name__}")
    return value.get(name, Undefined())


def _text(value: Any) -> str:
    return "None" if value is None else str(value)


def _as_json(value: Any) -> str:
    if isinstance(value, Undefined):
        raise ValueError("what is undefined is no JSON")
    return json.dumps(value)


FILTERS: dict[str, Callable[[Any], Any]] = {"tojson": _as_json, "json": _as_json, "string": _text}


def _functions(tx: Transaction | None) -> dict[str, Any]:
    """`frappe.db` as templates have it, within one transaction."""
    if tx is None:
        return {}

    def get_value(doctype: str, which: Any, fields: Any = "name", as_dict: bool = False) -> Any:
        doc = _found(tx, doctype, which)
        if doc is None:
            return None
        if isinstance(fields, str):
            return doc.get(fields)
        return {name: doc.get(name) for name in fields} if as_dict else [doc.get(name) for name in fields]

    def get_single_value(doctype: str, field: str) -> Any:
        return (tx.store.peek(doctype, doctype) or {}).get(field)

    return {"frappe.db.get_value": get_value, "frappe.db.get_single_value": get_single_value}


def _found(tx: Transaction, doctype: str, which: Any) -> dict[str, Any] | None:
    if isinstance(which, str):
        return tx.store.peek(doctype, which)
    return next((doc for doc in tx.store.all(doctype) if all(doc.get(k) == v for k, v in which.items())), None)
