"""The configuration: which integrations and flows exist on a stage, and their limits (`config/<stage>.yaml`)."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from hub.errors import Category
from hub.pace import Pacing
from hub.streams import CursorKind, Mode

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,28}[a-z0-9]$")]
# queue names are hub-<stage>-<flow>-dead.fifo and SQS allows 80 characters; function names allow 64

SPAN = re.compile(r"1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days)")

SPAN_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}


def seconds_of(span: str) -> int:
    """The seconds of what SPAN matches."""
    number, unit = span.split(" ")
    return int(number) * SPAN_SECONDS[unit.rstrip("s")]


def _text(value: Any) -> Any:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, int | float):
            raise ValueError(f"{each!r} is no text: write it in quotes")
        if not isinstance(each, str):
            raise ValueError("is neither a text nor a list of texts")
    return value


Stated = Annotated[str | list[str], BeforeValidator(_text)]  # ids are often digits, which YAML takes for a number


def _span(text: str) -> str:
    if not SPAN.fullmatch(text):
        raise ValueError(f"{text!r} is no span such as '15 minutes', '1 hour' or '2 days'")
    return text


Span = Annotated[str, BeforeValidator(_text), AfterValidator(_span)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BreakerLimits(_Strict):
    """When the flows to a destination are paused, and how soon it is asked whether it is back."""

    strikes: int = Field(default=5, ge=1, le=100, description="Calls in a row that found it unavailable.")
    first_probe_seconds: float = Field(
        default=30, ge=1, le=3600, description="Then it is asked, twice as late each time."
    )
    longest_probe_seconds: float = Field(default=300, ge=1, le=3600, description="It is asked no later than this.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first_probe_seconds > self.longest_probe_seconds:
            raise ValueError("first_probe_seconds is longer than longest_probe_seconds; make it the shorter one")
        return self


class PacingLimits(_Strict):
    """How many calls in flight a destination may see from all its flows together. Below that the pace adapts."""

    max_in_flight: float | None = Field(
        default=None,
        gt=0,
        le=16_000,
        description="Calls in flight at the same time, on average. Without it, what its flows' max_concurrency and "
        "workers add up to.",
    )
    slow_call_seconds: float = Field(
        default=5, gt=0, le=60, description="When half of a batch's calls take longer, there are fewer at once."
    )


class Orphans(_Strict):
    """Rows that a source lists no more are told as deleted, within these limits."""

    max_per_run: int = Field(
        default=50, ge=1, description="More of them in one comparison wait for `hub sync approve`."
    )
    max_share: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Where a larger share of the known rows is missing, the listing is not believed.",
    )


class Reconcile(_Strict):
    """A stream's rows are held against the destination's documents now and then."""

    every: Span = Field(description="How often: '1 day'.")
    window: Span = Field(default="7 days", description="Rows that changed within so long, up to the tolerance.")
    tolerance: Span = Field(
        default="1 hour",
        description="Rows that changed within so long are left out: they may be on their way. Longer than it takes until "
        "they are read and applied.",
    )

    @model_validator(mode="after")
    def _within_reach(self) -> Self:
        if seconds_of(self.window) > 366 * 86_400:
            raise ValueError("window is longer than 366 days: what is older is compared by hand (hub reconcile)")
        return self


class StreamConfig(_Strict):
    """A stream that is read: when, and what its connector does not know of itself."""

    every: Span | None = Field(
        default=None,
        description="How often it is read: '15 minutes', '1 hour', '2 days'. Without it and cron: by hand.",
    )
    cron: str | None = Field(
        default=None, description="When, in EventBridge's six fields: '0 6 ? * MON-FRI *'. Either this or every."
    )
    time_zone: str = Field(default="UTC", description="The zone of cron: an IANA name such as Europe/Berlin.")
    entity: str | None = Field(
        default=None, description="The type of its rows' entities; the stream's name if not stated."
    )
    record: str | None = Field(
        default=None,
        description="What its rows are read as, where the connector can read them as more than rows: stock_level, price.",
    )
    mode: Mode | None = Field(
        default=None, description="incremental (by a cursor field), delta (by the source's token) or full."
    )
    cursor: CursorKind | None = Field(
        default=None, description="What the cursor field holds: timestamp, integer, token."
    )
    overlap: float | None = Field(
        default=None, ge=0, description="How many seconds (or units) behind the cursor are read again."
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="What the connector needs to know of the stream; see its README."
    )
    compare: Span | None = Field(
        default=None,
        description="How often all of it is held against what was queued ('1 day'): finds what no cursor can show.",
    )
    orphans: Orphans | None = Field(
        default=None, description="What to do with rows that are listed no more. Not stated: nothing. Needs compare."
    )
    reconcile: Reconcile | None = Field(
        default=None, description="How often its rows are held against the documents at the flow's destination."
    )

    late_after: Span | None = Field(
        default=None,
        description="An alarm rings when no run has ended for so long; at most 7 days. Without it: twice `every`, at "
        "least 30 minutes; with cron, 26 hours, or 7 days where it does not run every day.",
    )

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if self.every and self.cron:
            raise ValueError("every and cron are both stated; keep one")
        if self.orphans and not self.compare:
            raise ValueError("orphans are found by comparing: state compare, such as '1 day'")
        return self

    @property
    def schedule(self) -> str | None:
        """The schedule as EventBridge Scheduler writes it; None where the stream is read by hand only."""
        if self.cron:
            return f"cron({self.cron})"
        return f"rate({self.every})" if self.every else None


class Network(_Strict):
    """A private network that is there already. The hub's functions that reach the system run within it."""

    subnets: list[Annotated[str, StringConstraints(pattern=r"^subnet-([0-9a-f]{8}|[0-9a-f]{17})$")]] = Field(
        min_length=1, max_length=16, description="Ids of its subnets, in two zones at least: subnet-…."
    )
    security_groups: list[Annotated[str, StringConstraints(pattern=r"^sg-([0-9a-f]{8}|[0-9a-f]{17})$")]] = Field(
        min_length=1, max_length=5, description="Ids of the groups that the functions belong to: sg-…."
    )


