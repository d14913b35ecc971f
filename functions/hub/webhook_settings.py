"""The environment of each Lambda as a type that its writer (infra) and its reader (main.py) share; and the webhook
Lambda's own, apart from the others' so that it loads nothing of theirs.

Everything sits in one variable as JSON. AWS allows 4 KB for all variables of a function together
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); `to_env` refuses more than that.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

VARIABLE = "HUB_SETTINGS"
MAX_ENVIRONMENT_BYTES = 4_096
PUBLISHED = "published"  # among allowed addresses: those that the connector's manifest lists


@dataclass(frozen=True, slots=True)
class Settings:
    """What all Lambdas' settings can do."""

    def to_env(self) -> dict[str, str]:
        """The variables to give the function; raises ValueError if they exceed Lambda's 4 KB."""
        text = json.dumps(dataclasses.asdict(self), separators=(",", ":"))
        if len(text.encode()) > MAX_ENVIRONMENT_BYTES - 256:  # 256 for the variables of Powertools
            raise ValueError(f"the settings take {len(text.encode())} bytes; a Lambda's environment holds 4096")
        return {VARIABLE: text}

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Self:
        """Read what `to_env` wrote; raises KeyError if the variable is missing."""
        return cls._from_dict(json.loads(environment[VARIABLE]))

    @classmethod
    def _from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**values)


@dataclass(frozen=True, slots=True)
class WebhookSettings(Settings):
    """The webhook Lambda of one integration. How its provider signs stands in the connector's manifest."""

    stage: str
    integration: str
    connector: str
    secret_id: str
    queue_urls: list[str]  # one per flow that starts at this integration
    bodies_bucket: str
    ledger_table: str  # also holds one-time tokens
    account: str = ""
    public_url: str = ""
    expects: dict[str, str | list[str]] = field(default_factory=dict)
    tolerance_seconds: float | None = None
    addresses: list[str] = field(default_factory=list)  # CIDRs, or "published" for the manifest's; [] allows all
    token_header: str = ""
    timeout_seconds: float = 4.0  # the function's own: its calls must have ended before
