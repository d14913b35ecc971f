"""What must be said of a table: which one it is, what makes its rows one, and what grows with each change."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from hub.zones import Zone

MAX_NAME_CHARS = 64  # MySQL's; PostgreSQL allows 63 bytes and tells of longer ones itself
MAX_PAGE_ROWS = 10_000

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "like", "in", "not in", "is null", "is not null"]
WITHOUT_VALUE = ("is null", "is not null")
WITH_LIST = ("in", "not in")


def _name(name: str) -> str:
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise ValueError(f"{name!r} is no name of a table or column: 1 to {MAX_NAME_CHARS} printable characters")
    return name


def _unlike(names: list[str]) -> list[str]:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"{', '.join(sorted(repeated))} stands there twice")
    return names


Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[list[Name], AfterValidator(_unlike)]
# strictly, so that "yes" and 1 stay what they are; what YAML takes for a float is a Decimal
Constant = Annotated[StrictBool | StrictInt | StrictStr | Decimal, Field(union_mode="left_to_right")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class _Table(_Strict):
    table: str | Annotated[list[Name], Field(min_length=1, max_length=2)] = Field(
        description="orders or sales.orders; as a list, [sales, orders.2026], where a name bears a dot."
    )
    time_zone: Zone = Field(default="UTC", description="The zone of times that the database keeps without one.")

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        for name in self.path:
            _name(name)
        return self

    @property
    def path(self) -> list[str]:
        """The table's name, after that of its schema if one is stated."""
        return self.table.split(".", 1) if isinstance(self.table, str) else self.table


class Filter(_Strict):
    """Rows for which this does not hold are not read."""

    column: Name
    op: Operator = "="
    value: Constant | list[Constant] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.op in WITHOUT_VALUE) != (self.value is None):
            raise ValueError(f"op {self.op!r} takes {'no value' if self.op in WITHOUT_VALUE else 'a value'}")
        if (self.op in WITH_LIST) != isinstance(self.value, list) or self.value == []:
            raise ValueError(f"op {self.op!r} takes {'a list of values' if self.op in WITH_LIST else 'one value'}")
        return self


class StreamSettings(_Table):
    """`integrations.<name>.streams.<stream>.settings` of a table that is read."""

    columns: Names = Field(default=[], description="Which are read, beside key and cursor. Empty: all.")
    key: Annotated[Names, Field(min_length=1)] = Field(
        default=["id"], description="The columns that make a row one, with a unique index."
    )
    cursor: Name | None = Field(
        default=None, description="The column that grows with each change. Mode full needs none."
    )
    filters: list[Filter] = Field(default=[], description="Only rows for which all of these hold.")
    size: int = Field(default=1000, ge=1, le=MAX_PAGE_ROWS, description="Rows of a page, which memory must hold.")


class FlowSettings(_Table):
    """`flows.<name>.settings` of a flow that writes rows into a table."""

    key: Annotated[Names, Field(min_length=1)] = Field(
        default=["id"], description="The columns that make a row one, with a unique index."
    )
    columns: dict[str, Name] = Field(
        default={}, description="Field of the row → column. Empty: each field has a column of its name."
    )
    version: Name | None = Field(
        default=None, description="A text column for the row's version: an older one then changes nothing."
    )
    on_delete: Literal["ignore", "remove", "mark"] = Field(
        default="ignore",
        description="What becomes of the row when the source says that it is gone; needs actions: {<stream>/deleted: "
        "delete_row}.",
    )
    deleted_column: Name | None = Field(
        default=None, description="on_delete: mark writes when it was deleted there (or true); null while it is there."
    )

    @model_validator(mode="after")
    def _marks_somewhere(self) -> Self:
        if (self.on_delete == "mark") != (self.deleted_column is not None):
            raise ValueError("on_delete: mark and deleted_column, the column of the mark, need each other")
        if self.deleted_column and self.deleted_column in (*self.key, self.version, *self.columns.values()):
            raise ValueError(
                f"deleted_column {self.deleted_column!r} is written for another purpose; take one of its own"
            )
        return self

    @property
    def named_actions(self) -> frozenset[str]:
        """What of the actions a flow must name."""
        return frozenset() if self.on_delete == "ignore" else frozenset({"delete_row"})
