"""YAML whose every value knows its line, so that a mistake in a file can be pointed at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Place = tuple[str | int, ...]  # keys and indexes from the root


@dataclass(frozen=True)
class Located:
    """A YAML document: its plain value, and the line on which each key stands."""

    value: Any
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """The line of `place`, or of the nearest thing around it that the file has."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]


class NotReadable(Exception):
    """Text that is not the YAML that is allowed here."""

    def __init__(self, line: int, place: Place, what: str, remedy: str) -> None:
        super().__init__(what)
        self.line, self.place, self.what, self.remedy = line, place, what, remedy


def read_yaml(text: str) -> Located:
    """Parse one document of plain data; raises NotReadable for a syntax error or a key that is stated twice."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Located(None, {(): 1})
        lines = dict(_lines(root, (), loader, ()))
        return Located(loader.construct_document(root), {(): 1} | lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = error.problem or error.context or "cannot be parsed"
        raise NotReadable(line, (), f"not valid YAML: {problem}", "mend it at this line or the one before") from error
    except yaml.YAMLError as error:
        raise NotReadable(1, (), f"not valid YAML: {error}".splitlines()[0], "save it as plain UTF-8 text") from error
    finally:
        loader.dispose()


def _lines(
    node: yaml.Node, place: Place, loader: yaml.SafeLoader, around: tuple[int, ...]
) -> Iterator[tuple[Place, int]]:
    if id(node) in around:
        raise NotReadable(node.start_mark.line + 1, place, "contains itself", "write the value out")
    around = (*around, id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _lines(item, (*place, index), loader, around)
    elif isinstance(node, yaml.MappingNode):
        _refuse_repeated(node, place, loader)
        loader.flatten_mapping(node)  # `<<: *defaults` first, the mapping's own keys after them
        for key, value in node.value:
            inner = (*place, _key(key, loader))
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner, loader, around)


def _refuse_repeated(node: yaml.MappingNode, place: Place, loader: yaml.SafeLoader) -> None:
    seen: dict[str | int, int] = {}
    for key, _ in node.value:
        name, line = _key(key, loader), key.start_mark.line + 1
        if name in seen:
            raise NotReadable(line, (*place, name), f"is stated twice, first on line {seen[name]}", "keep one of them")
        seen[name] = line


def _key(node: yaml.Node, loader: yaml.SafeLoader) -> str | int:
    if node.tag == "tag:yaml.org,2002:merge":
        return "<<"
    key = loader.construct_object(node, deep=True)
    return key if isinstance(key, int) and not isinstance(key, bool) else str(key)
