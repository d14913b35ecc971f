"""As much of GraphQL as a stand-in needs: parse a document, hold it against a schema, answer exactly what it asks for.

https://spec.graphql.org/October2021/. Fields, arguments and input fields that the schema does not know are refused in the
words that Shopify uses, so that a misspelt query fails here as it would there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(r'[\s,]+|#[^\n]*|(?P<token>"(?:[^"\\]|\\.)*"|-?\d+|[A-Za-z_]\w*|[{}()\[\]:!$@=])')


class Invalid(Exception):
    """A document that is not valid; the message is the error's."""


@dataclass(frozen=True)
class Type:
    """An object type: its fields' types ("" for a scalar) and the arguments that each takes."""

    fields: Mapping[str, str]
    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Selected:
    """A field as a document asks for it."""

    name: str
    answer_as: str
    arguments: Mapping[str, Any]
    directives: Mapping[str, Mapping[str, Any]]
    inner: tuple[Selected, ...]


@dataclass(frozen=True)
class Operation:
    """A query or a mutation, its variables put in."""

    kind: str
    fields: tuple[Selected, ...]


def parse(document: str, variables: Mapping[str, Any]) -> Operation:
    """Read a document with one operation; raises Invalid."""
    return _Parser(document, variables).operation()


def project(found: Any, selected: tuple[Selected, ...], kind: str, schema: Mapping[str, Type]) -> Any:
    """What was found, cut down to what was selected. A callable in it is called with the field's arguments."""
    if found is None:
        return None
    if isinstance(found, list):
        return [project(each, selected, kind, schema) for each in found]
    answer = {}
    for one in selected:
        value = found.get(one.name)
        if isinstance(value, Callable):  # type: ignore[arg-type]  # a resolver
            value = value(**one.arguments)
        inner = schema[kind].fields[one.name]
        answer[one.answer_as] = project(value, one.inner, inner, schema) if inner else value
    return answer


def check(selected: tuple[Selected, ...], kind: str, schema: Mapping[str, Type]) -> None:
    """Raise Invalid for what the schema does not have."""
    for one in selected:
        known = schema[kind]
        if one.name not in known.fields:
            raise Invalid(f"Field '{one.name}' doesn't exist on type '{kind}'")
        for argument in one.arguments:
            if argument not in known.arguments.get(one.name, ()):
                raise Invalid(f"Field '{one.name}' doesn't accept argument '{argument}'")
        inner = known.fields[one.name]
        if bool(inner) != bool(one.inner):
            what = f"returns {inner} but has no selections" if inner else "is a scalar and has selections"
            raise Invalid(f"Field '{one.name}' of {kind} {what}")
        if inner:
            check(one.inner, inner, schema)


class _Parser:
    def __init__(self, document: str, variables: Mapping[str, Any]) -> None:
        self._tokens = _tokens(document)
        self._at = 0
        self._variables = variables
        self._declared: set[str] = set()

    def operation(self) -> Operation:
        kind = self._next()
        if kind not in ("query", "mutation"):
            raise Invalid(f"Parse error on {kind!r}")
        if self._peek() == "(":
            self._declarations()
        operation = Operation(kind, self._selection())
        if self._at != len(self._tokens):
            raise Invalid(f"Parse error on {self._peek()!r}")
        return operation

    def _declarations(self) -> None:
        self._expect("(")
        while self._peek() != ")":
            self._expect("$")
            name = self._next()
            self._expect(":")
            required = self._type()
            self._declared.add(name)
            if required and self._variables.get(name) is None:
                raise Invalid(f"Variable ${name} was provided invalid value: Expected value to not be null")
        self._expect(")")

    def _type(self) -> bool:
        """Skip a type; whether it is required."""
        if self._peek() == "[":
            self._expect("[")
            self._type()
            self._expect("]")
        else:
            self._next()
        if self._peek() == "!":
            self._expect("!")
            return True
        return False

    def _selection(self) -> tuple[Selected, ...]:
        self._expect("{")
        found = []
        while self._peek() != "}":
            name = answer_as = self._next()
            if self._peek() == ":":
                self._expect(":")
                name = self._next()
            arguments = self._arguments() if self._peek() == "(" else {}
            directives = {}
            while self._peek() == "@":
                self._expect("@")
                directive = self._next()
                directives[directive] = self._arguments()
            inner = self._selection() if self._peek() == "{" else ()
            found.append(Selected(name, answer_as, arguments, directives, inner))
        self._expect("}")
        return tuple(found)

    def _arguments(self) -> dict[str, Any]:
        self._expect("(")
        found = {}
        while self._peek() != ")":
            name = self._next()
            self._expect(":")
            found[name] = self._value()
        self._expect(")")
        return found

    def _value(self) -> Any:
        word = self._next()
        if word == "$":
            name = self._next()
            if name not in self._declared:
                raise Invalid(f"Variable ${name} is used but not declared")
            return self._variables.get(name)
        if word == "[":
            values = []
            while self._peek() != "]":
                values.append(self._value())
            self._expect("]")
            return values
        if word.startswith('"'):
            return word[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        return {"true": True, "false": False, "null": None}[word] if word.isalpha() else int(word)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise Invalid("Unexpected end of document")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise Invalid(f"Parse error on {found!r}, expected {token!r}")


def _tokens(document: str) -> list[str]:
    tokens, at = [], 0
    while at < len(document):
        match = TOKEN.match(document, at)
        if match is None:
            raise Invalid(f"Parse error on {document[at]!r}")
        if match["token"]:
            tokens.append(match["token"])
        at = match.end()
    return tokens