class HealthChecks(_Strict):
    """How an integration is asked whether it is well."""

    every: Span = Field(default="5 minutes", description="How often: '5 minutes', '1 hour'.")
    slow_milliseconds: int = Field(
        default=2_000, ge=1, le=60_000, description="An answer that takes longer makes it degraded."
    )
    mend: bool = Field(
        default=True,
        description="Register again what `hub setup webhooks` had registered and the provider has dropped, and read the "
        "streams to fill the gap. false: it is only told.",
    )

    @property
    def every_seconds(self) -> int:
        """`every` in seconds."""
        return seconds_of(self.every)


class TrafficHours(_Strict):
    """When a source is expected to send, in UTC, which is all that CloudWatch knows."""

    days: Literal["every day", "MON-FRI", "MON-SAT"] = "every day"
    from_hour: int = Field(ge=0, le=23)
    until_hour: int = Field(ge=1, le=24)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_hour >= self.until_hour:
            raise ValueError("from_hour is not before until_hour; hours over midnight are not supported: use true")
        return self


Waits = Annotated[list[Annotated[float, Field(gt=0, le=1440)]], Field(max_length=10)]


class DeadLetterWaits(_Strict):
    """When events that died are tried again by themselves, before a person is told."""

    retry_minutes: Waits = Field(
        default=[5, 15, 60], description="So long after its last death an event is tried again; [] for never."
    )
    categories: dict[Category, Waits] = Field(
        default_factory=dict,
        description="Category of error → other waits. DATA_VALIDATION_FAILED and INVALID_REQUEST have [] unless stated.",
    )


