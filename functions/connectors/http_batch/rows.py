"""What a record says in a row that is sent."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from connectors.http_batch.settings import FieldRule, FlowSettings, RowRules
from hub.connector import Asked
from hub.errors import Category, NotConfigured, Permanent
from hub.facts import at
from hub.records import Deletion, Record, TableRow

NOTHING = (None, "")
MOST_DIGITS = 20  # of a number that is sent as one
MOST_FAULTS = 10  # of one record that are told


class RowDoesNotFit(Permanent):
    """A record that is not what the flow's settings promise: its source has changed, or the record is wrong."""

    category = Category.DATA_VALIDATION_FAILED


def row_of(asked: Asked, settings: FlowSettings) -> dict[str, Any]:
    """The row that tells a record; raises RowDoesNotFit, NotConfigured."""
    record, event = asked.record, asked.event
    row: dict[str, Any] = {settings.id_field: event.subject.split("/", 2)[-1], settings.event_field: event_id(asked)}
    if settings.version_field:
        row[settings.version_field] = event.entity_version or None
    if isinstance(record, Deletion):
        if settings.deleted is None:
            raise NotConfigured("the flow's settings do not say how a deletion is told; add `deleted`, then replay")
        return row | {settings.deleted.field: settings.deleted.value}
    fields, name = _told_by(record)
    rules = settings.rows.get(name)
    if rules is None and isinstance(record, TableRow):
        raise NotConfigured(f"the flow's settings do not say what is sent of {name}; add it to `rows`, then replay")
    told = row | (_mapped(name, fields, rules) if rules else fields)
    try:
        as_json(told)
    except (ValueError, TypeError, RecursionError) as error:
        raise RowDoesNotFit(f"{name}: a value that JSON cannot hold; mend it in the source, then replay") from error
    return told


def event_id(asked: Asked) -> str:
    """What stays the same however often an event is sent. A replay is sent as another one: an operator wants an effect, and
    the other side remembers what it answered before."""
    event = asked.event
    return f"{event.id}~{event.received_at.isoformat()}" if event.replay_of else event.id


def as_json(value: Any) -> bytes:
    """JSON in which numbers are exact; the same value is the same text. Raises ValueError, TypeError, RecursionError."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False, default=_plain).encode()


def _told_by(record: Record) -> tuple[dict[str, Any], str]:
    """A record's fields, and the name by which the settings may speak of it."""
    if isinstance(record, TableRow):
        return record.fields, record.stream
    return record.model_dump(exclude={"kind"}), record.kind


def _mapped(name: str, fields: Mapping[str, Any], rules: RowRules) -> dict[str, Any]:
    faults: list[str] = []
    row = {field: _value(field, fields, rule, faults) for field, rule in rules.fields.items()} or dict(fields)
    if faults:
        raise RowDoesNotFit(
            f"{name}: {'; '.join(faults[:MOST_FAULTS])}. Mend it in the source, or `rows` in the flow's settings if the "
            "source has changed, then replay the event (hub events replay)"
        )
    return {**rules.constants, **row}


def _value(field: str, fields: Mapping[str, Any], rule: FieldRule, faults: list[str]) -> Any:
    value = at(fields, rule.source)
    if value in NOTHING:
        if rule.has_default:
            return rule.default
        if rule.required:
            faults.append(f"{field} (from {rule.source}) is empty")
        elif not _stands(fields, rule.source):
            faults.append(f"{field} (from {rule.source}) is missing")
        return None
    if not _is_of(rule.type, value):
        faults.append(f"{field} (from {rule.source}) is no {rule.type}")
    return str(value) if rule.type == "text" else value


def _stands(fields: Mapping[str, Any], path: str) -> bool:
    """Whether a path is there, with or without a value; below what is empty nothing is missing."""
    first, dot, rest = path.partition(".")
    if first not in fields:
        return False
    below = fields[first]
    return not dot or below is None or not isinstance(below, dict) or _stands(below, rest)


def _is_of(kind: str, value: Any) -> bool:
    if kind == "text":
        return isinstance(value, str | int | Decimal) and not isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return isinstance(value, bool) if kind == "boolean" else True


def _plain(value: Any) -> Any:
    """A Decimal as a number where a float holds it to its last digit, else as its text."""
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS:
            return str(value)
        number = int(value) if value == value.to_integral_value() else float(value)
        return number if Decimal(str(number)) == value else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be sent")
