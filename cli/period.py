"""The periods that people state: "2h" ago, a day, a moment."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.failure import Failed

AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
HOW = "write how long ago (90s, 30m, 2h, 7d, 4w), a day (2026-11-20) or a moment (2026-11-20T14:30), in UTC"

UntilOption = Annotated[str | None, typer.Option("--until", help="And before then, written in the same way.")]


def moment(text: str, option: str, now: datetime) -> datetime:
    """What a person means by --since or --until; without a zone it is UTC, as everything that the hub prints. Raises
    Failed for what is no time."""
    plain = text.strip()
    try:
        if ago := AGO.fullmatch(plain):
            return now - timedelta(seconds=int(ago[1]) * SECONDS[ago[2]])
        found = datetime.fromisoformat(plain)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise Failed(f"{option} {text!r} is no time: {HOW}.") from error
