"""Which documents the rows of a source's streams become: stated in the configuration, field by field."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.erpnext.documents import ID_FIELD, NOT_COPIED, VERSION_FIELD
from connectors.erpnext.row_values import UNIX, NotOfType, Times, ValueType, converted
from hub.zones import Zone

Scalar = str | bool | int | float
TIMES = ("date", "datetime")
ERPNEXT_S_OWN = NOT_COPIED - {"status"} | {ID_FIELD, VERSION_FIELD}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class FieldRule(_Strict):
    """What a field of a document says. A path alone is a text that may be empty."""

    source: str = Field(alias="from", min_length=1, description="The value's dotted path in the row: address.city.")
    type: ValueType = Field(default="text", description="What the value must be; another one sets the row aside.")
    required: bool = Field(default=False, description="A row in which it is empty is set aside.")
    default: Scalar | None = Field(
        default=None,
        description="What counts where the row's value is empty or missing. Without it a row in which the path is "
        "missing is set aside: its source may have renamed it.",
    )
    max_length: int | None = Field(default=None, ge=1, description="Characters of a text; a longer one is set aside.")
    allowed: list[str | int] = Field(default_factory=list, description="The only values that are taken; empty: all.")
    time_zone: Zone | None = Field(
        default=None, description="The zone of times without offset; that of the site if not stated."
    )
    format: str = Field(
        default="",
        description="How dates and times are written, if not as 2026-12-31T23:59:59Z: %d.%m.%Y, unix_seconds, "
        "unix_milliseconds.",
    )

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, stated: Any) -> Any:
        return {"from": stated} if isinstance(stated, str) else stated

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for name in ("format", "time_zone"):
            if getattr(self, name) and self.type not in TIMES:
                raise ValueError(f"{name} is for type date or datetime, and type is {self.type}")
        if self.format and self.format not in UNIX and "%" not in self.format:
            raise ValueError(f"{self.format!r} is no format of a time such as %d.%m.%Y or unix_seconds")
        if self.max_length and self.type != "text":
            raise ValueError(f"max_length is for type text, and type is {self.type}")
        if self.required and "default" in self.model_fields_set:
            raise ValueError("required and default exclude each other; keep one")
        if self.default not in (None, ""):
            try:
                converted(_plain(self.default), self.type, self.times("UTC"))
            except NotOfType as error:
                raise ValueError(f"the default is not {error}") from error
        return self

    @property
    def has_default(self) -> bool:
        """Whether one is stated, be it that of being empty."""
        return "default" in self.model_fields_set

    @property
    def default_value(self) -> Any:
        """The default as a row would hold it."""
        return None if self.default is None else _plain(self.default)

    def times(self, site_zone: str) -> Times:
        """How the source writes times."""
        return Times(self.format, self.time_zone or site_zone, site_zone)


class TableRules(_Strict):
    """What the lines of a child table say. The table is the source's as a whole."""

    source: str = Field(
        default="",
        alias="from",
        description="Dotted path of a list in the row, of which each entry makes a line; empty: the row itself makes one.",
    )
    fields: dict[str, FieldRule] = Field(
        min_length=1, description="Column → the value's path in the entry. A line in which all are empty is left out."
    )
    constants: dict[str, Scalar] = Field(default_factory=dict, description="Columns that each line gets.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        _told_once(self.fields, self.constants)
        return self


class DocumentRules(_Strict):
    """What one stream's rows become."""

    doctype: str = Field(min_length=1, description="The DocType of the documents: Customer, Lead, Item.")
    fields: dict[str, FieldRule] = Field(
        min_length=1, description="Fieldname in ERPNext → the value's path in the row, or from, type and more."
    )
    constants: dict[str, Scalar] = Field(
        default_factory=dict, description="Fields that new documents get; then they are the desk users' own."
    )
    tables: dict[str, TableRules] = Field(default_factory=dict, description="Child tables, by their fieldname.")
    submit: bool = Field(default=False, description="Submit the documents; for DocTypes that can be submitted.")
    on_delete: Literal["ignore", "disable", "cancel"] = Field(
        default="ignore", description="What becomes of the document when the source says that the row is gone."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        _told_once(self.fields, self.constants)
        _told_once(self.fields, self.tables, "tables")
        if own := sorted({*self.fields, *self.constants, *self.tables} & ERPNEXT_S_OWN):
            raise ValueError(f"{', '.join(own)}: kept by ERPNext or the hub, and not to be stated; remove it")
        if self.on_delete == "cancel" and not self.submit:
            raise ValueError("on_delete: cancel needs submit: true; ERPNext cancels only what was submitted")
        if self.on_delete == "disable" and "disabled" in {*self.fields, *self.constants}:
            raise ValueError("on_delete: disable writes the field disabled; take it off fields and constants")
        return self


def fixed(constants: Mapping[str, Scalar]) -> dict[str, Any]:
    """Constants without binary floats."""
    return {name: _plain(value) for name, value in constants.items()}


def _told_once(fields: Mapping[str, Any], others: Mapping[str, Any], what: str = "constants") -> None:
    if both := sorted(fields.keys() & others.keys()):
        raise ValueError(f"fields and {what} both state {', '.join(both)}; keep one")


def _plain(value: Scalar) -> Any:
    if isinstance(value, bool):
        return int(value)
    return Decimal(str(value)) if isinstance(value, float) else value
