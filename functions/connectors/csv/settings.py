"""What a stream of files must be told: which columns there are, what their cells hold, and what makes a row one."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hub.zones import Zone

ERROR_COLUMN = "hub_error"  # of the files with rejected rows, beside their own columns
MOST_CELL_CHARS = 32_767  # Excel's own limit

ColumnType = Literal["text", "integer", "number", "money", "date", "datetime", "bool"]
Encoding = Literal[
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1257",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "mac-roman",
    "cp437",
    "cp850",
    "shift_jis",
    "cp932",
    "gb18030",
    "big5",
    "euc-kr",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """What the cells of one column hold."""

    type: ColumnType = "text"
    header: str = Field(default="", description="What the file calls it, where that is not the field's name.")
    required: bool = Field(default=False, description="A row whose cell is empty is refused.")
    optional: bool = Field(default=False, description="A file without the column is taken.")
    decimal: Literal[".", ","] | None = Field(default=None, description="The decimal sign, if not the stream's.")
    currency: Annotated[str, Field(pattern=r"^([A-Z]{3})?$")] = Field(
        default="", description="Of a money column: EUR. Cells may repeat it, as a code or sign; another is refused."
    )
    formats: list[str] = Field(
        default_factory=list,
        description="How dates are written beside 2026-12-31, in strptime's letters: '%d.%m.%Y'.",
    )
    time_zone: Zone = Field(default="UTC", description="The zone of datetimes that state none.")
    yes: list[str] = Field(default=["true", "yes", "y", "1"], description="What a bool column says for true.")
    no: list[str] = Field(default=["false", "no", "n", "0"], description="What it says for false.")
    values: list[str] = Field(default_factory=list, description="The only texts allowed, if any are stated.")


def _typed(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class StreamSettings(_Strict):
    """`integrations.<name>.streams.<stream>.settings` of an integration whose connector is csv."""

    key: str | list[str] = Field(description="The column, or columns, that make a row one.")
    columns: dict[str, Annotated[Column, BeforeValidator(_typed)]] = Field(
        min_length=1, description="Field → what its column holds: a type, or settings of it."
    )
    others: Literal["keep", "drop", "refuse"] = Field(
        default="keep", description="Columns that are not stated: kept as text, left out, or the file is refused."
    )
    encoding: Encoding | None = Field(default=None, description="If it is not to be told from the file.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default=None, description="If it is not to be told from the file."
    )
    decimal: Literal[".", ","] = "."
    header_row: int = Field(default=1, ge=1, le=100, description="The row with the columns' names.")
    sheet: str = Field(default="", description="The sheet of a workbook; the first visible one if not stated.")
    formulas: Literal["refuse", "neutralise", "keep"] = Field(
        default="refuse",
        description="A text cell that a spreadsheet would run: refused, quoted by ', or left as it is.",
    )
    duplicates: Literal["refuse", "in_order"] = Field(
        default="refuse", description="Rows of one key: all refused, or applied one after the other."
    )
    notify: Literal["always", "problems"] = Field(
        default="always", description="Whether people are told of each file, or of those with a problem."
    )

    @property
    def keys(self) -> list[str]:
        """The fields that make the key."""
        return [self.key] if isinstance(self.key, str) else self.key

    @model_validator(mode="after")
    def _fits(self) -> Self:
        missing = [name for name in self.keys if name not in self.columns]
        if missing or not self.keys:
            raise ValueError(f"key names {', '.join(missing) or 'nothing'}; it must name columns that are stated")
        named: dict[str, str] = {}
        for name, column in self.columns.items():
            header = plain(column.header or name)
            if header in named:
                raise ValueError(f"columns {named[header]} and {name} are the same column of the file")
            if header == ERROR_COLUMN:
                raise ValueError(f"a column {ERROR_COLUMN} is what the hub itself adds; give it another name")
            if column.currency and column.type != "money":
                raise ValueError(f"column {name}: a currency belongs to type money")
            if column.formats and column.type not in ("date", "datetime"):
                raise ValueError(f"column {name}: formats belong to type date or datetime")
            named[header] = name
        return self


def plain(header: str) -> str:
    """A column's name as it is compared: without case and surrounding blanks."""
    return " ".join(header.split()).casefold()
