"""How ERPNext finds documents: fields, filters, order and pages, compared as MariaDB compares.

Without `order_by` a list comes in MariaDB's own order; what was recorded of it is imitated, but always pass one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from infra.local.erpnext.doctypes import CHILD_STANDARD, NUMBERS, STANDARD, DocType
from infra.local.erpnext.errors import FrappeError, thrown
from infra.local.erpnext.site import Transaction
from infra.local.erpnext.store import Doc, collated

Row = tuple[Doc, dict[str, Doc]]
"""A document and, by table field, the child row that is joined to it."""


@dataclass(frozen=True)
class Column:
    """A field of the listed DocType, or of one of its child tables."""

    table: str
    name: str
    type: str
    alias: str

    def value(self, row: Row) -> Any:
        return (row[1].get(self.table, {}) if self.table else row[0]).get(self.name)


@dataclass(frozen=True)
class Query:
    """What a list request asks for; `length` 0 means all rows."""

    fields: list[str]
    filters: Any = None
    or_filters: Any = None
    order_by: str | None = None
    start: int = 0
    length: int = 20
    parent: str | None = None


def parsed(value: Any) -> Any:
    """A parameter that may be JSON text; JSONDecodeError (500), as recorded, when it is broken."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise FrappeError("JSONDecodeError", str(error)) from error


def column(tx: Transaction, meta: DocType, text: str, table_doctype: str = "") -> Column:
    """A column by its name in a request: `name`, `items.item_code`, `` `tabItem`.`item_code` ``, `… as alias`."""
    source, _, alias = re.sub(r"\s+as\s+", " as ", str(text).strip(), flags=re.I).partition(" as ")
    source = source.replace("`", "")
    table = ""
    if "." in source:
        prefix, _, source = source.rpartition(".")
        prefix = prefix.removeprefix("tab")
        tables = [each for each in meta.tables if prefix in (each.name, each.options)]
        if tables:
            table = tables[0].name
        elif prefix != meta.name:
            raise thrown("DataError", f"Field not permitted in query: {text}")
    if table_doctype and table_doctype != meta.name:
        tables = [each for each in meta.tables if each.options == table_doctype]
        if not tables:
            raise thrown("DataError", f"Field not permitted in query: {text}")
        table = tables[0].name
    owner = tx.meta(meta.by_name[table].options) if table else meta
    kind = column_type(owner, source)
    if kind is None:
        raise thrown("DataError", f"Field not permitted in query: {text}")
    return Column(table, source, kind, alias or source)


def column_type(meta: DocType, name: str) -> str | None:
    if name in ("docstatus", "idx"):
        return "Int"
    if name in ("creation", "modified"):
        return "Datetime"
    if name in STANDARD or (meta.child and name in CHILD_STANDARD):
        return "Data"
    found = meta.by_name.get(name)
    return found.type if found is not None and found.type != "Table" else None


def find(tx: Transaction, doctype: str, query: Query) -> list[Doc]:
    """The rows of a list request, one per child row when a child table is asked for or filtered on."""
    meta = tx.meta(doctype)
    columns: list[Column] = []
    for text in query.fields:
        if text.replace("`", "") in ("*", f"tab{doctype}.*"):
            columns += [column(tx, meta, each) for each in (*STANDARD, *(c.name for c in meta.columns if not c.hidden))]
        elif text.replace(" ", "").lower() in ("count(name)asn", "count(*)ascount", "count(name)ascount"):
            return [{text.rpartition(" ")[2]: len(matching(tx, meta, query, []))}]
        else:
            columns.append(column(tx, meta, text))
    rows = matching(tx, meta, query, columns)
    # Without order_by it is MariaDB's own: recorded by `modified`, and by name when a child table is joined.
    rows = ordered(
        tx, meta, rows, query.order_by or ("name asc" if any(row[1] for row in rows) else "modified asc, name asc")
    )
    end = query.start + query.length if query.length else None
    return [{each.alias: each.value(row) for each in columns} for row in rows[query.start : end]]


def matching(tx: Transaction, meta: DocType, query: Query, columns: list[Column]) -> list[Row]:
    conditions = [condition(tx, meta, each) for each in as_list(parsed(query.filters))]
    alternatives = [condition(tx, meta, each) for each in as_list(parsed(query.or_filters))]
    used = [each for each, _, _ in conditions + alternatives] + columns
    tables = list(dict.fromkeys(each.table for each in used if each.table))
    rows = joined(_documents(tx, meta, conditions, query.parent), tables)
    tests = [(each, test) for each, test, _ in conditions]
    options = [(each, test) for each, test, _ in alternatives]
    return [
        row
        for row in rows
        if all(test(each.value(row)) for each, test in tests)
        and (not options or any(test(each.value(row)) for each, test in options))
    ]


Condition = tuple[Column, Callable[[Any], bool], tuple[str, Any]]


