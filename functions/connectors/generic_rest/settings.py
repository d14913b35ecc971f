"""What a stream of a REST source must be told: where its rows are, what makes them one, and how its pages follow."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hub.sign_in import Auth
from hub.zones import Zone

TimeFormat = Literal["rfc3339", "unix_seconds", "unix_milliseconds", "integer", "local"]


def _path(path: str) -> str:
    if not path.startswith("/") or path.startswith("//") or "://" in path:
        raise ValueError(f"{path!r} is no path below the integration's url: write /v1/orders")
    return path


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Version(_Strict):
    """The field that grows with each change of a row."""

    field: str = Field(description="Its dotted path in a row: updated_at, meta.version.")
    format: TimeFormat = Field(
        default="rfc3339",
        description="How it is written: a time with its offset, a number of seconds or milliseconds, a counter, or "
        "(local) a time without offset in time_zone.",
    )
    time_zone: Zone = Field(default="UTC", description="The zone of format local.")


class Bound(_Strict):
    """A query parameter that restricts the listing to rows from, or before, a version."""

    param: str
    format: TimeFormat | None = Field(default=None, description="As the version's, if not stated.")
    step: Literal["seconds", "milliseconds", "microseconds"] = Field(
        default="seconds", description="The finest time that the source understands; finer is cut off."
    )


class NoPages(_Strict):
    """One answer holds all rows."""

    style: Literal["none"]


class LinkPages(_Strict):
    """The header Link names the next page (RFC 8288, rel=next)."""

    style: Literal["link"]


class NextPages(_Strict):
    """The body holds the URL of the next page."""

    style: Literal["next_url"]
    path: str = Field(description="Where in the body it stands: links.next.")


class CursorPages(_Strict):
    """The body holds a token for the next page."""

    style: Literal["cursor"]
    path: str = Field(description="Where in the body it stands: meta.next_cursor.")
    param: str = Field(description="The query parameter that it is sent by.")
    more: str = Field(default="", description="Where the body says true while there are more pages, if it does.")


class NumberedPages(_Strict):
    """Pages are numbered, and end with an empty one."""

    style: Literal["page"]
    param: str = "page"
    first: int = 1
    pages: str = Field(default="", description="Where the body says how many pages there are, if it does.")


class OffsetPages(_Strict):
    """Rows are skipped by number. Each page repeats the last row of the one before, which proves that nothing slid."""

    style: Literal["offset"]
    param: str = "offset"
    limit_param: str = "limit"
    size: int = Field(default=100, ge=2, le=10_000)


class KeysetPages(_Strict):
    """Rows come in the order of their version, and each page begins with the version that the one before ended with:
    the stream's `since` says how that is asked."""

    style: Literal["keyset"]
    size: int = Field(default=100, ge=2, le=10_000, description="Rows of a full page.")
    limit_param: str = Field(
        default="",
        description="The query parameter that asks for so many rows. With it, more rows of one version than a page holds "
        "are asked for in a larger one.",
    )


Pages = Annotated[
    NoPages | LinkPages | NextPages | CursorPages | NumberedPages | OffsetPages | KeysetPages,
    Field(discriminator="style"),
]


class Deleted(_Strict):
    """How a row says that its record is gone."""

    field: str
    values: list[str | bool | int] = Field(default=[True], description="Any of these. [] means any value but null.")


class StreamSettings(_Strict):
    """`integrations.<name>.streams.<stream>.settings` of an integration whose connector is generic_rest."""

    path: Annotated[str, AfterValidator(_path)]
    query: dict[str, str] = Field(default_factory=dict, description="Sent with every page: status: any, per_page: 100.")
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with every page. No secrets: see auth.")
    rows: str = Field(
        default="", description="Where in the answer the list of rows is: data.items. Empty: it is the answer."
    )
    key: str | list[str] = Field(default="id", description="What makes a row one: a dotted path, or several.")
    version: Version | None = Field(default=None, description="Without it rows are told by their content alone.")
    since: Bound | None = Field(default=None, description="Without it every run lists everything.")
    until: Bound | None = Field(default=None, description="With it, backfills run in windows.")
    page: Pages = NoPages(style="none")
    total: str = Field(default="", description="Where the answer says how many rows the whole listing has.")
    token: str = Field(default="", description="Mode delta: where the answer holds the token for the next run.")
    deleted: Deleted | None = None
    auth: Auth = Auth()
    requests_per_second: float | None = Field(default=None, gt=0, le=1000)
    confirm: bool = Field(
        default=True,
        description="A listing of several pages is read twice, unless its pages prove that they follow each other "
        "(offset, keyset): sources move rows from page to page while they are read, or answer with a wrong one.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if isinstance(self.page, KeysetPages) and not (self.version and self.since):
            raise ValueError("page style keyset needs version and since: each page begins where the one before ended")
        if (self.since or self.until) and not self.version and not self.token:
            raise ValueError("since and until need version: which field they restrict")
        return self
