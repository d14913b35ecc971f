"""What a Lambda starts with: ports whose adapters are made when they are first asked, and the clock."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the delivery Lambda need not load it
    from hub.receive import Bodies, Tokens


def utc_now() -> datetime:
    """The clock of everything that ships."""
    return datetime.now(UTC)


class LateBodies:
    """Bodies whose client is made at the first body that is too large for a queue: most Lambdas never see one."""

    def __init__(self, make: "Callable[[], Bodies]") -> None:
        self.make = make
        self.made: Bodies | None = None

    def keep(self, body: bytes) -> str:
        """As Bodies.keep."""
        self.made = self.made or self.make()
        return self.made.keep(body)


class LateTokens:
    """Tokens whose client is made at the first one: few integrations ask for them."""

    def __init__(self, make: "Callable[[], Tokens]") -> None:
        self.make = make
        self.made: Tokens | None = None

    def event_of(self, token: str) -> str | None:
        """As Tokens.event_of."""
        self.made = self.made or self.make()
        return self.made.event_of(token)

    def keep(self, token: str, event_id: str) -> None:
        """As Tokens.keep."""
        self.made = self.made or self.make()
        self.made.keep(token, event_id)
