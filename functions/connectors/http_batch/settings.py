"""What a flow to a batch endpoint must be told: where rows go, what they say, and how the answer tells what became of each."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from hub.records import KINDS
from hub.sign_in import Auth

Scalar = str | bool | int | float
Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Told = str | bool | int


def _path(path: str) -> str:
    if not path.startswith("/") or path.startswith("//") or "://" in path:
        raise ValueError(f"{path!r} is no path below the integration's url: write /v1/contacts/batch")
    return path


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldRule(_Strict):
    """What a field of a row says. A path alone takes the value as it is."""

    source: str = Field(
        alias="from", min_length=1, description="The value's dotted path in the record: customer.email."
    )
    type: Literal["any", "text", "integer", "number", "boolean"] = Field(
        default="any", description="What the value must be; another one sets the event aside."
    )
    required: bool = Field(default=False, description="An event in which it is empty is set aside.")
    default: Scalar | None = Field(
        default=None,
        description="What counts where the value is empty or missing. Without it an event in which the path is missing "
        "is set aside: its source may have renamed it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, stated: Any) -> Any:
        return {"from": stated} if isinstance(stated, str) else stated

    @property
    def has_default(self) -> bool:
        """Whether one is stated, be it that of being empty."""
        return "default" in self.model_fields_set


class RowRules(_Strict):
    """What the records of one stream, or of one kind, become."""

    fields: dict[str, FieldRule] = Field(
        default_factory=dict,
        description="Field that is sent → the value's path in the record, or from, type and more. Empty: all as they are.",
    )
    constants: dict[str, Scalar] = Field(default_factory=dict, description="Fields that each row gets.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if both := sorted(self.fields.keys() & self.constants.keys()):
            raise ValueError(f"fields and constants both state {', '.join(both)}; keep one")
        return self


class Body(_Strict):
    """The request's body."""

    rows: str = Field(default="", description="The field that holds the list of rows. Empty: the list is the body.")
    constants: dict[str, Scalar] = Field(default_factory=dict, description="Fields beside it.")
    batch_id: str = Field(default="", description="The field beside it that bears the batch's id.")

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if not self.rows and (self.constants or self.batch_id):
            raise ValueError("constants and batch_id need rows: the field that holds the list beside them")
        return self


class Results(_Strict):
    """How an answer of 2xx says what became of each row."""

    path: str = Field(default="", description="Where the list is: data.results. Empty: it is the answer.")
    lists: Literal["all", "failed"] = Field(
        default="all", description="Whether it lists all rows, or only those that failed."
    )
    key: str = Field(
        default="", description="Where in a result the row's id is. Empty: results stand in the order of the rows."
    )
    names: str = Field(
        default="", description="The field of the row, as sent, that this id repeats; that of the event if not stated."
    )
    outcome: str = Field(
        default="status", description="Where in a result it says how the row ended: an HTTP status, a word, true."
    )
    success: list[Told] = Field(default=[], description="What it says of success. Empty: 200 to 299, or true.")
    temporary: list[Told] = Field(
        default=[], description="What it says where trying again helps, beside 408, 425, 429 and 500 to 599."
    )
    error: str = Field(default="", description="Where in a result the words about an error are.")
    document: str = Field(default="", description="Where in a result the name of what was made or changed there is.")

    @model_validator(mode="after")
    def _can_be_matched(self) -> Self:
        if self.lists == "failed" and not self.key:
            raise ValueError("lists: failed needs key: where a result says which row it is about")
        return self


class Deleted(_Strict):
    """How a row says that its record is gone."""

    field: str = Field(min_length=1)
    value: Scalar = True


class FlowSettings(_Strict):
    """`flows.<name>.settings` of a flow whose destination is a batch endpoint."""

    path: Annotated[str, AfterValidator(_path)] = Field(description="Below the integration's url: /v1/contacts/batch.")
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[Header, str] = Field(
        default_factory=dict, description="Sent with each request. No secrets: see auth."
    )
    auth: Auth = Auth()
    idempotency_header: Header | Literal[""] = Field(
        default="Idempotency-Key", description="The header that bears the batch's id. Empty: none."
    )
    body: Body = Body()
    id_field: str = Field(default="id", min_length=1, description="The field of a row that bears the entity's id.")
    event_field: str = Field(
        default="event_id",
        min_length=1,
        description="The field of a row that bears the event's id: the same whenever this row is sent again.",
    )
    version_field: str = Field(
        default="", description="The field of a row that bears the entity's version, which grows as text."
    )
    rows: dict[str, RowRules] = Field(
        default_factory=dict,
        description="Stream (of rows) or kind of record (customer, order, …) → what is sent of it. Streams must be listed; "
        "a kind that is not is sent as it is.",
    )
    deleted: Deleted | None = Field(default=None, description="Needed where `actions` name push_deletion.")
    results: Results | None = Field(
        default=None, description="Without it, an answer of 2xx other than 207 says that all rows were taken."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.auth.type == "query":
            raise ValueError("auth of type query would write a key into addresses; use header")
        own = {self.id_field, self.event_field} | ({self.version_field} - {""})
        if len(own) < (3 if self.version_field else 2):
            raise ValueError("id_field, event_field and version_field must be three different fields")
        for name, rules in self.rows.items():
            if taken := sorted({*rules.fields, *rules.constants} & (own - {self.id_field})):
                raise ValueError(f"rows.{name} states {', '.join(taken)}, which the hub writes; rename one of the two")
        return self

    @property
    def row_streams(self) -> set[str]:
        """The streams of whose rows the settings speak."""
        return set(self.rows) - set(KINDS)

    @property
    def named_actions(self) -> frozenset[str]:
        """What of the actions a flow must name."""
        return frozenset({"push_deletion"}) if self.deleted else frozenset()