class Integration(_Strict):
    """A configured instance of a connector: one shop, one ERPNext site."""

    connector: str = Field(description="The folder under functions/connectors/ that knows this kind of system.")
    url: str | None = Field(default=None, description="Where the system is, for a connector that calls it: https://….")
    account: str = Field(
        default="",
        description="The provider's tenant that may send here (Shopify: shop-eu.myshopify.com). Deliveries of "
        "another tenant signed by the same key are refused.",
    )
    public_url: str = Field(
        default="",
        description="The webhook URL exactly as registered at the provider, where that is not the URL that deploy "
        "prints (a domain of your own). Some providers sign it; it is never taken from the request.",
    )
    expects: dict[str, Stated] = Field(
        default_factory=dict,
        description="What the connector's manifest lists under [expects]: ids, audiences, topics, origins that "
        "deliveries are held against.",
    )
    tolerance_seconds: float | None = Field(
        default=None, gt=0, le=604_800, description="How old a signed time may be, instead of the manifest's window."
    )
    allowed_addresses: list[str] = Field(
        default_factory=list,
        description="CIDRs that may send, or 'published' for those that the connector's manifest lists. Empty: all.",
    )
    same_as: str = Field(
        default="",
        description="Another integration that is the same system: the ERPNext site whose webhooks this one receives.",
    )
    ownership: dict[str, str] = Field(
        default_factory=dict,
        description="What flows in both directions could write (stock, price, fulfilment) → the integration whose word "
        "counts. The other one's is left alone. Stated at one of the two.",
    )
    health: HealthChecks = Field(default_factory=HealthChecks)
    breaker: BreakerLimits = Field(default_factory=BreakerLimits)
    pacing: PacingLimits = Field(default_factory=PacingLimits)
    streams: dict[Name, StreamConfig] = Field(
        default_factory=dict, description="What is read from it page by page, beside what it sends by itself."
    )
    network: Network | None = Field(
        default=None, description="The private network that the system is reached from; see docs/network.md."
    )
    expects_traffic: bool | TrafficHours = Field(
        default=False, description="Whether an alarm rings when nothing comes: true, or the hours in which it does."
    )
    silent_after: Span = Field(default="30 minutes", description="How long nothing may come while traffic is expected.")
    dead_letters: DeadLetterWaits = Field(default_factory=DeadLetterWaits)
    token_header: str = Field(
        default="",
        description="A header with a one-time token: a token that comes again with another event is refused.",
    )


class Retry(_Strict):
    """Exponential backoff with full jitter, for troubles that time heals."""

    base_seconds: float = Field(default=2, gt=0, le=60, description="The first wait is random in [0, base].")
    cap_seconds: float = Field(default=900, gt=0, le=43_200, description="No wait is longer (SQS allows 12 hours).")
    give_up_after_hours: float = Field(default=12, gt=0, le=240, description="Then the event is set aside as dead.")


class Flow(_Strict):
    """A route from a source integration to a destination integration: its own queue, Lambda and limits."""

    source: Name = Field(description="The integration that events come from.")
    destination: Name = Field(description="The integration that documents are written to.")
    actions: dict[str, str] = Field(
        default_factory=dict,
        description="Topic → action, or → 'ignore', where it differs from what the two connectors agree on.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="What the destination connector needs to know; see its README."
    )
    max_concurrency: int = Field(
        default=2, ge=2, le=1000, description="Delivery Lambdas at the same time (AWS allows no fewer than 2)."
    )
    workers: int = Field(default=2, ge=1, le=16, description="Entities that one Lambda applies at the same time.")
    batch_size: int = Field(default=10, ge=1, le=10, description="Events per invocation (FIFO queues: 10 at most).")
    retry: Retry = Field(default_factory=Retry)
    wait_for_parent_hours: float = Field(
        default=24,
        gt=0,
        le=336,
        description="How long an event whose parent is missing (a payment without its order) is parked; then it is dead.",
    )


class Slack(_Strict):
    """A Slack channel. AWS Chatbot must have been let into its workspace once, in the AWS console."""

    workspace: str = Field(pattern=r"^[0-9A-Z]{1,255}$", description="The workspace's id: T….")
    channel: str = Field(pattern=r"^[A-Za-z0-9]{1,255}$", description="The channel's id: C….")


class Recipients(_Strict):
    """Who is told of the alarms of one severity."""

    email: list[str] = Field(default_factory=list, description="Addresses; AWS asks each to confirm.")
    sms: list[Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]] = Field(
        default_factory=list, description="Telephone numbers with their country: '+4930123456'."
    )
    slack: list[Slack] = Field(default_factory=list)
    pagerduty: str = Field(
        default="",
        description="The name of a secret in Secrets Manager whose text is the URL of PagerDuty's CloudWatch "
        "integration. The URL holds a key: it does not belong here.",
    )
    https: list[Annotated[str, StringConstraints(pattern=r"^https://")]] = Field(
        default_factory=list, description="URLs that SNS shall call; they must answer its request to confirm."
    )


