"""The tables of a dashboard: of Logs Insights' language, what the hub's dashboards use, worked out on lines of a log."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

SOURCE = re.compile(r"SOURCE '([^']+)'")
AGGREGATE = re.compile(r"(count|max)\(([^)]*)\) as (\w+)")
COALESCE = re.compile(r"coalesce\(([\w, ]+)\) as (\w+)")
Rows = list[dict[str, Any]]


def groups_of(query: str) -> list[str]:
    """The log groups that a query reads."""
    return SOURCE.findall(query)


def commands_of(query: str) -> str:
    """A query without its log groups."""
    return " | ".join(part.strip() for part in query.split("|") if not SOURCE.search(part))


def answered(query: str, lines: Iterable[Mapping[str, Any]]) -> tuple[list[str], Rows]:
    """The columns and rows of a query; raises ValueError for words that this does not know."""
    rows: Rows = [{**line, "@timestamp": line.get("at", 0)} for line in lines]
    columns: list[str] = []
    for command in commands_of(query).split(" | "):
        verb, _, rest = command.partition(" ")
        if verb == "filter":
            keep = _condition(rest)
            rows = [row for row in rows if keep(row)]
        elif verb == "fields":
            rows = [{**row, **_field(rest, row)} for row in rows]
        elif verb == "stats":
            columns, rows = _stats(rest, rows)
        elif verb == "sort":
            name, direction = rest.split()
            rows.sort(key=lambda row, name=name: row.get(name) or 0, reverse=direction == "desc")  # type: ignore[misc]
        elif verb == "limit":
            rows = rows[: int(rest)]
        else:
            raise ValueError(f"a query that this does not know: {command}")
    return columns, rows


def _condition(text: str) -> Callable[[Mapping[str, Any]], bool]:
    if present := re.fullmatch(r"ispresent\((\w+)\)", text):
        return lambda row: bool(row.get(present[1]))
    if listed := re.fullmatch(r"(\w+) in (\[.*\])", text):
        values = json.loads(listed[2])
        return lambda row: row.get(listed[1]) in values
    raise ValueError(f"a filter that this does not know: {text}")


def _field(text: str, row: Mapping[str, Any]) -> dict[str, Any]:
    if made := COALESCE.fullmatch(text):
        return {made[2]: next((row[name.strip()] for name in made[1].split(",") if row.get(name.strip())), "")}
    raise ValueError(f"a field that this does not know: {text}")


def _stats(text: str, rows: Rows) -> tuple[list[str], Rows]:
    aggregates, _, by = text.partition(" by ")
    names = [name.strip() for name in by.split(",")]
    grouped: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        grouped.setdefault(tuple(str(row.get(name, "")) for name in names), []).append(row)
    made = []
    for values, members in grouped.items():
        told: dict[str, Any] = dict(zip(names, values, strict=True))
        for function, argument, name in AGGREGATE.findall(aggregates):
            told[name] = len(members) if function == "count" else max(each.get(argument, 0) for each in members)
        made.append(told)
    return [*names, *_told(AGGREGATE.findall(aggregates))], made


def _told(aggregates: Sequence[tuple[str, str, str]]) -> list[str]:
    return [name for _, _, name in aggregates]
