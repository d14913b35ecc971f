"""The site's time: naive, site-local, with microseconds, as Frappe stamps `creation` and `modified`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

FORMAT = "%Y-%m-%d %H:%M:%S.%f"


class SiteClock:
    """Turns an injected UTC clock into stamps; no two stamps are of the same instant.

    The instants never run backwards, but the stamps do, by an hour, where daylight saving time ends.
    """

    def __init__(self, now: Callable[[], datetime], time_zone: str) -> None:
        self.now = now
        self.time_zone = time_zone
        self.zone = ZoneInfo(time_zone)
        self._last = datetime.min.replace(tzinfo=UTC)

    def instant(self) -> datetime:
        """A UTC instant later than every one before."""
        self._last = max(self.now().astimezone(UTC), self._last + timedelta(microseconds=1))
        return self._last

    def stamp(self, instant: datetime | None = None) -> str:
        return (instant or self.instant()).astimezone(self.zone).strftime(FORMAT)

    def today(self) -> str:
        return self.now().astimezone(self.zone).date().isoformat()
