"""The configuration: which integrations and flows exist on a stage, and their limits (`config/<stage>.yaml`)."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,28}[a-z0-9]$")]
# queue names are hub-<stage>-<flow>-dead.fifo and SQS allows 80 characters; function names allow 64


def _text(value: Any) -> Any:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, int | float):
            raise ValueError(f"{each!r} is no text: write it in quotes")
        if not isinstance(each, str):
            raise ValueError("is neither a text nor a list of texts")
    return value


Stated = Annotated[str | list[str], BeforeValidator(_text)]  # ids are often digits, which YAML takes for a number


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BreakerLimits(_Strict):
    """When the flows to a destination are paused, and how soon it is asked whether it is back."""

    strikes: int = Field(default=5, ge=1, le=100, description="Calls in a row that found it unavailable.")
    first_probe_seconds: float = Field(
        default=30, ge=1, le=3600, description="Then it is asked, twice as late each time."
    )
    longest_probe_seconds: float = Field(default=300, ge=1, le=3600, description="It is asked no later than this.")


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
    breaker: BreakerLimits = Field(default_factory=BreakerLimits)
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


class Alarms(_Strict):
    """Who is told when something dies."""

    email: list[str] = Field(default_factory=list, description="Addresses subscribed to the alarms topic.")


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