def _documents(tx: Transaction, meta: DocType, conditions: list[Condition], parent: str | None) -> Iterable[Doc]:
    if meta.child:
        parents = tx.meta(parent or "")
        names = [table.name for table in parents.tables if table.options == meta.name]
        return [row for doc in tx.store.all(parents.name) for name in names for row in doc[name]]
    for each, _, (operator, value) in conditions:
        if operator == "=" and not each.table and value not in (None, ""):
            if each.name == "name":
                found = tx.store.peek(meta.name, value)
                return [found] if found else []
            if tx.store.is_indexed(meta.name, each.name):
                found = tx.store.holder(meta.name, each.name, value)
                return [found] if found else []
    return tx.store.all(meta.name)


def joined(documents: Iterable[Doc], tables: list[str]) -> list[Row]:
    rows: list[Row] = [(doc, {}) for doc in documents]
    for table in tables:
        rows = [(doc, {**found, table: child}) for doc, found in rows for child in doc.get(table) or [{}]]
    return rows


def as_list(filters: Any) -> list[Any]:
    """Filters as [[field, operator, value], …], from any of the forms that Frappe takes."""
    if not filters:
        return []
    if isinstance(filters, str):
        return [["name", "=", filters]]
    if isinstance(filters, dict):
        return [[name, *(value if isinstance(value, list) else ["=", value])] for name, value in filters.items()]
    if isinstance(filters, list) and filters and not isinstance(filters[0], (list, dict)):
        return [filters] if len(filters) in (2, 3, 4) else [["name", "in", filters]]
    return [part for each in filters for part in (as_list(each) if isinstance(each, dict) else [each])]


def condition(tx: Transaction, meta: DocType, entry: Any) -> Condition:
    if not isinstance(entry, list) or not 2 <= len(entry) <= 5:
        raise thrown("ValidationError", f"Filter must have 4 values (doctype, fieldname, operator, value): {entry}")
    if len(entry) == 2:
        table, (name, value), operator = "", entry, "="
    elif len(entry) == 3:
        table, (name, operator, value) = "", entry
    else:
        table, name, operator, value = entry[:4]
    each = column(tx, meta, str(name), table)
    operator = str(operator).lower().strip()
    return each, test_of(each, operator, value), (operator, value)


def comparable(kind: str, value: Any) -> Any:
    """A value as MariaDB compares a column of this type; null counts as empty, as Frappe's ifnull makes it."""
    if kind in NUMBERS or (isinstance(value, (int, float)) and kind in NUMBERS):
        try:
            return float(value or 0)
        except (TypeError, ValueError):
            return 0.0
    if kind in ("Date", "Datetime"):
        return str(value or "").replace("T", " ")
    return collated("" if value is None else value)


def as_values(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return list(value or [])


def test_of(each: Column, operator: str, value: Any) -> Callable[[Any], bool]:
    kind = each.type
    if operator in ("=", "!=", "<>"):
        wanted = comparable(kind, value)
        equal = operator == "="
        return lambda found: (comparable(kind, found) == wanted) is equal
    if operator in ("in", "not in"):
        among = {comparable(kind, part) for part in as_values(value)}
        inside = operator == "in"
        return lambda found: (comparable(kind, found) in among) is inside
    if operator in ("like", "not like"):
        pattern = re.compile(
            "".join({"%": ".*", "_": "."}.get(part, re.escape(part)) for part in collated(f"{value}|")[:-1]), re.S
        )
        like = operator == "like"
        return lambda found: (
            (pattern.fullmatch(collated(f"{'' if found is None else found}|")[:-1]) is not None) is like
        )
    if operator in (">", "<", ">=", "<="):
        bound = comparable(kind, value)
        compare: Callable[[Any], bool] = {
            ">": lambda found: bool(found > bound),
            "<": lambda found: bool(found < bound),
            ">=": lambda found: bool(found >= bound),
            "<=": lambda found: bool(found <= bound),
        }[operator]
        return lambda found: found is not None and compare(comparable(kind, found))
    if operator == "between":
        low, high = as_values(value)[:2]
        if kind == "Datetime":
            low, high = (
                (f"{low} 00:00:00" if len(str(low)) == 10 else low),
                (f"{high} 23:59:59.999999" if len(str(high)) == 10 else high),
            )
        least, most = comparable(kind, low), comparable(kind, high)
        return lambda found: found is not None and least <= comparable(kind, found) <= most
    if operator == "is":
        wanted_set = str(value).lower() == "set"
        return lambda found: (found not in (None, "")) is wanted_set
    raise thrown(
        "ValidationError",
        f"Operator must be one of =, !=, >, <, >=, <=, like, not like, in, not in, is, between: {operator}",
    )


def ordered(tx: Transaction, meta: DocType, rows: list[Row], order_by: str) -> list[Row]:
    for part in reversed(order_by.split(",")):
        name, _, direction = part.strip().partition(" ")
        if direction.strip().lower() not in ("", "asc", "desc"):
            raise thrown("ValidationError", f"Illegal SQL Query: {order_by}")
        each = column(tx, meta, name)
        rows = sorted(
            rows, key=lambda row: comparable(each.type, each.value(row)), reverse=direction.strip().lower() == "desc"
        )
    return rows