class Thresholds(_Strict):
    """When the alarms ring."""

    down_minutes: int = Field(default=30, ge=10, le=1440, description="An integration does not serve for so long.")
    failed_checks: int = Field(default=3, ge=1, le=20, description="Health checks in a row that failed.")
    availability_percent: float = Field(default=95, gt=0, le=100, description="Of six hours' health checks.")
    error_rate_percent: float = Field(default=5, ge=0, lt=100, description="Of a flow's tries, for ten minutes.")
    rate_limit_hits: int = Field(default=10, ge=0, description="More of them in five minutes.")
    p95_seconds: float = Field(
        default=2, gt=0, le=3600, description="From the provider's clock to the document, for 15 minutes."
    )
    queue_length: int = Field(default=100, ge=0, description="More events of a flow wait, for five minutes.")
    queue_age_minutes: float | None = Field(
        default=None,
        gt=0,
        description="A flow's oldest event is older. Without it: two of the flow's longest waits, at least 15.",
    )


class Alarms(_Strict):
    """Who is told when something needs a person, when, and what to do then."""

    email: list[str] = Field(default_factory=list, description="Addresses that are told of critical and warning.")
    critical: Recipients = Field(default_factory=Recipients, description="Events do not get through: wakes somebody.")
    warning: Recipients = Field(default_factory=Recipients, description="To be seen to in working hours.")
    info: Recipients = Field(default_factory=Recipients, description="Worth knowing.")
    runbooks: str = Field(default="docs/runbooks", description="Where the runbooks are: a URL, or a folder.")
    thresholds: Thresholds = Field(default_factory=Thresholds)


class Config(_Strict):
    """One stage of the hub."""

    stage: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,15}$")] = Field(
        description="The name of this deployment: local, staging, production."
    )
    region: str | None = Field(default=None, description="The AWS region; without it the CLI's own setting counts.")
    integrations: dict[Name, Integration] = Field(min_length=1)
    flows: dict[Name, Flow] = Field(min_length=1)
    alarms: Alarms = Field(default_factory=Alarms)
    ledger_days: int = Field(default=90, ge=1, le=3650, description="How long outcomes and payloads are kept.")
    log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
    webhook_requests_per_second: int = Field(default=50, ge=1, description="Throttle of each integration's URL.")
    webhook_burst: int = Field(default=100, ge=1, description="Requests that may come at once before the throttle.")
    webhook_reserved_concurrency: int | None = Field(
        default=None,
        ge=1,
        description="Lambdas of one integration that may receive at the same time, and that nothing else can take from "
        "it. Without it they share the account's. A new account has 10 in all, of which AWS lets none be reserved.",
    )
    access_log: bool = Field(
        default=False,
        description="One line for every request to the API, strangers' included: for finding a fault, not for ever.",
    )
    integration_dashboards: bool = Field(
        default=True,
        description="A dashboard for each integration beside that of the whole hub. AWS charges 3 USD a month for each.",
    )

    @model_validator(mode="after")
    def _flows_join_integrations(self) -> Self:
        for name, flow in self.flows.items():
            for end in ("source", "destination"):
                integration = getattr(flow, end)
                if integration not in self.integrations:
                    known = ", ".join(sorted(self.integrations))
                    raise ValueError(f"flows.{name}.{end}: there is no integration {integration!r}; known: {known}")
            if flow.source == flow.destination:
                raise ValueError(f"flows.{name}: source and destination are both {flow.source!r}; name two")
        return self

    def flows_from(self, integration: str) -> dict[str, Flow]:
        """The flows that start at an integration."""
        return {name: flow for name, flow in self.flows.items() if flow.source == integration}

    def flows_to(self, integration: str) -> dict[str, Flow]:
        """The flows that end at an integration."""
        return {name: flow for name, flow in self.flows.items() if flow.destination == integration}

    @property
    def connected(self) -> list[str]:
        """The integrations that a flow starts or ends at."""
        used = {end for flow in self.flows.values() for end in (flow.source, flow.destination)}
        return [name for name in self.integrations if name in used]

    def pacing_of(self, destination: str) -> Pacing:
        """The calls in flight that all flows to a destination may have there together."""
        flows = [flow for flow in self.flows.values() if flow.destination == destination]
        limits = self.integrations[destination].pacing
        planned = sum(flow.max_concurrency * flow.workers for flow in flows)
        return Pacing.of(planned, limits.max_in_flight, limits.slow_call_seconds)
